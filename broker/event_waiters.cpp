#include "broker/event_waiters.h"

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "broker/event_page.h"

namespace ns::broker {
namespace {

constexpr std::size_t kMostWaiters = 4096;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

// Events of a task end the wait of whoever waits for its trials, too: it may have been the last one.
bool concerns(const ReadEvents& question, const std::vector<std::string>& types) {
  if (question.types.empty() || types.empty()) return true;
  return std::any_of(types.begin(), types.end(), [&](const std::string& type) {
    return type.starts_with("task.") ||
           std::find(question.types.begin(), question.types.end(), type) != question.types.end();
  });
}

}  // namespace

// In the list from before its first reading, so that no event falls between a reading and the wait after it.
struct EventWaiters::Waiter {
  Request request;
  ReadEvents question;
  Clock::Time until;
  bool due = false;
  bool reading = false;
  bool woken = false;  // while reading
  bool answered = false;
};

EventWaiters::EventWaiters(store::Client& store, const Clock& clock) : store_(store), clock_(clock) {}

void EventWaiters::read(const Request& request, const ReadEvents& question) {
  const auto wait = std::chrono::milliseconds(waiters_.size() < kMostWaiters ? question.wait_ms : 0);
  auto waiter = std::make_shared<Waiter>(Waiter{request, question, clock_.now() + wait});
  if (wait.count() > 0) waiters_.emplace(question.task.text, waiter);
  make_due(waiter);
}

void EventWaiters::make_due(const std::shared_ptr<Waiter>& waiter) {
  if (std::exchange(waiter->due, true)) return;
  due_.push_back(waiter);
}

void EventWaiters::flush() {
  for (const auto& waiter : std::exchange(due_, {})) {
    waiter->due = false;
    read(waiter);
  }
}

void EventWaiters::read(const std::shared_ptr<Waiter>& waiter) {
  waiter->reading = true;
  waiter->woken = false;
  const ReadEvents& question = waiter->question;
  store_.call("read_events", {question.task.text, question.after, question.limit, joined(question.types)},
              [this, waiter](const store::Reply& reply) {
                guarded(waiter->request, [&] { answered(waiter, reply); });
                if (waiter->answered) forget(waiter);
              });
}

void EventWaiters::answered(const std::shared_ptr<Waiter>& waiter, const store::Reply& reply) {
  waiter->reading = false;
  waiter->answered = true;  // unless it waits on; an error is an answer too
  if (reply.is_error()) throw reply.error();
  const auto [events, more] = event_page_from(reply);  // more: behind events of other types that were passed over
  if (!events.events.empty() || events.ended || clock_.now() >= waiter->until) {
    waiter->request.reply(events);
    return;
  }
  waiter->answered = false;
  waiter->question.after = events.next;
  if (waiter->woken || more) make_due(waiter);
}

void EventWaiters::forget(const std::shared_ptr<Waiter>& waiter) {
  const auto [first, last] = waiters_.equal_range(waiter->question.task.text);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second == waiter; });
  if (found != last) waiters_.erase(found);
}

void EventWaiters::wake_listed(const std::string& tasks) {
  std::istringstream words(tasks);
  std::string task;
  std::vector<std::string> types;
  const auto wake_last = [&] {
    if (!task.empty()) wake(task, types);
    types.clear();
  };
  for (std::string word; words >> word;) {
    if (word.find('.') != std::string::npos) {
      types.push_back(std::move(word));
    } else {
      wake_last();
      task = std::move(word);
    }
  }
  wake_last();
}

void EventWaiters::wake(const std::string& task) { wake(task, {}); }

void EventWaiters::wake(const std::string& task, const std::vector<std::string>& types) {
  const auto [first, last] = waiters_.equal_range(task);
  for (auto entry = first; entry != last; ++entry) {
    const auto& waiter = entry->second;
    if (!concerns(waiter->question, types)) continue;
    if (waiter->reading) {
      waiter->woken = true;
    } else {
      make_due(waiter);
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
    if (!waiter->due && !waiter->reading && clock_.now() >= waiter->until) over.push_back(waiter);
  }
  for (const auto& waiter : over) {
    Events none;
    none.next = waiter->question.after;
    waiter->request.reply(none);
    forget(waiter);
  }
}

}  // namespace ns::broker
