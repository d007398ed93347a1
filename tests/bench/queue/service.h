// Service: a redis-server on a unix socket, an ns-broker on it, and workers, all in a temporary folder; and what each
// of them costs.
//
// Owned by one measurement; one thread. Everything ends with it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/queue/cpu_time.h"
#include "tests/bench/queue/redis_connection.h"
#include "tests/support/processes.h"

namespace ns::bench {

enum class Persistence { none, everysec, always };
std::string to_text(Persistence);
Persistence persistence_from(const std::string&);  // throws std::invalid_argument for another word

// A private redis-server as every part of the bench starts it, for us and for peers: its append-only file is never
// rewritten, so that no run is slower because of where in the file's growth it falls.
class PrivateRedis {
 public:
  PrivateRedis(const std::filesystem::path& folder, Persistence);

  const std::filesystem::path& socket() const { return socket_; }
  std::string address() const { return "unix:" + socket_.string(); }
  int pid() const { return process_->pid(); }

 private:
  std::filesystem::path socket_;
  std::unique_ptr<test::Process> process_;
};

// So many workers with so many credits each, and who plays them.
struct Crew {
  // simulated: queue_load, which reports jobs as done at once. real: ns-worker with one slot, where each job goes
  // through its runner; it holds the other credits as prefetched jobs.
  enum class Kind { simulated, real };
  Kind kind = Kind::simulated;
  std::uint32_t processes = 1;
  std::uint32_t workers_in_each = 1;  // simulated ones only
  std::uint32_t credits = 256;
  bool idle = false;  // they are connected and offer credits for work that never comes; simulated ones only

  std::uint64_t in_all() const { return std::uint64_t{processes} * workers_in_each * credits; }
};

class Service {
 public:
  explicit Service(Persistence);

  const std::string& endpoint() const { return broker_.endpoint(); }
  RedisConnection& redis() { return connection_; }

  // Workers that take work from start_work() on. Simulated ones have said hello before; real ones, which cannot be held
  // back, are started then.
  void add(const Crew&);
  void start_work();

  // What Redis, broker, workers and this process, the client, have cost so far.
  CpuTimes cpu_times() const;

 private:
  test::TempFolder folder_;
  PrivateRedis redis_;
  test::BrokerProcess broker_;
  RedisConnection connection_;
  using Words = std::vector<std::string>;
  Words simulated_worker(const Crew&) const;
  Words real_worker(const Crew&) const;

  std::vector<std::unique_ptr<test::Process>> workers_;
  std::vector<Words> held_back_;
};

}  // namespace ns::bench
