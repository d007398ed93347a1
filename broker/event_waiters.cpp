#include "broker/event_waiters.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ns::broker {
namespace {

constexpr std::size_t kMostWaiters = 4096;

Event event_from(const store::Reply& entry) {
  Event event;
  event.id = entry.at(0).text();
  const auto& fields = entry.at(1).list();
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string& name = fields[i].text();
    const store::Reply& value = fields[i + 1];
    if (name == "type") event.type = value.text();
    if (name == "time") event.time_ms = value.number();
    if (name == "trial") event.trial = static_cast<std::uint32_t>(value.number());
    if (name == "attempt") event.attempt = static_cast<std::uint32_t>(value.number());
    if (name == "worker") event.worker = value.text();
    if (name == "body") event.body = value.text();
  }
  return event;
}

Events events_from(const store::Reply& reply) {
  Events events;
  events.ended = reply.at(0).number() == 1;
  for (const store::Reply& entry : reply.at(1).list()) events.events.push_back(event_from(entry));
  return events;
}

}  // namespace

// In the list from before its first reading, so that no event falls between a reading and the wait after it.
struct EventWaiters::Waiter {
  Request request;
  ReadEvents question;
  Clock::Time until;
  bool reading = false;
  bool woken = false;  // while reading
  bool answered = false;
};

EventWaiters::EventWaiters(store::Client& store, const Clock& clock) : store_(store), clock_(clock) {}

void EventWaiters::read(const Request& request, const ReadEvents& question) {
  const auto wait = std::chrono::milliseconds(waiters_.size() < kMostWaiters ? question.wait_ms : 0);
  auto waiter = std::make_shared<Waiter>(Waiter{request, question, clock_.now() + wait});
  if (wait.count() > 0) waiters_.emplace(question.task.text, waiter);
  read(waiter);
}

void EventWaiters::read(const std::shared_ptr<Waiter>& waiter) {
  waiter->reading = true;
  waiter->woken = false;
  const ReadEvents& question = waiter->question;
  store_.call("read_events", {question.task.text, question.after, std::to_string(question.limit)},
              [this, waiter](const store::Reply& reply) {
                guarded(waiter->request, [&] { answered(waiter, reply); });
                if (waiter->answered) forget(waiter);
              });
}

void EventWaiters::answered(const std::shared_ptr<Waiter>& waiter, const store::Reply& reply) {
  waiter->reading = false;
  waiter->answered = true;  // unless it waits on; an error is an answer too
  if (reply.is_error()) throw reply.error();
  const Events events = events_from(reply);
  if (!events.events.empty() || events.ended || clock_.now() >= waiter->until) {
    waiter->request.reply(events);
    return;
  }
  waiter->answered = false;
  if (waiter->woken) read(waiter);
}

void EventWaiters::forget(const std::shared_ptr<Waiter>& waiter) {
  const auto [first, last] = waiters_.equal_range(waiter->question.task.text);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second == waiter; });
  if (found != last) waiters_.erase(found);
}

void EventWaiters::wake(const std::string& task) {
  const auto [first, last] = waiters_.equal_range(task);
  std::vector<std::shared_ptr<Waiter>> woken;
  for (auto entry = first; entry != last; ++entry) woken.push_back(entry->second);
  for (const auto& waiter : woken) {
    if (waiter->reading) {
      waiter->woken = true;
    } else {
      read(waiter);
    }
  }
}

void EventWaiters::wake_all() {
  std::vector<std::string> tasks;
  for (const auto& [task, waiter] : waiters_) {
    if (tasks.empty() || tasks.back() != task) tasks.push_back(task);
  }
  for (const std::string& task : tasks) wake(task);
}

void EventWaiters::expire() {
  std::vector<std::shared_ptr<Waiter>> over;
  for (const auto& [task, waiter] : waiters_) {
    if (!waiter->reading && clock_.now() >= waiter->until) over.push_back(waiter);
  }
  for (const auto& waiter : over) {
    waiter->request.reply(Events{});
    forget(waiter);
  }
}

}  // namespace ns::broker
