// BrokerLink: a worker's side of the protocol: hello, credits, heartbeats, results until acknowledged, and finding a
// broker again that has gone. It knows nothing of slots.
//
// Belongs to a Worker; its thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/messages.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"

namespace ns::worker {

class BrokerLink {
 public:
  struct Callbacks {
    std::function<void()> welcomed;  // each time a session begins
    std::function<void(std::vector<Job>)> jobs;
    std::function<void(const JobId&, std::uint64_t token, Outcome)> stop;
    std::function<void(const JobId&, std::uint64_t token)> lost;
    std::function<std::vector<HeldJob>()> running;  // without those whose results wait here
  };
  struct Vacancies {
    std::uint32_t compute = 0, control = 0;
  };

  BrokerLink(net::PollLoop&, std::vector<std::string> endpoints, net::PeerKeys, Hello, Callbacks);
  ~BrokerLink();
  BrokerLink(const BrokerLink&) = delete;
  BrokerLink& operator=(const BrokerLink&) = delete;

  void offer(Vacancies);       // jobs of each kind that can be taken now
  void report(JobResult);      // sent until acknowledged, whatever becomes of the broker meanwhile
  void report(const Metric&);  // best effort
  bool all_acknowledged() const { return results_.empty(); }
  bool in_session() const { return session_ != 0; }
  void leave();  // goodbye, and wait a moment for it to be on its way

 private:
  using Key = std::pair<std::string, std::uint64_t>;  // job and token

  template <typename Message>
  bool send(const Message&);
  void connect(std::size_t endpoint);
  void say_hello();
  void receive();
  void handle(const wire::Frames&);
  void handle(const Welcome&);
  void handle(const Jobs&);
  void handle(const HeartbeatReply&, std::uint64_t request);
  void handle(const ResultsAcknowledged&);
  void handle(const ErrorReply&);
  void beat();
  void pull();
  void send_results();
  void send_metrics();

  net::PollLoop& loop_;
  std::vector<std::string> endpoints_;
  const net::PeerKeys keys_;
  Hello hello_;
  Callbacks callbacks_;
  net::Context context_;
  std::unique_ptr<net::Dealer> dealer_;
  std::size_t endpoint_ = 0;
  std::uint64_t last_request_ = 0;
  std::uint64_t session_ = 0;  // 0: not welcomed (yet, or any more)
  int unanswered_ = 0;         // hellos or heartbeats in a row
  net::PollLoop::TimerId heartbeat_ = 0;
  std::chrono::milliseconds heartbeat_period_;

  Vacancies vacancies_;
  std::uint64_t taken_compute_ = 0, taken_control_ = 0;               // jobs that came in this session
  std::deque<std::pair<std::uint64_t, std::vector<HeldJob>>> beats_;  // what the last heartbeats listed, by request
  std::map<Key, JobResult> results_;
  std::vector<Metric> metrics_;
  int beats_since_results_ = 0;
};

}  // namespace ns::worker
