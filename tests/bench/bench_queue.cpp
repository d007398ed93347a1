// bench_queue: how fast jobs that do nothing go through the shipped binaries, and where their time goes. Flags, then
// one section of the report after the other.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "common/error.h"
#include "tests/bench/queue/peers.h"
#include "tests/bench/queue/sections.h"

namespace {

using namespace ns::bench;

struct Flags {
  std::vector<std::string> persistence{"everysec"};
  std::vector<std::string> transport{"ipc"};
  std::string worker = "simulated";
  bool grid = false;
  bool no_throughput = false;
  bool no_phases = false;
  bool functions = false;
  bool scale = false;
};

constexpr const char* kAbout =
    "bench_queue: how many jobs that do nothing go through ns-broker and Redis a second, how long one takes, and what\n"
    "each process spends on it. It starts a redis-server, an ns-broker and the workers in a temporary folder; 200 "
    "bytes\n"
    "of parameters and 100 of result travel with each job, and all is stored, history included.\n"
    "\n"
    "  bench_queue                            one worker with 50 and with 256 credits, and one job at a time\n"
    "  bench_queue --grid                     1, 2, 4 workers with 1, 2, 8, 50, 256 credits\n"
    "  bench_queue --ceiling                  and what the same functions reach without a broker, in turns\n"
    "  bench_queue --appendonly everysec,always,none\n"
    "  bench_queue --transport ipc,curve      and with encryption, in turns\n"
    "  bench_queue --worker real              ns-worker in place of a simulated one\n"
    "  bench_queue --peer bullmq,celery       and other queues (README of tests/bench/peers), in turns\n"
    "  bench_queue --scale                    and with 1,000,000 jobs, 10,000 tasks, 102 rings, 2,000 workers\n"
    "\n"
    "Rates are jobs / (first job sent -> last result seen): median of the runs, with the least and the most. On a "
    "shared\n"
    "machine trust the CPU time a job and the ratios rather than the rates.";

Json measure(const Settings& settings, const Flags& flags) {
  Json json{{"machine", report_machine(settings)},
            {"settings",
             {{"jobs", settings.jobs},
              {"runs", settings.runs},
              {"window", settings.window},
              {"worker", flags.worker},
              {"persistence", flags.persistence},
              {"transport", flags.transport}}}};
  if (!flags.no_throughput) json["throughput"] = report_throughput(settings);
  if (!flags.no_phases) json["phases"] = report_phases(settings);
  if (flags.functions) json["functions"] = report_functions(settings);
  if (settings.round_trips > 0 && !flags.no_throughput) json["round_trips"] = report_round_trips(settings);
  if (!settings.peers.empty()) json["peers"] = report_peers(settings);
  if (flags.scale) json["scale"] = report_scale(settings);
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{kAbout};
  Settings settings;
  Flags flags;
  app.add_option("--jobs", settings.jobs, "Jobs of a run; less where few credits make it slow")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--runs", settings.runs, "How often each is measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--workers", settings.workers, "Worker processes, a list such as 1,2,4")
      ->delimiter(',')
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--credits", settings.credits, "Jobs that a worker holds at most, a list")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option(
         "--worker", flags.worker,
         "simulated: one that reports jobs as done at once; real: ns-worker with one slot, whose runner gets each "
         "job, and the other credits as prefetch")
      ->check(CLI::IsMember({"simulated", "real"}))
      ->capture_default_str();
  app.add_flag("--grid", flags.grid, "--workers 1,2,4 --credits 1,2,8,50,256");
  app.add_option("--appendonly", flags.persistence, "Redis' persistence, a list of none, everysec, always")
      ->delimiter(',')
      ->check(CLI::IsMember({"none", "everysec", "always"}))
      ->capture_default_str();
  app.add_option("--transport", flags.transport,
                 "How peers reach the broker, a list of ipc, tcp, curve (tcp, encrypted, with keys)")
      ->delimiter(',')
      ->check(CLI::IsMember({"ipc", "tcp", "curve"}))
      ->capture_default_str();
  app.add_option("--window", settings.window, "Jobs sent whose results are not seen yet, at most")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--round-trips", settings.round_trips, "Jobs of the one-at-a-time measurement; 0: leave it out")
      ->check(CLI::Range(0, 90'000))
      ->capture_default_str();
  app.add_flag("--ceiling", settings.ceiling, "Also the functions without a broker, in turns with the product");
  app.add_flag("--functions", flags.functions, "Also the time inside each function, by jobs in a call");
  app.add_option("--peer", settings.peers, "Other queues in the same run: celery, rq, bullmq, beanstalkd, gearmand")
      ->delimiter(',')
      ->check(CLI::IsMember(peer_names()));
  app.add_flag("--scale", flags.scale, "Also whether the cost of a job grows with the work around it");
  app.add_option("--scale-jobs", settings.scale.jobs, "Jobs of a run there")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--scale-queued", settings.scale.queued, "Jobs queued there")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--scale-tasks", settings.scale.tasks, "Tasks open there")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--scale-workers", settings.scale.workers, "Workers connected there")
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str();
  app.add_flag("--no-throughput", flags.no_throughput, "Leave out throughput and one job at a time");
  app.add_flag("--no-phases", flags.no_phases, "Leave out enqueue and lease + commit apart, and memory");
  app.add_flag("--json", settings.json, "One JSON object with everything measured, instead of tables");
  CLI11_PARSE(app, argc, argv);
  if (flags.grid) {
    settings.workers = {1, 2, 4};
    settings.credits = {1, 2, 8, 50, 256};
  }
  try {
    if (flags.worker == "real" && !std::filesystem::exists(std::string(NS_BENCH_BIN_DIR) + "/ns-worker")) {
      throw ns::Error(ns::ErrorCode::unsupported, "ns-worker is not built here: build the target ns-worker", "worker");
    }
    settings.worker = flags.worker == "real" ? Crew::Kind::real : Crew::Kind::simulated;
    settings.persistence.clear();
    for (const std::string& word : flags.persistence) settings.persistence.push_back(persistence_from(word));
    settings.transport.clear();
    for (const std::string& word : flags.transport) settings.transport.push_back(transport_from(word));
    for (const std::string& peer : settings.peers) require_peer(peer);
    settings.scale.runs = settings.runs;
    const Json json = measure(settings, flags);
    if (settings.json) std::printf("%s\n", json.dump().c_str());
    return 0;
  } catch (const ns::Error& error) {
    std::fprintf(stderr, "bench_queue: %s\n", error.what());
    return ns::entry_of(error.code()).exit_code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_queue: %s\n", error.what());
    return 1;
  }
}
