// queue_load: simulated workers, any number in one process, each with a connection and a session of its own.
// Prints "queue_load ready" when all are welcome, takes work from SIGUSR1 on, ends at SIGTERM.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "tests/bench/queue/open_files.h"
#include "tests/bench/queue/payload.h"
#include "tests/bench/queue/simulated_worker.h"

namespace ns::bench {
namespace {

// A context of ZeroMQ has 1023 sockets at most and one thread for all of them.
constexpr std::size_t kWorkersInContext = 500;

struct Flags {
  SimulatedWorker::Plan plan;
  std::uint32_t workers = 1;
};

// As a descriptor in the loop, a signal cannot fall between looking and waiting.
int descriptor_of(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);  // before ZeroMQ's threads begin, which inherit it
  return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void run(const Flags& flags) {
  allow_open_files(flags.workers);
  const int signals = descriptor_of({SIGUSR1, SIGTERM, SIGINT});
  net::PollLoop loop;
  std::vector<std::unique_ptr<net::Context>> contexts;
  std::vector<std::unique_ptr<SimulatedWorker>> workers;
  Crowd crowd(loop);
  for (std::uint32_t i = 0; i < flags.workers; ++i) {
    if (i % kWorkersInContext == 0) contexts.push_back(std::make_unique<net::Context>());
    SimulatedWorker::Plan plan = flags.plan;
    plan.name += "-" + std::to_string(i);
    workers.push_back(std::make_unique<SimulatedWorker>(crowd, *contexts.back(), plan));
  }
  constexpr std::chrono::milliseconds kTurn{1000};
  while (!std::all_of(workers.begin(), workers.end(), [](const auto& worker) { return worker->is_welcome(); })) {
    loop.turn(kTurn);
  }
  bool ending = false;
  loop.watch(signals, {.read = true}, [&](net::PollLoop::Ready) {
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo != SIGUSR1) {
      ending = true;
      return;
    }
    for (const auto& worker : workers) worker->start();
  });
  std::puts("queue_load ready");
  std::fflush(stdout);
  while (!ending) loop.turn(kTurn);
}

}  // namespace
}  // namespace ns::bench

int main(int argc, char** argv) {
  CLI::App app{
      "queue_load: workers that speak the protocol and do nothing, for bench_queue.\n"
      "Prints a line when all are connected; leases from SIGUSR1 on; ends at SIGTERM."};
  ns::bench::Flags flags;
  std::string key, broker_key;
  flags.plan.kind = ns::bench::kTaskKind;
  flags.plan.name = "load";
  app.add_option("--broker", flags.plan.broker, "Endpoint of the broker")->required();
  app.add_option("--key", key, "File of the workers' secret key, where the broker has one");
  app.add_option("--broker-key", broker_key, "Public key of the broker, or the file with it");
  app.add_option("--name", flags.plan.name, "Worker ids begin so")->capture_default_str();
  app.add_option("--kind", flags.plan.kind, "Task kind that they work for")->capture_default_str();
  app.add_option("--workers", flags.workers, "How many")->check(CLI::Range(1, 20'000))->capture_default_str();
  app.add_option("--credits", flags.plan.credits, "Jobs that each holds at most")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    flags.plan.keys = ns::net::read_peer_keys(key, broker_key);
    ns::bench::run(flags);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "queue_load: %s\n", error.what());
    return 1;
  }
}
