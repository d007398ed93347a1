#include "worker/runner/runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include "common/api/client.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/artifact_cache.h"
#include "worker/coordinator/coordinator.h"
#include "worker/machine.h"
#include "worker/runner/channel.h"
#include "worker/runner/runner_messages.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker {
namespace {

namespace fs = std::filesystem;
using tasks::TrialResult;

constexpr auto kPatience = std::chrono::minutes(2);  // for a broker that is away while an artifact is fetched or stored

// Jobs and stops as they come from the supervisor; read by a thread of its own, so that a stop reaches a busy runner.
class Orders {
 public:
  explicit Orders(Channel& channel) : thread_([this, &channel] { read(channel); }) { thread_.detach(); }

  Job next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !jobs_.empty(); });
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

  bool stopped() const { return stopped_; }

 private:
  void read(Channel& channel) {
    try {
      while (std::optional<std::string> text = channel.receive()) {
        RunnerMessage message = decode_runner_message(*text);
        const std::lock_guard lock(mutex_);
        if (message.type == "stop") stopped_ = true;
        if (message.type != "job") continue;
        stopped_ = false;
        jobs_.push_back(std::move(message.job));
        arrived_.notify_one();
      }
    } catch (const Error& failure) {
      log::error("{}", failure.what());
    }
    ::_exit(0);  // the supervisor has gone, and with it the reason for everything that still runs here
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job> jobs_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

class RunnerWorkplace final : public tasks::Workplace {
 public:
  RunnerWorkplace(const RunnerSettings& settings, Channel& channel, const Orders& orders)
      : settings_(settings),
        channel_(channel),
        orders_(orders),
        cache_(settings.cache_folder, settings.cache_bytes,
               [this](const ArtifactId& id, const fs::path& target) { client().get_artifact(id, target); }) {}

  CachedFile artifact(const ArtifactId& id) override { return cache_.get(id); }
  ArtifactId store(std::string_view bytes) override { return client().put_artifact_bytes(bytes); }

  fs::path scratch(const std::string& name) override {
    const fs::path folder = fs::path(settings_.work_folder) / name;
    fs::remove_all(folder);
    fs::create_directories(folder);
    return folder;
  }

  int threads() const override { return static_cast<int>(settings_.cpus.size()); }
  std::string cpus() const override { return to_text(settings_.cpus); }

  void report(const std::string& body) override {
    RunnerMessage message;
    message.type = "metric";
    message.body = body;
    channel_.send(encode(message));
  }

  bool stopped() const override { return orders_.stopped(); }

  api::Client& client() {
    if (!client_) {
      api::ClientOptions options;
      options.endpoints = settings_.endpoints;
      options.keys = net::read_peer_keys(settings_.key, settings_.broker_key);
      options.deadline = kPatience;
      options.interrupted = [this] { return stopped(); };
      client_.emplace(std::move(options));
    }
    return *client_;
  }

 private:
  const RunnerSettings& settings_;
  Channel& channel_;
  const Orders& orders_;
  ArtifactCache cache_;
  std::optional<api::Client> client_;
};

class Jobs {
 public:
  explicit Jobs(RunnerWorkplace& workplace) : workplace_(workplace) {}

  TrialResult run(const Job& job) {
    try {
      return job.kind == JobKind::task ? run_task(job) : run_trial(job);
    } catch (const Error& failure) {
      if (failure.code() == ErrorCode::cancelled) return {Outcome::cancelled, {}, failure.what()};
      // What may succeed another time is tried again; everything else would fail the same way.
      return {entry_of(failure.code()).retryable ? Outcome::crashed : Outcome::failed, {}, failure.what()};
    } catch (const std::bad_alloc&) {
      return {Outcome::crashed, {}, "out of memory"};
    } catch (const std::exception& failure) {
      return {Outcome::failed, {}, failure.what()};
    }
  }

 private:
  TrialResult run_task(const Job& job) {
    BrokerQueue queue(workplace_.client(), job.task, job.token, [this] { return workplace_.stopped(); });
    return coordinate(tasks::find_kind(job.task_kind), job.task, job.spec, queue, workplace_);
  }

  TrialResult run_trial(const Job& job) {
    std::unique_ptr<tasks::Runner>& runner = runners_[job.task_kind];
    if (!runner) runner = tasks::find_kind(job.task_kind).make_runner();
    return runner->run({job.task, job.number, job.attempt, job.spec, job.parameters}, workplace_);
  }

  RunnerWorkplace& workplace_;
  std::map<std::string, std::unique_ptr<tasks::Runner>> runners_;
};

// What the broker would refuse must not be sent to it.
void keep_to_limits(TrialResult& result) {
  if (result.result.size() > limits::kMaxResultBytes) {
    result = {
        Outcome::failed,
        {},
        fmt::format("the result has {} bytes; at most {} are allowed", result.result.size(), limits::kMaxResultBytes)};
  }
}

void serve(Channel& channel) {
  const std::optional<std::string> first = channel.receive();
  if (!first) return;
  const RunnerSettings settings = decode_runner_message(*first).settings;
  log::start("ns-worker " + settings.name, log::level_from(settings.log_level));
  bind(settings.cpus);
  Orders orders(channel);
  RunnerWorkplace workplace(settings, channel, orders);
  Jobs jobs(workplace);
  RunnerMessage ready;
  ready.type = "ready";
  channel.send(encode(ready));
  for (;;) {
    const Job job = orders.next();
    log::debug("{} attempt {} starts", job.job.text, job.attempt);
    TrialResult ended = jobs.run(job);
    keep_to_limits(ended);
    RunnerMessage message;
    message.type = "result";
    message.result.outcome = ended.outcome;
    message.result.result = std::move(ended.result);
    message.result.error = std::move(ended.error);
    if (!channel.send(encode(message))) return;
  }
}

}  // namespace

int run_runner(int descriptor) {
  try {
    Channel channel(descriptor);
    serve(channel);
  } catch (const std::exception& failure) {
    log::error("{}", failure.what());
    ::_exit(1);
  }
  ::_exit(0);  // the reading thread may still be there
}

}  // namespace ns::worker
