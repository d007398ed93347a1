// SimulatedWorker: a worker that speaks the protocol and does nothing: what it leases it reports as done at once.
//
// Watched by a Crowd that goes before it, used in that one's thread. It has a connection and a session of its own, and
// throws out of the loop what goes wrong.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "common/clock.h"
#include "common/net/poll_loop.h"
#include "tests/bench/queue/crowd.h"
#include "tests/bench/queue/link.h"

namespace ns::bench {

class SimulatedWorker {
 public:
  struct Plan {
    std::string broker;
    net::PeerKeys keys;
    std::string name;
    std::string kind;
    std::uint32_t credits = 1;
  };

  SimulatedWorker(Crowd&, net::Context&, const Plan&);
  ~SimulatedWorker();
  SimulatedWorker(const SimulatedWorker&) = delete;
  SimulatedWorker& operator=(const SimulatedWorker&) = delete;

  bool is_welcome() const { return pull_.session != 0; }
  // REQUIRES: is_welcome(). Leases from now on, with heartbeats.
  void start();

 private:
  void receive();
  void take(const Welcome&);
  void take(const Jobs&);
  void take(const ResultsAcknowledged&);
  void take(const HeartbeatReply&);
  void beat();
  void pull();

  net::PollLoop& loop_;
  const Crowd::Callback on_readable_;
  Link link_;
  const Plan plan_;
  const std::string result_;
  Pull pull_;
  Clock::Time pulled_{};
  std::chrono::milliseconds heartbeat_{0};
  net::PollLoop::TimerId timer_ = 0;
  std::unordered_map<std::string, std::uint64_t> held_;  // job -> token, until its result is acknowledged
};

}  // namespace ns::bench
