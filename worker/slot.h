// Slot: a place where one job runs at a time, in a runner child that is replaced when it dies.
//
//          start()              result, or the child's death
//   idle ───────────▶ running ──────────────────────────────▶ idle        reports once, unless told to forget
//                        │ stop()            ▲
//                        └──▶ asked, then ───┘ killed after a grace
//
// Belongs to a Worker; its thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/messages.h"
#include "common/net/poll_loop.h"
#include "worker/runner/child.h"
#include "worker/runner/runner_messages.h"

namespace ns::worker {

class Slot {
 public:
  struct Callbacks {
    std::function<void(Slot&, JobResult)> ended;  // the job's one result
    std::function<void(const Metric&)> metric;
    std::function<void()> freed;  // the slot can take a job (again)
  };

  Slot(net::PollLoop&, JobKind, RunnerSettings, std::uint64_t memory_limit, Callbacks);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  JobKind kind() const { return kind_; }
  bool free() const { return ready_ && !running_; }
  const Job* job() const { return running_ ? &running_->job : nullptr; }

  void start(Job);  // REQUIRES: free()
  // Asks the runner to end its job, kills it after a grace; the job's result is this outcome then.
  void stop(Outcome, const std::string& reason);
  void kill(Outcome, const std::string& reason);  // at once
  void forget();                                  // kills; nothing is reported

  void check_child();   // after SIGCHLD
  void check_memory();  // now and then

 private:
  struct Running {
    Job job;
    std::uint32_t metrics = 0;
    std::optional<Outcome> wanted;  // what to report instead of what the runner says
    std::string reason;
    bool silent = false;
    net::PollLoop::TimerId time_limit = 0, grace = 0;
  };

  void start_child();
  void stop_watching();
  void watch_channel();
  void listen();
  void take(const RunnerMessage&);
  void end(JobResult);
  void replace_child();

  net::PollLoop& loop_;
  JobKind kind_;
  RunnerSettings settings_;
  std::uint64_t memory_limit_;
  Callbacks callbacks_;
  std::unique_ptr<Child> child_;
  bool ready_ = false;
  bool output_open_ = false;
  int failed_starts_ = 0;  // in a row
  net::PollLoop::TimerId restart_ = 0;
  std::optional<Running> running_;
};

}  // namespace ns::worker
