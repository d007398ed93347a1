// Worker: the supervisor process. Leases jobs through a BrokerLink, runs them in Slots, reports what came of them.
//
// One thread, one loop; run() returns when the worker has drained or was told to end at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/net/poll_loop.h"
#include "worker/broker_link.h"
#include "worker/machine.h"
#include "worker/memory_watch.h"
#include "worker/slot.h"

namespace ns::worker {

struct WorkerOptions {
  std::vector<std::string> endpoints;
  std::string key;         // file of the secret key; empty: plain connections
  std::string broker_key;  // file or text of the broker's public key
  CpuList cpus;
  std::size_t slots = 1;
  std::size_t control_slots = 2;
  std::filesystem::path cache;
  std::uint64_t cache_bytes = std::uint64_t{10} << 30;
  std::uint64_t memory_limit = 0;  // of one job with all it starts; 0: none
  Prefetch prefetch;               // trials that a slot holds beyond the running one
  std::string pool = "default";
  std::vector<std::string> tags;
  std::chrono::milliseconds drain_timeout{30'000};
  std::string log_level = "info";
};

class Worker {
 public:
  explicit Worker(WorkerOptions);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int run();  // the exit status

 private:
  class Signals;

  void make_slots();
  void make_link();
  void take(std::vector<LeasedJob>);
  Slot* vacant_slot(JobKind) const;
  void stop(const JobId&, std::uint64_t token, Outcome);
  void lost(const JobId&, std::uint64_t token);
  void ended(JobResult);
  Heartbeat load() const;
  void offer();
  void check_memory();
  void drain();
  void end_at_once();
  void end_drain();
  void finish_drain();
  void hand_back(const Job&, const std::string& reason);
  std::filesystem::path work_folder() const;

  struct Place {
    Slot* slot = nullptr;
    std::uint64_t token = 0;
  };

  WorkerOptions options_;
  WorkerId id_;
  net::PollLoop loop_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<BrokerLink> link_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unordered_map<JobId, Place> places_;  // of what the slots hold and is to be reported
  std::unique_ptr<MemoryWatch> memory_;
  bool rooms_changed_ = false;
  bool announced_ = false;
  bool draining_ = false;
  bool killed_ = false;
};

}  // namespace ns::worker
