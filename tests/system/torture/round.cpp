#include "tests/system/torture/round.h"

#include <signal.h>

#include <optional>
#include <set>
#include <thread>

#include "common/api/client.h"
#include "common/error.h"
#include "tests/support/processes.h"
#include "tests/system/torture/cluster.h"
#include "tests/system/torture/evidence.h"
#include "tests/system/torture/faults.h"

namespace ns::torture {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kTick = 10ms;
constexpr std::size_t kMostPrinted = 25;

class Round {
 public:
  explicit Round(const RoundOptions& options)
      : options_(options),
        folder_(options.keep.empty() ? temporary_.path() : options.keep),
        cluster_(cluster_options()) {}

  RoundReport run() {
    RoundReport report;
    report.seed = options_.seed;
    report.seconds = options_.seconds;
    report.obstacle = options_.obstacle;
    harm(report);
    end_clients();
    const auto healed = Clock::now();
    rest();
    report.rested_s = std::chrono::duration<double>(Clock::now() - healed).count();
    end_workers();
    const Evidence evidence = gather(cluster_);
    report.tally = tally(evidence);
    report.violations = check(evidence);
    for (Violation& violation : check_work(report.tally, options_.seconds)) {
      report.violations.push_back(std::move(violation));
    }
    for (const std::string& defect : defects_) report.violations.push_back({"alive", "process", defect});
    if (cluster_.network() != nullptr) report.packets = cluster_.network()->counts();
    return report;
  }

 private:
  ClusterOptions cluster_options() const {
    ClusterOptions options;
    options.folder = folder_;
    options.broker = options_.broker;
    options.network = options_.obstacle.empty();
    options.seed = options_.seed;
    options.real_tasks = options_.real_tasks;
    if (options_.real_tasks <= 0) options.real_workers = 0;
    return options;
  }

  void harm(RoundReport& report) {
    Faults faults(cluster_, options_.seed, std::chrono::milliseconds(options_.mean_pause_ms));
    const auto end = Clock::now() + std::chrono::seconds(options_.seconds);
    while (Clock::now() < end) {
      faults.step();
      revive();
      std::this_thread::sleep_for(kTick);
    }
    faults.heal();
    report.faults = faults.counts();
    if (!wait_for_redis(cluster_.redis_socket())) throw std::runtime_error("redis-server did not come back");
  }

  void revive() {
    for (std::string& defect : cluster_.revive()) defects_.push_back(std::move(defect));
  }

  void end_all(PartKind kind) {
    for (Part& part : cluster_.parts()) {
      if (part.kind == kind) cluster_.signal(part, SIGTERM);
    }
    for (Part& part : cluster_.parts()) {
      if (part.kind != kind || !part.process) continue;
      part.process->wait();
      part.process.reset();
    }
  }
  void end_clients() { end_all(PartKind::client); }
  void end_workers() {
    end_all(PartKind::simulated_worker);
    for (Part& part : cluster_.parts()) {
      if (part.kind == PartKind::real_worker) cluster_.kill(part);
    }
  }

  // Until no task is open, or nothing has changed for long.
  void rest() {
    api::ClientOptions options;
    options.endpoints = cluster_.control_endpoints();
    api::Client client(options);
    std::string before;
    auto changed = Clock::now();
    while (Clock::now() - changed < std::chrono::seconds(options_.patience_s)) {
      revive();
      try {
        const std::string now = what_is_open(client);
        if (now.empty()) return;
        if (now != before) changed = Clock::now();
        before = now;
      } catch (const Error&) {
        // A broker that is on its way back.
      }
      std::this_thread::sleep_for(100ms);
    }
  }

  static std::string what_is_open(api::Client& client) {
    std::string text;
    for (const char* state : {"pending", "running"}) {
      ListTasks request;
      request.state = state;
      request.limit = 1000;
      for (const TaskInfo& task : client.list_tasks(request).tasks) {
        text += task.task.text + " " + std::to_string(task.attempt) + " " + std::to_string(task.trials_waiting) + " " +
                std::to_string(task.trials_running) + " " + std::to_string(task.trials_succeeded + task.trials_failed) +
                "\n";
      }
    }
    return text;
  }

  const RoundOptions& options_;
  test::TempFolder temporary_;
  const std::filesystem::path folder_;
  Cluster cluster_;
  std::vector<std::string> defects_;
};

}  // namespace

RoundReport run_round(const RoundOptions& options) { return Round(options).run(); }

std::string RoundReport::text() const {
  std::string out = "seed " + std::to_string(seed) + ", " + std::to_string(seconds) + " s of harm, at rest after " +
                    std::to_string(rested_s) + " s\n";
  out += obstacle.empty() ? "hosts: network namespaces\n" : "hosts: one, links unharmed (" + obstacle + ")\n";
  for (const auto& [name, count] : faults) out += "  " + std::to_string(count) + " x " + name + "\n";
  if (obstacle.empty()) {
    out += "packets: " + std::to_string(packets.carried) + " carried, " + std::to_string(packets.delayed) +
           " delayed, " + std::to_string(packets.doubled) + " doubled, " + std::to_string(packets.lost) + " lost\n";
  }
  for (const auto& [name, count] : tally) out += "  " + name + ": " + std::to_string(count) + "\n";
  for (std::size_t i = 0; i < violations.size() && i < kMostPrinted; ++i) {
    out += "BROKEN " + violations[i].promise + ": " + violations[i].subject + ": " + violations[i].text + "\n";
  }
  if (violations.size() > kMostPrinted) out += "… " + std::to_string(violations.size()) + " in all\n";
  out +=
      violations.empty() ? "every promise was kept\n" : std::to_string(violations.size()) + " promises were broken\n";
  return out;
}

std::string RoundReport::json() const {
  Json broken = Json::array();
  for (const Violation& violation : violations) {
    broken.push_back({{"promise", violation.promise}, {"subject", violation.subject}, {"text", violation.text}});
  }
  return Json{{"seed", seed},
              {"seconds", seconds},
              {"rested_s", rested_s},
              {"network", obstacle.empty() ? "namespaces" : "none: " + obstacle},
              {"faults", faults},
              {"packets",
               {{"carried", packets.carried},
                {"delayed", packets.delayed},
                {"doubled", packets.doubled},
                {"lost", packets.lost}}},
              {"tally", tally},
              {"violations", broken}}
             .dump() +
         "\n";
}

}  // namespace ns::torture
