#include "worker/coordinator/queue.h"

#include <chrono>
#include <thread>
#include <utility>

#include "common/api/client.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenTries = 200ms;
constexpr std::size_t kMostBytes = limits::kMaxMessageBytes / 2;  // of one batch of trials

// The work of a task must survive its brokers: what may succeed later, unchanged, is tried again.
template <typename Call>
auto patiently(const std::function<bool()>& stopped, Call&& call) {
  for (;;) {
    try {
      return call();
    } catch (const Error& failure) {
      if (!entry_of(failure.code()).retryable) throw;
      if (stopped()) throw Error(ErrorCode::cancelled, "the coordinator was asked to stop");
      log::warning("waiting for a broker: {}", failure.what());
      std::this_thread::sleep_for(kBetweenTries);
    }
  }
}

}  // namespace

BrokerQueue::BrokerQueue(api::Client& client, TaskId task, std::uint64_t token, std::function<bool()> stopped)
    : client_(client), task_(std::move(task)), token_(token), stopped_(std::move(stopped)) {}

TaskInfo BrokerQueue::task() {
  return patiently(stopped_, [&] { return client_.get_task(task_); });
}

std::vector<TrialInfo> BrokerQueue::trials() {
  return patiently(stopped_, [&] { return client_.all_trials(task_); });
}

std::uint64_t BrokerQueue::now_ms() {
  return patiently(stopped_, [&] { return client_.ping().now_ms; });
}

void BrokerQueue::enqueue(const std::vector<NewTrial>& trials) {
  EnqueueTrials batch{task_, token_, {}};
  std::size_t bytes = 0;
  const auto send = [&] {
    if (!batch.trials.empty()) patiently(stopped_, [&] { return client_.enqueue_trials(batch); });
    batch.trials.clear();
    bytes = 0;
  };
  for (const NewTrial& trial : trials) {
    if (batch.trials.size() == limits::kMaxBatch || bytes + trial.parameters.size() > kMostBytes) send();
    batch.trials.push_back(trial);
    bytes += trial.parameters.size();
  }
  send();
}

Events BrokerQueue::events(const std::string& after, std::uint32_t wait_ms) {
  ReadEvents request;
  request.task = task_;
  request.after = after;
  request.limit = limits::kMaxBatch;
  request.types = {"trial.succeeded", "trial.failed", "trial.early_stopped", "trial.cancelled",
                   "trial.requeued",  "task.checked", "task.progress"};
  request.wait_ms = wait_ms;
  return patiently(stopped_, [&] { return client_.read_events(request); });
}

void BrokerQueue::stop_trial(std::uint32_t number) {
  patiently(stopped_, [&] { client_.stop_trial({task_, token_, number}); });
}

void BrokerQueue::append_event(const std::string& type, const std::string& body) {
  patiently(stopped_, [&] { client_.append_event({task_, token_, type, body}); });
}

}  // namespace ns::worker
