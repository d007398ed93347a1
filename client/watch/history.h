// What a task's events say so far: fed one event at a time, read by whoever draws. Knows no task kind. Plain value; one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "common/messages.h"

namespace ns::client {

class History {
 public:
  struct Running {
    std::uint64_t started_ms = 0;
    std::uint32_t attempt = 0;
    std::string worker;
    std::string metrics;  // the latest, as text
  };

  void apply(const Event&);

  const std::string& last_id() const { return last_id_; }
  bool ended() const { return ended_; }
  std::uint64_t started_ms() const { return started_ms_; }
  std::uint64_t now_ms() const { return now_ms_; }  // of the newest event
  const std::map<std::uint32_t, Running>& running() const { return running_; }
  // Trials done and planned, as the coordinator says, or as the events show.
  std::uint32_t done() const { return planned_ ? done_ : static_cast<std::uint32_t>(ended_trials_.size()); }
  std::uint32_t planned() const { return planned_ ? planned_ : enqueued_; }
  const std::string& step() const { return step_; }  // what the coordinator says it does
  bool has_best() const { return !best_.empty(); }
  const std::string& best() const { return best_; }
  std::uint32_t best_trial() const { return best_trial_; }
  const std::string& state() const { return state_; }  // "waiting for a worker", "running", …

 private:
  void apply_trial(const Event&);
  void apply_task(const Event&);

  std::string last_id_ = "0";
  bool ended_ = false;
  std::uint64_t started_ms_ = 0, now_ms_ = 0;
  std::map<std::uint32_t, Running> running_;
  std::set<std::uint32_t> ended_trials_;
  std::uint32_t enqueued_ = 0, done_ = 0, planned_ = 0;
  std::string step_, best_, state_ = "waiting for a worker";
  std::uint32_t best_trial_ = 0;
};

// {"top1": 0.98, "latency_ms": 0.021} -> "latency_ms 0.021, top1 0.98"; anything else: "".
std::string metrics_text(std::string_view body);

// A sentence for any event: its summary, its reason, its metrics; empty when it has nothing to say.
std::string event_detail(const Event&);

}  // namespace ns::client
