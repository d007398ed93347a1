#include "worker/runner/runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <new>

#include "common/api/client.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/artifact_cache.h"
#include "worker/coordinator/coordinator.h"
#include "worker/machine.h"
#include "worker/runner/channel.h"
#include "worker/runner/orders.h"
#include "worker/runner/progress.h"
#include "worker/runner/reports.h"
#include "worker/runner/runner_messages.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker {
namespace {

namespace fs = std::filesystem;
using tasks::TrialResult;

constexpr auto kPatience = std::chrono::minutes(2);  // for a broker that is away while an artifact is fetched or stored

class RunnerWorkplace final : public tasks::Workplace {
 public:
  RunnerWorkplace(const RunnerSettings& settings, Reports& reports, const Orders& orders)
      : settings_(settings),
        reports_(reports),
        orders_(orders),
        cache_(settings.cache_folder, settings.cache_bytes,
               [this](const ArtifactId& id, const fs::path& target) { client().get_artifact(id, target); }) {}

  void begin(const Job& job) {
    job_ = job.job;
    token_ = job.token;
    metrics_ = 0;
  }

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
    if (body.size() <= limits::kMaxTextBytes) {
      reports_.add(Metric{job_, token_, metrics_++, body});
    } else {
      log::warning("a metric of {} has {} bytes; at most {} are kept", job_.text, body.size(), limits::kMaxTextBytes);
    }
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
  Reports& reports_;
  const Orders& orders_;
  JobId job_;  // the running one
  std::uint64_t token_ = 0;
  std::uint32_t metrics_ = 0;  // of it
  ArtifactCache cache_;
  std::optional<api::Client> client_;
};

class JobRunner {
 public:
  explicit JobRunner(RunnerWorkplace& workplace) : workplace_(workplace) {}

  TrialResult run(LeasedJob leased) {
    try {
      workplace_.begin(leased.job);
      return leased.job.kind == JobKind::task ? run_task(leased) : run_trial(std::move(leased));
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
  TrialResult run_task(const LeasedJob& leased) {
    const Job& job = leased.job;
    BrokerQueue queue(workplace_.client(), job.task, job.token, [this] { return workplace_.stopped(); });
    return coordinate(tasks::find_kind(job.task_kind), job.task, *leased.spec, queue, workplace_);
  }

  TrialResult run_trial(LeasedJob leased) {
    Job& job = leased.job;
    std::unique_ptr<tasks::Runner>& runner = runners_[job.task_kind];
    if (!runner) runner = tasks::find_kind(job.task_kind).make_runner();
    return runner->run({std::move(job.task), job.number, job.attempt, *leased.spec, std::move(job.parameters)},
                       workplace_);
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
  result.error = as_error_text(std::move(result.error));
}

void serve(Channel& channel, Progress& progress) {
  const auto first = channel.receive();
  if (!first) return;
  const RunnerSettings settings = decode_settings(*first);
  log::start("ns-worker " + settings.name, log::level_from(settings.log_level));
  bind(settings.cpus);
  Reports reports(channel, settings.worker);
  Orders orders(channel, progress, reports);
  RunnerWorkplace workplace(settings, reports, orders);
  JobRunner runner(workplace);
  reports.ready();
  for (;;) {
    LeasedJob leased = orders.begin_next();
    JobResult result;
    result.job = leased.job.job;
    result.token = leased.job.token;
    log::debug("{} attempt {} starts", leased.job.job.text, leased.job.attempt);
    TrialResult ended = runner.run(std::move(leased));
    keep_to_limits(ended);
    result.outcome = ended.outcome;
    result.result = std::move(ended.result);
    result.error = std::move(ended.error);
    reports.add(std::move(result), orders.end());
  }
}

}  // namespace

int run_runner(int descriptor, int progress_descriptor) {
  try {
    Channel channel(descriptor);
    const SharedProgress progress(progress_descriptor);
    serve(channel, *progress);
  } catch (const std::exception& failure) {
    log::error("{}", failure.what());
    ::_exit(1);
  }
  ::_exit(0);  // the reading thread may still be there
}

}  // namespace ns::worker
