#include "worker/runner/reports.h"

#include <chrono>
#include <utility>

#include "common/limits.h"
#include "worker/runner/runner_messages.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestWait = 1ms;
constexpr std::size_t kMostResults = 256;  // of one message
constexpr std::size_t kMostBytes = limits::kMaxMessageBytes / 4;

}  // namespace

Reports::Reports(Channel& channel, WorkerId worker) : channel_(channel) {
  results_.worker = std::move(worker);
  late_ = std::thread([this] { flush_late(); });
  late_.detach();
}

void Reports::ready() {
  const std::lock_guard lock(mutex_);
  channel_.send(encode(Ok{}));
}

void Reports::add(Metric metric) {
  const std::lock_guard lock(mutex_);
  channel_.send(encode(ReportMetrics{results_.worker, {std::move(metric)}}));
}

void Reports::add(JobResult result, bool more_follow) {
  const std::lock_guard lock(mutex_);
  bytes_ += result.result.size() + result.error.size();
  results_.results.push_back(std::move(result));
  if (!more_follow || results_.results.size() >= kMostResults || bytes_ >= kMostBytes)
    send_results();
  else if (std::exchange(late_idle_, false))
    waiting_.notify_one();
}

void Reports::flush() {
  const std::lock_guard lock(mutex_);
  send_results();
}

void Reports::send_results() {
  if (results_.results.empty()) return;
  channel_.send(encode(results_));
  results_.results.clear();
  bytes_ = 0;
  ++sent_;
}

void Reports::flush_late() {
  std::unique_lock lock(mutex_);
  for (;;) {
    late_idle_ = results_.results.empty();
    waiting_.wait(lock, [this] { return !late_idle_; });
    const std::uint64_t before = sent_;
    lock.unlock();
    std::this_thread::sleep_for(kLongestWait);
    lock.lock();
    if (sent_ == before) send_results();
  }
}

}  // namespace ns::worker
