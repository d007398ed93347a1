// Slot: a place where jobs run one at a time, in a runner child that is replaced when it dies.
//
//           take()             the runner begins it          result, or the child's death
//   (none) ───────▶ unbegun ────────────────────▶ running ───────────────────────────────▶ (none)   reports once,
//                      │  hand_back_unbegun(), stop()   │ stop()               ▲             unless told to forget
//                      └──▶ given back without running  └──▶ asked, then ──────┘ killed after a grace
//
// A slot may hold jobs beyond the running one (see pace.h), so that short ones do not wait for a round trip each. What
// the runner is at is read from the page that it shares (runner/progress.h).
//
// Belongs to a Worker; its thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/messages.h"
#include "common/net/poll_loop.h"
#include "worker/leased_job.h"
#include "worker/pace.h"
#include "worker/runner/child.h"
#include "worker/runner/runner_messages.h"

namespace ns::worker {

class Slot {
 public:
  struct Callbacks {
    std::function<void(JobResult)> ended;  // a job's one result
    std::function<void(Metric)> metric;
    std::function<void()> changed;  // the slot may have room (again)
  };
  struct Options {
    JobKind kind = JobKind::trial;
    Prefetch prefetch = 0;
    std::uint64_t memory_limit = 0;  // of a job that has none of its own; 0: none
  };

  Slot(net::PollLoop&, Options, RunnerSettings, Callbacks);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  JobKind kind() const { return options_.kind; }
  bool free() const { return ready_ && held_.empty(); }
  std::size_t load() const { return held_.size(); }
  std::size_t room() const;                    // jobs that it can take now
  void list(std::vector<HeldJob>& all) const;  // adds what it holds, begun or not, without what is to be forgotten

  void take(LeasedJob);  // REQUIRES: room() > 0
  void send();           // what was taken, to the runner

  // Asks the runner to end the job, kills it after a grace; the job's result is this outcome then. A job that is not
  // held: nothing happens.
  void stop(const JobId&, std::uint64_t token, Outcome, const std::string& reason);
  void forget(const JobId&, std::uint64_t token);     // ends it; nothing is reported
  void hand_back_unbegun(const std::string& reason);  // as far as the runner does not begin it meanwhile
  void kill(Outcome, const std::string& reason);      // the running job, at once

  // Until when leases are known to be ours, by boot_time(): nothing is begun after it.
  void trust_until(std::chrono::nanoseconds);

  void check_child();  // after SIGCHLD

  // The running job when its memory is limited: the process at the root of its tree.
  struct MemoryUser {
    pid_t process = 0;
    std::uint64_t number = 0;  // of the job
  };
  std::optional<MemoryUser> memory_user() const;
  void check_memory(const MemoryUser&, std::uint64_t used_bytes);

 private:
  struct Held {
    JobId job;
    std::uint64_t token = 0;
    std::uint64_t number = 0;  // in the order in which this runner was sent them
    std::chrono::milliseconds time_limit{0};
    std::uint64_t memory_limit = 0;
    std::optional<Outcome> wanted;  // what to report instead of what the runner says
    std::string reason;             // why it is wanted, or given back
    bool silent = false;
    net::PollLoop::TimerId grace = 0;
  };

  void start_child();
  void stop_watching();
  void watch_channel();
  void listen();
  void take(const RunnerMessage&);
  void take(Metric);
  void take(JobResult);
  void end(std::deque<Held>::iterator, JobResult);
  void end_all(const std::string& how, const std::string& last);
  void replace_child();

  std::deque<Held>::iterator find(const JobId&, std::uint64_t token);
  const Held* running() const;  // what has begun and not ended, as far as is known
  std::chrono::nanoseconds running_for(const Held&) const;
  void ask_to_stop(Held&, Outcome asked);
  std::uint64_t memory_limit_of(const Held&) const;
  void open_or_close_gate();
  void learn_pace();
  void look_soon();
  void look();
  void look_in(std::chrono::nanoseconds);

  net::PollLoop& loop_;
  Options options_;
  RunnerSettings settings_;
  Callbacks callbacks_;
  std::unique_ptr<Child> child_;
  bool ready_ = false;
  bool output_open_ = false;
  bool waits_to_write_ = false;
  int failed_starts_ = 0;  // in a row
  net::PollLoop::TimerId restart_ = 0;

  std::deque<Held> held_;   // by number
  std::uint64_t sent_ = 0;  // to this child
  JobsMessage outgoing_;
  Pace pace_;
  std::uint64_t paced_ = 0;            // ended jobs of this child that pace_ knows of
  std::chrono::nanoseconds spent_{0};  // in those
  std::uint64_t long_ = 0;             // number of the running job when it takes long; 0: none does
  std::chrono::nanoseconds front_since_{0};
  std::chrono::nanoseconds trusted_until_{0};
  net::PollLoop::TimerId look_ = 0;
  std::chrono::nanoseconds look_due_{0};
};

}  // namespace ns::worker
