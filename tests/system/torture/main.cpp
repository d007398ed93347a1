// torture: the whole queue under fire, and whether it kept its promises.
//
//   torture [--seconds S] [--hours H] [--seed N] [--json]
//   torture recovery [--samples N] [--json]
//   torture losses [--json]
//
// A round starts redis-server, brokers, workers and clients, does harm to them at random for a while, lets all of it
// heal, waits until everything that was accepted has ended, and gives the evidence to the checker. Long runs are rounds
// with seeds that follow each other. Ends with 1 when a promise was broken.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "tests/system/torture/losses.h"
#include "tests/system/torture/network.h"
#include "tests/system/torture/recovery.h"
#include "tests/system/torture/round.h"
#include "tests/system/torture/simulated_client.h"
#include "tests/system/torture/simulated_worker.h"

namespace {

using namespace ns::torture;

std::function<void()> end_running;

template <typename Runner>
int run_until_told(Runner& runner) {
  end_running = [&runner] { runner.stop(); };
  struct sigaction action {};
  action.sa_handler = [](int) { end_running(); };
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  runner.run();
  return 0;
}

// Becomes another program, in its host and with its complaints in its file.
int become(const std::string& entrance, const std::string& errors, std::vector<std::string> words) {
  if (!entrance.empty()) Network::enter(entrance);
  const int file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file >= 0) ::dup2(file, STDERR_FILENO);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  std::perror(arguments[0]);
  return 127;
}

}  // namespace

int main(int count, char** words) {
  CLI::App app{"torture: the whole queue under fire, and whether it kept its promises"};
  app.require_subcommand(0, 1);

  RoundOptions round;
  double hours = 0;
  bool json = false, no_network = false;
  std::string expected;
  app.add_option("--seed", round.seed, "of the first round");
  app.add_option("--seconds", round.seconds, "of harm in a round")->capture_default_str();
  app.add_option("--hours", hours, "of rounds; 0: one");
  app.add_option("--broker", round.broker, "the broker's executable, beside this one")->capture_default_str();
  app.add_option("--expect", expected,
                 "a promise that must be found broken (see checker.h), for a broker with a defect");
  app.add_option("--patience", round.patience_s, "seconds without a change after which what is open never ends")
      ->capture_default_str();
  app.add_option("--real", round.real_tasks, "part of the tasks that real workers run")->capture_default_str();
  app.add_option("--pause", round.mean_pause_ms, "between two harms on average, in ms")->capture_default_str();
  app.add_option("--keep", round.keep, "folder for logs and journals; they are removed otherwise");
  app.add_flag("--no-network", no_network, "unix sockets instead of hosts with links");
  app.add_flag("--json", json, "one JSON object a round instead of a report");

  auto* start = app.add_subcommand("start")->group("");
  std::string entrance, errors;
  std::vector<std::string> command;
  start->add_option("--entrance", entrance);
  start->add_option("--errors", errors)->required();
  start->add_option("command", command)->required();

  auto* worker = app.add_subcommand("worker")->group("");
  SimulatedWorkerOptions worker_options;
  worker->add_option("--name", worker_options.name)->required();
  worker->add_option("--broker", worker_options.endpoints)->required();
  worker->add_option("--journal", worker_options.journal)->required();
  worker->add_option("--seed", worker_options.seed);

  auto* client = app.add_subcommand("client")->group("");
  SimulatedClientOptions client_options;
  client->add_option("--broker", client_options.endpoints)->required();
  client->add_option("--journal", client_options.journal)->required();
  client->add_option("--seed", client_options.seed);
  client->add_option("--real", client_options.real);

  auto* recovery = app.add_subcommand("recovery", "measures how long until work goes on after a loss");
  RecoveryOptions recovery_options;
  recovery->add_option("--samples", recovery_options.samples)->capture_default_str();
  recovery->add_option("--lease", recovery_options.lease_ms, "of the broker, in ms")->capture_default_str();
  recovery->add_option("--heartbeat", recovery_options.heartbeat_ms, "of the broker, in ms")->capture_default_str();
  recovery->fallthrough();

  auto* losses = app.add_subcommand("losses", "counts what is gone of what was acknowledged, when Redis is lost");
  LossOptions loss_options;
  losses->add_option("--submit", loss_options.seconds, "seconds of submitting before the harm")->capture_default_str();
  losses->add_option("--cut-off", loss_options.cut_off, "seconds that a primary is cut off")->capture_default_str();
  losses->fallthrough();
  CLI11_PARSE(app, count, words);

  try {
    if (*start) return become(entrance, errors, command);
    if (*worker) {
      SimulatedWorker runner(worker_options);
      return run_until_told(runner);
    }
    if (*client) {
      SimulatedClient runner(client_options);
      return run_until_told(runner);
    }
    if (*recovery) {
      recovery_options.obstacle = no_network ? "not wanted" : Network::obstacle();
      const std::vector<Recovery> all = measure_recovery(recovery_options);
      std::cout << (json ? as_json(all) : as_table(all));
      return 0;
    }
    if (*losses) {
      loss_options.obstacle = no_network ? "not wanted" : Network::obstacle();
      const std::vector<Loss> all = measure_losses(loss_options);
      std::cout << (json ? as_json(all) : as_table(all));
      return as_promised(all) ? 0 : 1;
    }
    round.obstacle = no_network ? "not wanted" : Network::obstacle();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(static_cast<std::int64_t>(hours * 3600));
    bool kept = true, found = false;
    do {
      const RoundReport report = run_round(round);
      std::cout << (json ? report.json() : report.text()) << std::flush;
      kept = kept && report.violations.empty();
      for (const Violation& violation : report.violations) found = found || violation.promise == expected;
      ++round.seed;
    } while (std::chrono::steady_clock::now() < end);
    if (!expected.empty()) return found ? 0 : 1;
    return kept ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "torture: " << error.what() << std::endl;
    return 2;
  }
}
