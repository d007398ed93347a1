#include "common/net/poll_loop.h"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/error.h"

namespace ns::net {

struct PollLoop::Watch {
  void* socket = nullptr;  // or
  int descriptor = -1;
  short events = 0;
  Callback on_message;
  DescriptorCallback on_ready;
  bool removed = false;  // within the turn that is under way
};

// The watches as they were at one time: callbacks may change the list.
struct PollLoop::Polled {
  std::uint64_t changes = 0;
  std::vector<std::shared_ptr<Watch>> watches;
  std::vector<zmq_pollitem_t> items;

  void take(const std::vector<std::shared_ptr<Watch>>& list, std::uint64_t changes_of_list) {
    if (changes == changes_of_list) return;
    changes = changes_of_list;
    watches = list;
    items.clear();
    for (const auto& watch : watches) items.push_back({watch->socket, watch->descriptor, watch->events, 0});
  }
};

PollLoop::PollLoop(const Clock& clock) : clock_(clock) {}
PollLoop::~PollLoop() = default;

void PollLoop::watch_socket(void* socket, Callback callback) {
  unwatch_socket(socket);
  auto watch = std::make_shared<Watch>();
  watch->socket = socket;
  watch->events = ZMQ_POLLIN;
  watch->on_message = std::move(callback);
  watches_.push_back(std::move(watch));
  ++changes_;
}

void PollLoop::unwatch_socket(void* socket) {
  for (const auto& watch : watches_) watch->removed = watch->removed || watch->socket == socket;
  std::erase_if(watches_, [](const auto& watch) { return watch->removed; });
  ++changes_;
}

void PollLoop::watch(const Router& router, Callback readable) { watch_socket(router.handle(), std::move(readable)); }
void PollLoop::watch(const Dealer& dealer, Callback readable) { watch_socket(dealer.handle(), std::move(readable)); }
void PollLoop::unwatch(const Router& router) { unwatch_socket(router.handle()); }
void PollLoop::unwatch(const Dealer& dealer) { unwatch_socket(dealer.handle()); }

void PollLoop::watch(int descriptor, Interest interest, DescriptorCallback callback) {
  unwatch(descriptor);
  if (!interest.read && !interest.write) return;
  auto watch = std::make_shared<Watch>();
  watch->descriptor = descriptor;
  watch->events = static_cast<short>((interest.read ? ZMQ_POLLIN : 0) | (interest.write ? ZMQ_POLLOUT : 0));
  watch->on_ready = std::move(callback);
  watches_.push_back(std::move(watch));
  ++changes_;
}

void PollLoop::unwatch(int descriptor) {
  for (const auto& watch : watches_) {
    watch->removed = watch->removed || (watch->socket == nullptr && watch->descriptor == descriptor);
  }
  std::erase_if(watches_, [](const auto& watch) { return watch->removed; });
  ++changes_;
}

PollLoop::TimerId PollLoop::add_timer(std::chrono::nanoseconds delay, std::chrono::nanoseconds period,
                                      Callback callback) {
  const Clock::Time due = clock_.now() + delay;
  timers_[++last_timer_] = {due, period, std::make_shared<Callback>(std::move(callback))};
  schedule_.emplace(due, last_timer_);
  return last_timer_;
}

PollLoop::TimerId PollLoop::after(std::chrono::nanoseconds delay, Callback callback) {
  return add_timer(delay, {}, std::move(callback));
}

PollLoop::TimerId PollLoop::every(std::chrono::nanoseconds period, Callback callback) {
  return add_timer(period, period, std::move(callback));
}

void PollLoop::cancel(TimerId timer) {
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  schedule_.erase({found->second.due, timer});
  timers_.erase(found);
}

void PollLoop::at_turn_end(Callback callback) { turn_ends_.push_back(std::move(callback)); }

std::chrono::milliseconds PollLoop::until_next_timer(std::chrono::milliseconds most) const {
  if (schedule_.empty()) return most;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(schedule_.begin()->first - clock_.now());
  return std::clamp(wait, std::chrono::milliseconds(0), most);
}

void PollLoop::poll(std::chrono::milliseconds most) {
  std::unique_ptr<Polled> polled = polled_ ? std::move(polled_) : std::make_unique<Polled>();
  polled->take(watches_, changes_);
  auto& items = polled->items;
  const int ready = zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(most.count()));
  if (ready < 0 && zmq_errno() != EINTR) {
    throw Error(ErrorCode::internal, std::string("polling failed: ") + zmq_strerror(zmq_errno()));
  }
  for (std::size_t i = 0; ready > 0 && i < items.size(); ++i) {
    Watch& watch = *polled->watches[i];
    if (items[i].revents == 0 || watch.removed) continue;
    if (watch.socket != nullptr) {
      watch.on_message();
    } else {
      watch.on_ready({(items[i].revents & (ZMQ_POLLIN | ZMQ_POLLERR)) != 0, (items[i].revents & ZMQ_POLLOUT) != 0});
    }
  }
  // What was removed meanwhile must not be kept alive until the next turn.
  if (polled->changes != changes_) polled->watches.clear();
  polled_ = std::move(polled);
}

void PollLoop::run_timers() {
  const auto now = clock_.now();
  std::vector<std::pair<Clock::Time, TimerId>> due;
  for (auto next = schedule_.begin(); next != schedule_.end() && next->first <= now; ++next) due.push_back(*next);
  for (const auto& scheduled : due) {
    if (schedule_.erase(scheduled) == 0) continue;  // cancelled by one before it
    const auto found = timers_.find(scheduled.second);
    const std::shared_ptr<Callback> callback = found->second.callback;
    if (found->second.period.count() == 0) {
      timers_.erase(found);
    } else {
      found->second.due = now + found->second.period;
      schedule_.emplace(found->second.due, found->first);
    }
    (*callback)();
  }
}

void PollLoop::turn(std::chrono::milliseconds most) {
  poll(until_next_timer(most));
  run_timers();
  for (const Callback& callback : turn_ends_) callback();
}

void PollLoop::run() {
  constexpr std::chrono::milliseconds kLongestWait{1000};  // so that stop() from another thread is seen
  while (!stopping_) turn(kLongestWait);
  stopping_ = false;
}

void PollLoop::stop() { stopping_ = true; }

}  // namespace ns::net
