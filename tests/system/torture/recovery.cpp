#include "tests/system/torture/recovery.h"

#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <thread>

#include "common/api/client.h"
#include "common/task_spec.h"
#include "tests/system/torture/cluster.h"
#include "tests/system/torture/journal.h"

namespace ns::torture {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 60s;
constexpr std::uint64_t kSeen = 4000;  // ms: Redis hears of a worker at rest every 3 s
constexpr const char* kLongTrial = "600000";  // ms; cancelled long before

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(part * static_cast<double>(values.size() - 1)));
}

class Bench {
 public:
  explicit Bench(const RecoveryOptions& options)
      : options_(options), cluster_(cluster_options()), client_(client_options()) {}

  std::vector<Recovery> run() {
    const double lease_s = options_.lease_ms / 1000.0;
    std::vector<Recovery> all;
    all.push_back(trials_lost("a runner killed", 1, [this](Part& part) {
      const int runner = cluster_.child_that_runs(part, "trial_program");
      if (runner == 0) throw std::runtime_error("no runner runs the trial");
      ::kill(runner, SIGKILL);
      return [] {};
    }));
    all.push_back(trials_lost("a worker and all below it killed", 5, [this](Part& part) {
      cluster_.kill(part);
      return [this, &part] { cluster_.start(part); };
    }));
    if (cluster_.network() != nullptr) {
      all.push_back(trials_lost("a worker's host cut off", 5, [this](Part& part) {
        Link cut;
        cut.cut_in = cut.cut_out = true;
        cluster_.network()->set(part.name, cut);
        return [this, &part] { cluster_.network()->set(part.name, {}); };
      }));
    }
    all.push_back(trials_lost("a worker frozen", lease_s + 1, [this](Part& part) {
      cluster_.signal(part, SIGSTOP);
      return [this, &part] { cluster_.signal(part, SIGCONT); };
    }));
    all.push_back(service_lost("a broker killed and started", 1, PartKind::broker));
    all.push_back(service_lost("redis-server killed and started", 1, PartKind::redis));
    return all;
  }

 private:
  ClusterOptions cluster_options() const {
    ClusterOptions options;
    options.folder = folder_.path();
    options.network = options_.obstacle.empty();
    options.brokers = 1;
    options.simulated_workers = 0;
    options.clients = 0;
    options.real_workers = 2;
    options.lease_ms = options_.lease_ms;
    options.heartbeat_ms = options_.heartbeat_ms;
    return options;
  }
  api::ClientOptions client_options() const {
    api::ClientOptions options;
    options.endpoints = cluster_.control_endpoints();
    options.deadline = 30s;
    options.attempt = 50ms;
    return options;
  }

  // From what is done to the worker that has the trial until the trial starts again, by Redis' clock.
  Recovery trials_lost(const std::string& what, double goal_s,
                       const std::function<std::function<void()>(Part&)>& harm) {
    Recovery recovery{what, goal_s, {}};
    for (int i = 0; i < options_.samples; ++i) {
      wait_for_workers();
      const TaskId task = submit_long_trial();
      const Event running = wait_for(task, [](const Event& event) { return event.type == "trial.metric"; });
      Part& part = part_of(running.worker);
      const std::uint64_t harmed_us = now_us();
      const auto heal = harm(part);
      const Event again = wait_for(task, [&](const Event& event) {
        return event.type == "trial.started" && event.time_ms * 1000 + 1000 > harmed_us;
      });
      recovery.samples_s.push_back((static_cast<double>(again.time_ms) * 1000 - static_cast<double>(harmed_us)) / 1e6);
      heal();
      client_.cancel_task(task);
    }
    return recovery;
  }

  // From the kill, with the start right after it, until a ping is answered, which takes broker and Redis.
  Recovery service_lost(const std::string& what, double goal_s, PartKind kind) {
    Recovery recovery{what, goal_s, {}};
    for (int i = 0; i < options_.samples; ++i) {
      client_.ping();
      Part& part = *std::find_if(cluster_.parts().begin(), cluster_.parts().end(),
                                 [&](const Part& one) { return one.kind == kind; });
      const auto harmed = Clock::now();
      cluster_.kill(part);
      cluster_.start(part);
      client_.ping();
      recovery.samples_s.push_back(std::chrono::duration<double>(Clock::now() - harmed).count());
    }
    return recovery;
  }

  void wait_for_workers() {
    const auto end = Clock::now() + kPatience;
    while (Clock::now() < end) {
      const WorkerList list = client_.list_workers();
      std::size_t here = 0;
      for (const WorkerInfo& worker : list.workers) {
        here += find_part(worker.pid) != nullptr && list.now_ms < worker.seen_ms + kSeen;
      }
      if (here == 2) return;
      std::this_thread::sleep_for(50ms);
    }
    throw std::runtime_error("the workers did not come back");
  }

  Part* find_part(std::uint32_t process) {
    for (Part& part : cluster_.parts()) {
      if (part.kind == PartKind::real_worker && part.process && part.process->pid() == static_cast<int>(process)) {
        return &part;
      }
    }
    return nullptr;
  }

  Part& part_of(const std::string& worker) {
    for (const WorkerInfo& info : client_.list_workers().workers) {
      if (info.worker.text != worker) continue;
      if (Part* part = find_part(info.pid)) return *part;
    }
    throw std::runtime_error("no part is the worker " + worker);
  }

  TaskId submit_long_trial() {
    const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const std::vector<std::string> command = {folder / "trial_program", "linger", kLongTrial};
    const TaskFile file =
        parse_task("kind: experiment\ncommand: " + Json(command).dump() +
                       "\nsearch_space: {x: {_type: uniform, _value: [0, 1]}}\nseed: 3\n" + "stop: {max_trials: 1}\n",
                   folder);
    SubmitTask submission;
    submission.task = make_task_id();
    submission.kind = file.kind;
    submission.spec = file.spec;
    submission.name = "recovery";
    submission.max_attempts = 10;
    client_.submit(submission);
    return submission.task;
  }

  Event wait_for(const TaskId& task, const std::function<bool(const Event&)>& condition) {
    ReadEvents request;
    request.task = task;
    request.wait_ms = 500;
    const auto end = Clock::now() + kPatience;
    while (Clock::now() < end) {
      const Events page = client_.read_events(request);
      for (const Event& event : page.events) {
        if (condition(event)) return event;
        request.after = event.id;
      }
    }
    throw std::runtime_error("an event did not come");
  }

  const RecoveryOptions& options_;
  test::TempFolder folder_;
  Cluster cluster_;
  api::Client client_;
};

}  // namespace

std::vector<Recovery> measure_recovery(const RecoveryOptions& options) { return Bench(options).run(); }

std::string as_table(const std::vector<Recovery>& all) {
  std::string out = fmt::format("{:<36} {:>8} {:>8} {:>8} {:>8}\n", "after", "samples", "p50 s", "most s", "goal s");
  for (const Recovery& one : all) {
    out += fmt::format("{:<36} {:>8} {:>8.3f} {:>8.3f} {:>8.1f}\n", one.what, one.samples_s.size(),
                       percentile(one.samples_s, 0.5), percentile(one.samples_s, 1), one.goal_s);
  }
  return out;
}

std::string as_json(const std::vector<Recovery>& all) {
  Json out = Json::array();
  for (const Recovery& one : all) {
    out.push_back({{"after", one.what}, {"goal_s", one.goal_s}, {"samples_s", one.samples_s}});
  }
  return out.dump() + "\n";
}

}  // namespace ns::torture
