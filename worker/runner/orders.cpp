#include "worker/runner/orders.h"

#include <unistd.h>

#include <algorithm>

#include "common/error.h"
#include "common/log.h"
#include "worker/runner/runner_messages.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookAgain = 5ms;  // whether jobs may be begun again

}  // namespace

Orders::Orders(Channel& channel, Progress& progress, Reports& reports)
    : channel_(channel), progress_(progress), reports_(reports), thread_([this] { read(); }) {
  thread_.detach();
}

// A lease that may have run out (the supervisor was stopped, or its broker is away) is somebody else's by now.
bool Orders::may_begin() const { return boot_time().count() < progress_.begin_until.load(std::memory_order_acquire); }

LeasedJob Orders::begin_next() {
  std::unique_lock lock(mutex_);
  while (waiting_.empty() || !may_begin()) {
    if (waiting_.empty())
      changed_.wait(lock);
    else
      changed_.wait_for(lock, kLookAgain);
  }
  Order order = std::move(waiting_.front());
  waiting_.pop_front();
  running_ = order.leased.job.job;
  running_token_ = order.leased.job.token;
  stopped_ = false;
  progress_.begun_at.store(steady_time().count(), std::memory_order_relaxed);
  progress_.begun.store(order.number, std::memory_order_release);
  return std::move(order.leased);
}

bool Orders::end() {
  const std::lock_guard lock(mutex_);
  running_.text.clear();
  const std::int64_t took = steady_time().count() - progress_.begun_at.load(std::memory_order_relaxed);
  progress_.spent.store(progress_.spent.load(std::memory_order_relaxed) + took, std::memory_order_relaxed);
  progress_.ended.store(progress_.ended.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return !waiting_.empty() && may_begin();
}

void Orders::read() {
  try {
    while (const auto bytes = channel_.receive()) {
      const RunnerMessage message = read_message(*bytes);
      if (message.type == MessageType::jobs) take(wire::decode<Jobs>(message.body));
      if (message.type == MessageType::stop_job) take(wire::decode<StopJob>(message.body));
    }
  } catch (const Error& failure) {
    log::error("{}", failure.what());
  }
  ::_exit(0);  // the supervisor has gone, and with it the reason for everything that still runs here
}

void Orders::take(Jobs message) {
  std::vector<LeasedJob> jobs = with_specs(std::move(message));
  const std::lock_guard lock(mutex_);
  for (LeasedJob& leased : jobs) waiting_.push_back({++received_, std::move(leased)});
  changed_.notify_one();
}

void Orders::take(const StopJob& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (running_ == stop.job && running_token_ == stop.token) {
      if (stop.outcome != Outcome::handed_back) stopped_ = true;
      return;
    }
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Order& order) {
      return order.leased.job.job == stop.job && order.leased.job.token == stop.token;
    });
    if (found == waiting_.end()) return;  // it has ended
    waiting_.erase(found);
  }
  reports_.add(JobResult{stop.job, stop.token, stop.outcome, {}, {}}, true);  // stops come in numbers
}

}  // namespace ns::worker
