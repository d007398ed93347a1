// SimulatedWorker: a worker and coordinator that speaks the protocol and runs trials that only take time, many at once.
//
// It does what is asked (see plan.h), honest or not: it repeats reports, reports late, and sends again under an old
// token what it once could have reported. Everything that it is given, does and is told goes to its journal:
//   hello session | got job attempt token | report job token outcome | answer job token status outcome
//   lost, stopped job token | enqueued job token trials (acknowledged) | goodbye
// One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/net/socket.h"
#include "common/wire.h"
#include "tests/system/torture/journal.h"
#include "tests/system/torture/plan.h"

namespace ns::torture {

struct SimulatedWorkerOptions {
  std::string name;
  std::vector<std::string> endpoints;
  std::filesystem::path journal;
  std::uint64_t seed = 1;
  std::uint32_t compute_slots = 6;
  std::uint32_t control_slots = 4;
};

class SimulatedWorker {
 public:
  explicit SimulatedWorker(SimulatedWorkerOptions);
  void run();                      // until stop(), then says goodbye
  void stop() { ending_ = true; }  // also from a signal handler

 private:
  using Time = std::chrono::steady_clock::time_point;
  using Key = std::pair<std::string, std::uint64_t>;  // job and token

  struct Trial {
    Job job;
    std::string plan;
    Time due;             // when it reports
    bool silent = false;  // no heartbeat speaks of it
  };
  struct Report {
    JobResult result;
    Time next;           // when it is sent (again)
    int copies = 1;      // sent at once
    bool repeat = true;  // until acknowledged
  };
  // A task's loop: enqueue a batch, wait until its trials have ended, the next one, report.
  struct Coordination {
    Job job;
    Json spec;
    std::uint32_t acknowledged = 0;  // trials enqueued
    std::uint32_t ended = 0;
    std::set<std::uint32_t> ended_trials;
    std::string after = "0";
    std::uint64_t request = 0;  // the one on its way
    Time next;                  // when it is repeated
  };

  void connect(std::size_t endpoint);
  void say_hello();
  void receive();
  void handle(const wire::Frames&);
  void welcome(const Welcome&);
  void take(const Jobs&);
  void take_trial(const Job&);
  void take_task(const Job&);
  void replay_old_token(const Job&);
  void heed(const HeartbeatReply&);
  void end_trial(const std::string& job, std::uint64_t token, const char* why);
  void acknowledge(const ResultsAcknowledged&);
  void heed_error(const wire::Header&, const ErrorReply&);
  void handle_enqueued(std::uint64_t request);
  void handle_events(std::uint64_t request, const Events&);

  void step();  // all that is due
  void beat();
  void pull();
  void finish(Trial&);
  void report(const Job&, Outcome, const std::string& error, int copies = 1, bool repeat = true);
  void send_reports();
  void advance(Coordination&);
  std::uint32_t wanted_trials(const Coordination&) const;
  void end_coordination(const std::string& task, bool report_it);
  Coordination* coordination_of(std::uint64_t request);
  Time next_step() const;

  template <typename Message>
  std::uint64_t send(const Message& message) {
    dealer_->send(wire::encode(++last_request_, message));
    return last_request_;
  }

  const SimulatedWorkerOptions options_;
  Journal journal_;
  Random random_;
  net::Context context_;
  std::unique_ptr<net::Dealer> dealer_;
  std::size_t endpoint_ = 0;
  std::uint64_t last_request_ = 0;
  std::uint64_t session_ = 0;
  std::uint64_t taken_compute_ = 0, taken_control_ = 0;  // in this session
  int unanswered_ = 0;
  std::chrono::milliseconds heartbeat_{200};
  std::chrono::milliseconds lease_{1000};
  Time next_beat_;
  std::map<std::string, Trial> trials_;                // by job
  std::map<std::string, Coordination> coordinations_;  // by task
  std::map<Key, Report> reports_;
  std::map<std::string, Job> held_before_;  // the newest lease of each trial that it had and did not see committed
  volatile bool ending_ = false;
};

}  // namespace ns::torture
