// Cluster: every process of a run and the hosts that they live on.
//
// Where there is a network, each part is a host of its own and all speak TCP; else they share this one and speak over
// unix sockets. Redis and brokers listen on a unix socket too, for whoever looks from outside at the end.
// Owned by the run, used by its thread only. Everything dies with it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/processes.h"
#include "tests/system/torture/network.h"

namespace ns::torture {

struct ClusterOptions {
  std::filesystem::path folder;
  std::string broker = "ns-broker";  // the executable, in the build's bin folder
  bool network = true;
  int brokers = 2;
  int simulated_workers = 4;
  int real_workers = 2;
  int clients = 2;
  int lease_ms = 1500;
  int heartbeat_ms = 250;
  double real_tasks = 0.1;  // part of the tasks that real workers run
  std::uint64_t seed = 1;
};

enum class PartKind { redis, broker, simulated_worker, real_worker, client };

const char* name_of(PartKind);

struct Part {
  PartKind kind{};
  std::string name;
  int starts = 0;
  std::unique_ptr<test::Process> process;  // null: not running
  bool faulty = false;                     // something is being done to it
  bool told_to_end = false;                // by SIGTERM, perhaps before it could heed it
};

class Cluster {
 public:
  explicit Cluster(ClusterOptions);  // starts all of them

  std::vector<Part>& parts() { return parts_; }
  Network* network() { return network_.get(); }  // null: there is none

  void start(Part&);
  void kill(Part&);                    // SIGKILL, and its children
  void signal(Part&, int number);      // to it alone
  void signal_all(Part&, int number);  // to its children too
  // A process below it, chosen by `pick`; 0 when there is none.
  int child_of(const Part&, std::uint64_t pick) const;
  // The direct child below which a process of that name runs; 0 when there is none.
  int child_that_runs(const Part&, const std::string& program) const;
  // Parts that ended though nobody asked: by a signal is a defect, by an exit status they are started again (as an init
  // would). Returns the defects.
  std::vector<std::string> revive();

  std::string redis_socket() const { return (options_.folder / "redis.sock").string(); }
  std::vector<std::string> control_endpoints() const;  // of the brokers, from this process
  std::vector<std::filesystem::path> journals(PartKind) const;
  const ClusterOptions& options() const { return options_; }

 private:
  std::vector<std::string> words_of(const Part&) const;
  std::vector<std::string> endpoints() const;  // of the brokers, from their peers
  std::string redis_address() const;
  std::filesystem::path journal_of(const Part&) const;
  std::filesystem::path socket_of(const std::string& broker) const { return options_.folder / (broker + ".sock"); }

  const ClusterOptions options_;
  std::unique_ptr<Network> network_;
  std::vector<Part> parts_;
};

// Waits until redis-server answers on this socket; false: it did not within half a minute.
bool wait_for_redis(const std::string& socket);

}  // namespace ns::torture
