// BrokerLink: a worker's side of the protocol: hello, credits, heartbeats, results until acknowledged, and finding a
// broker again that has gone. It knows nothing of slots.
//
//               welcome                        nothing heard for a while, or unknown_peer
//   searching ───────────▶ in session ─────────────────────────────────────────────────▶ searching
//   (hello to one endpoint after the other, all at once in the end; the first that welcomes us is it)
//
// Leases are trusted until a margin before the last heartbeat that was answered would let them run out. A worker that
// was stopped for longer trusts none until a heartbeat that lists all it holds has been answered.
//
// Belongs to a Worker; its thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/messages.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"
#include "worker/leased_job.h"
#include "worker/outbox.h"

namespace ns::worker {

class BrokerLink {
 public:
  struct Callbacks {
    std::function<void()> welcomed;  // each time a session begins
    std::function<void(std::vector<LeasedJob>)> jobs;
    std::function<void(const JobId&, std::uint64_t token, Outcome)> stop;
    std::function<void(const JobId&, std::uint64_t token)> lost;
    std::function<void()> drain;
    std::function<Heartbeat()> load;                            // what is held (not what waits here), how many are busy
    std::function<void(std::chrono::nanoseconds)> trust_until;  // by boot_time()
  };
  struct Vacancies {
    std::uint64_t compute = 0, control = 0;
  };

  BrokerLink(net::PollLoop&, std::vector<std::string> endpoints, net::PeerKeys, Hello, Callbacks);
  ~BrokerLink();
  BrokerLink(const BrokerLink&) = delete;
  BrokerLink& operator=(const BrokerLink&) = delete;

  void offer(Vacancies vacancies) { vacancies_ = vacancies; }  // jobs of each kind that can be taken now
  void report(JobResult result) { outbox_.add(std::move(result)); }
  void report(Metric);  // best effort
  void flush();         // at the end of each turn: sends what was offered and reported
  bool all_acknowledged() const { return outbox_.empty(); }
  void leave();  // goodbye, and wait a moment for it to be on its way

 private:
  using Time = std::chrono::nanoseconds;  // boot_time()

  // A socket to one endpoint. Each says hello once: nothing piles up for a broker that is away.
  struct Connection {
    std::size_t endpoint = 0;
    std::unique_ptr<net::Dealer> dealer;
    std::uint64_t hello = 0;  // request
    Time hello_at{0};
    Time patience{0};  // with its answer
  };
  // One heartbeat: several messages where one cannot list everything.
  struct Beat {
    std::vector<std::pair<std::uint64_t, std::vector<HeldJob>>> unanswered;  // by request, what it listed
    Time sent_at{0};
    std::uint64_t arrivals = 0;  // see arrivals_
  };

  template <typename Message>
  std::uint64_t send(const Message&);  // in session; the request's number, 0: nothing can be sent now
  void connect(std::size_t endpoint, Time patience);
  void disconnect(std::size_t index);
  void give_up(std::size_t index);  // says so, and disconnects
  void say_hello(Connection&);
  void end_session();
  void search();
  void receive(std::size_t endpoint);
  void handle(Connection&, const wire::Frames&);
  void handle_welcome(Connection&, const Welcome&);
  void handle(Jobs);
  void handle(const HeartbeatReply&, std::uint64_t request);
  void handle(Connection&, const ErrorReply&, std::uint64_t request);
  void tick();
  void beat();
  void confirm(const Beat&);
  bool trusted() const;
  void trust(Time until);
  void pull();
  void send_metrics();

  net::PollLoop& loop_;
  std::vector<std::string> endpoints_;
  const net::PeerKeys keys_;
  Hello hello_;
  Callbacks callbacks_;
  net::Context context_;
  net::PollLoop::TimerId ticker_ = 0;
  std::uint64_t last_request_ = 0;

  std::vector<Connection> connections_;  // in session: the one; searching: those tried so far
  std::uint64_t session_ = 0;            // 0: searching
  Time last_try_{0};

  Time heartbeat_period_, lease_;
  std::deque<Beat> beats_;  // not answered in full yet; the newest last
  Time last_beat_{0};
  Time silent_since_{0};        // when the first heartbeat went out after which nothing was heard; 0: something was
  std::uint64_t arrivals_ = 0;  // messages that brought jobs
  Time trusted_until_{0};

  Vacancies vacancies_;
  Vacancies taken_;    // jobs that came in this session
  Vacancies granted_;  // credits of it
  Time last_pull_{0};
  Outbox outbox_;
  std::deque<Metric> metrics_;
};

}  // namespace ns::worker
