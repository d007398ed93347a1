#include "tests/bench/queue/service.h"

#include <signal.h>

#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace ns::bench {

std::string to_text(Persistence persistence) {
  switch (persistence) {
    case Persistence::none:
      return "none";
    case Persistence::everysec:
      return "everysec";
    case Persistence::always:
      return "always";
  }
  return "";
}

Persistence persistence_from(const std::string& word) {
  for (const auto persistence : {Persistence::none, Persistence::everysec, Persistence::always}) {
    if (to_text(persistence) == word) return persistence;
  }
  throw std::invalid_argument("'" + word + "' is no persistence: none, everysec or always");
}

std::string to_text(Transport transport) {
  switch (transport) {
    case Transport::ipc:
      return "ipc";
    case Transport::tcp:
      return "tcp";
    case Transport::curve:
      return "curve";
  }
  return "";
}

Transport transport_from(const std::string& word) {
  for (const auto transport : {Transport::ipc, Transport::tcp, Transport::curve}) {
    if (to_text(transport) == word) return transport;
  }
  throw std::invalid_argument("'" + word + "' is no transport: ipc, tcp or curve");
}

std::string to_text(const Deployment& deployment) {
  const std::string persistence = to_text(deployment.persistence);
  return deployment.transport == Transport::ipc ? persistence : persistence + ", " + to_text(deployment.transport);
}

PrivateRedis::PrivateRedis(const std::filesystem::path& folder, Persistence persistence)
    : RedisServer(folder, persistence != Persistence::none,
                  {"--appendfsync", persistence == Persistence::none ? "no" : to_text(persistence),
                   "--auto-aof-rewrite-percentage", "0"}) {}

Service::Service(const Deployment& deployment)
    : transport_(deployment.transport),
      keys_(transport_ == Transport::curve ? make_keys(folder_.path()) : Keys{}),
      redis_(folder_.path(), deployment.persistence),
      broker_(folder_.path(), redis_.address(), broker_flags(deployment.persistence)),
      connection_(redis_.socket()) {}

// Also writes them into files, as broker and workers take them.
Service::Keys Service::make_keys(const std::filesystem::path& folder) {
  Keys keys;
  const auto broker = net::make_key_pair();
  const std::string broker_file = folder / "broker.key", worker_file = folder / "worker.key",
                    list_file = folder / "authorized-keys";
  keys.client = {net::make_key_pair(), broker.public_key};
  keys.worker = {net::make_key_pair(), broker.public_key};
  net::write_key_files(broker_file, broker);
  net::write_key_files(worker_file, keys.worker.own);
  std::ofstream(list_file) << "client " << keys.client.own.public_key << " bench\nworker " << keys.worker.own.public_key
                           << " bench\n";
  keys.broker_flags = {"--key", broker_file, "--authorized-keys", list_file};
  keys.worker_flags = {"--key", worker_file, "--broker-key", broker.public_key};
  return keys;
}

Service::Words Service::broker_flags(Persistence persistence) const {
  Words words = keys_.broker_flags;
  // Some scenes rest, without heartbeats, while another is measured.
  words.insert(words.end(), {"--lease", "600000", "--durability", to_text(persistence)});
  if (transport_ != Transport::ipc) words.insert(words.end(), {"--listen", "tcp://127.0.0.1:*"});
  return words;
}

const std::string& Service::endpoint() const {
  return transport_ == Transport::ipc ? broker_.endpoint() : broker_.tcp_endpoint();
}

Service::Words Service::simulated_worker(const Crew& crew) const {
  Words words{std::string(NS_BENCH_BIN_DIR) + "/queue_load",
              "--broker",
              endpoint(),
              "--name",
              "load-" + std::to_string(workers_.size()),
              "--workers",
              std::to_string(crew.workers_in_each),
              "--credits",
              std::to_string(crew.credits)};
  words.insert(words.end(), keys_.worker_flags.begin(), keys_.worker_flags.end());
  if (crew.idle) words.insert(words.end(), {"--kind", "never-submitted"});
  return words;
}

// All on the same CPUs: which of them is free is the scheduler's to find.
Service::Words Service::real_worker(const Crew& crew) const {
  Words words{std::string(NS_BENCH_BIN_DIR) + "/ns-worker",
              "--broker",
              endpoint(),
              "--cpus",
              "0-" + std::to_string(std::thread::hardware_concurrency() - 1),
              "--slots",
              "1",
              "--control-slots",
              "0",
              "--prefetch",
              std::to_string(crew.credits - 1),
              "--cache",
              (folder_.path() / "cache").string(),
              "--log-level",
              "warning"};
  words.insert(words.end(), keys_.worker_flags.begin(), keys_.worker_flags.end());
  return words;
}

void Service::add(const Crew& crew) {
  std::vector<test::Process*> added;
  for (std::uint32_t i = 0; i < crew.processes; ++i) {
    if (crew.kind == Crew::Kind::real) {
      held_back_.push_back(real_worker(crew));
    } else {
      workers_.push_back(std::make_unique<test::Process>(simulated_worker(crew)));
      added.push_back(workers_.back().get());
    }
  }
  for (test::Process* process : added) process->wait_for_line("queue_load ready");
}

void Service::start_work() {
  for (const auto& worker : workers_) worker->signal(SIGUSR1);
  for (const Words& words : std::exchange(held_back_, {})) {
    workers_.push_back(std::make_unique<test::Process>(words));
  }
}

CpuTimes Service::cpu_times() {
  CpuTimes times;
  times["redis"] = cpu_time_of(redis_.pid());
  times["broker"] = cpu_time_of(broker_.process().pid());
  times["client"] = own_cpu_time();
  CpuTime& workers = times["workers"];
  for (const auto& worker : workers_) workers += cpu_time_with_children(worker->pid());
  return times;
}

}  // namespace ns::bench
