// One process of a private stack: started, watched, started again when it dies. Owned by the supervisor; one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace ns::client::stack {

using Clock = std::chrono::steady_clock;

struct PartPlan {
  std::string name;                    // "redis", "broker", "worker-0"
  std::vector<std::string> arguments;  // the program's absolute path first
  std::filesystem::path log;           // its output is appended there
  int death_signal = 9;                // what it gets when the supervisor dies
  bool may_leave = false;              // with exit status 0 it has left, as it was asked to, and stays away
};

class Part {
 public:
  explicit Part(PartPlan plan) : plan_(std::move(plan)) {}

  // Forks and runs it. `lock_fd` is inherited, so that the lock is held while the process lives.
  void start(int lock_fd, Clock::time_point now);
  // To be told when waitpid returned this part's process.
  void ended(int status, Clock::time_point now);
  void signal(int number) const;
  void call_back();  // one that has left is due again

  bool is_alive() const { return pid_ > 0; }
  bool has_left() const { return left_; }
  pid_t pid() const { return pid_; }
  unsigned restarts() const { return restarts_; }
  const std::string& last_end() const { return last_end_; }  // "signal 9", "exit status 2"; empty: never ended
  const PartPlan& plan() const { return plan_; }
  Clock::time_point due() const { return due_; }  // when to start it again

  // How long to wait before the n-th start in a row that failed soon (n = 1, 2, …): 100 ms, doubling up to 10 s.
  static std::chrono::milliseconds backoff(unsigned failures);

 private:
  PartPlan plan_;
  pid_t pid_ = -1;
  unsigned restarts_ = 0;
  unsigned quick_failures_ = 0;
  bool left_ = false;
  std::string last_end_;
  Clock::time_point started_{};
  Clock::time_point due_{};
};

}  // namespace ns::client::stack
