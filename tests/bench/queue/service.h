// Service: a redis-server on a unix socket, an ns-broker on it, and workers, all in a temporary folder; and what each
// of them costs.
//
// Owned by one measurement; one thread. Everything ends with it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/net/keys.h"
#include "tests/bench/queue/cpu_time.h"
#include "tests/bench/queue/redis_connection.h"
#include "tests/support/processes.h"

namespace ns::bench {

enum class Persistence { none, everysec, always };
std::string to_text(Persistence);
Persistence persistence_from(const std::string&);  // throws std::invalid_argument for another word

// How peers reach the broker; curve is tcp, encrypted, with keys on both sides.
enum class Transport { ipc, tcp, curve };
std::string to_text(Transport);
Transport transport_from(const std::string&);  // throws std::invalid_argument for another word

struct Deployment {
  Persistence persistence = Persistence::everysec;
  Transport transport = Transport::ipc;
};
std::string to_text(const Deployment&);  // "everysec", "everysec, curve"

// A private redis-server as every part of the bench starts it, for us and for peers: its append-only file is never
// rewritten, so that no run is slower because of where in the file's growth it falls.
class PrivateRedis : public test::RedisServer {
 public:
  PrivateRedis(const std::filesystem::path& folder, Persistence);
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
  explicit Service(const Deployment&);

  const std::string& endpoint() const;
  // Empty but with Transport::curve.
  const net::PeerKeys& client_keys() const { return keys_.client; }
  const net::PeerKeys& worker_keys() const { return keys_.worker; }
  RedisConnection& redis() { return connection_; }

  // Workers that take work from start_work() on. Simulated ones have said hello before; real ones, which cannot be held
  // back, are started then.
  void add(const Crew&);
  void start_work();

  // What Redis, broker, workers and this process, the client, have cost so far.
  CpuTimes cpu_times();

 private:
  using Words = std::vector<std::string>;
  struct Keys {
    net::PeerKeys client;
    net::PeerKeys worker;
    Words broker_flags;
    Words worker_flags;
  };
  static Keys make_keys(const std::filesystem::path& folder);
  Words broker_flags(Persistence) const;
  Words simulated_worker(const Crew&) const;
  Words real_worker(const Crew&) const;

  const Transport transport_;
  test::TempFolder folder_;
  const Keys keys_;
  PrivateRedis redis_;
  test::BrokerProcess broker_;
  RedisConnection connection_;
  std::vector<std::unique_ptr<test::Process>> workers_;
  std::vector<Words> held_back_;
};

}  // namespace ns::bench
