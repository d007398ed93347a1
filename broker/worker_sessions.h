// WorkerSessions: the workers that said hello to this broker, their credits, and the leasing of jobs for them.
//
// A worker whose last lease brought less than it asked for is idle: it is asked for again when work comes, and once a
// second. Work is offered to as many idle workers as it needs, not to all, and the workers of one turn share a call.
//
// Nothing here matters: when it is lost, workers say hello again. Owned by Broker; the loop's thread only.
// Invariant: jobs sent or being leased for a worker never exceed the credits that it granted in this session.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/request.h"
#include "broker/store/client.h"
#include "common/clock.h"
#include "common/messages.h"
#include "common/net/socket.h"

namespace ns::broker {

class WorkerSessions {
 public:
  WorkerSessions(net::Router&, store::Client&, std::chrono::milliseconds lease, const Clock& = steady_clock());

  void begin(const WorkerId&, std::uint64_t session, const Sender&);
  void end(const WorkerId&, std::uint64_t session);
  void end_all();  // every worker has to say hello again

  // Error(unknown_peer) when this is not the worker's current session here, or was begun by another peer: a worker that
  // has a new connection says hello on it. Notes that the worker lives.
  void require(const WorkerId&, std::uint64_t session, const net::Peer&);
  // Error(forbidden) when its session here was begun with another key: who has a worker's key may pass for no other's.
  void require_own(const WorkerId&, const Sender&) const;
  void grant(const Pull&);  // REQUIRES: require() passed

  void work_came(JobKind, std::uint64_t jobs);  // so many may be ready: idle workers are leased for at the next flush
  void look_for_work();                         // a wake-up may have been missed: some idle workers try
  void flush();                                 // at the end of a turn: leases for the workers that are due
  void push_stop(const std::string& stop);      // "<worker> <job> <token> <outcome>", when the worker is here

  // Workers that have been silent so long are sent something; where that cannot be sent, the connection has ended, and
  // their jobs go to others at once.
  void probe_silent(std::chrono::milliseconds silence);

 private:
  struct Credits {
    std::uint64_t granted = 0;
    std::uint64_t sent = 0;
    std::uint64_t open() const { return granted > sent ? granted - sent : 0; }
  };
  struct Session {
    std::uint64_t number = 0;
    net::Peer peer;
    std::string key;  // public; empty on a plain connection
    Clock::Time heard{};
    Credits compute;
    Credits control;
    bool leasing = false;  // a lease call is under way
    bool due = false;      // in due_
    bool idle = false;     // in idle_
    Credits& credits(JobKind kind) { return kind == JobKind::task ? control : compute; }
  };
  struct Asked {  // by one lease call, for one worker
    WorkerId worker;
    std::uint64_t session;
    std::uint64_t jobs;
    std::uint64_t work_heard;  // when it was asked
  };

  void make_due(const WorkerId&, Session&);
  void make_idle(const WorkerId&, Session&);
  void wake_idle(JobKind, std::uint64_t jobs);
  void lease(store::Arguments&, std::vector<Asked>);
  void leased(const std::vector<Asked>&, const store::Reply&);
  void take(const Asked&, const store::Reply& tasks, const store::Reply& jobs, bool cut);
  bool push(Session&, const store::Reply& tasks, const store::Reply& jobs);  // false: it has gone
  void hand_back(const WorkerId&, const store::Reply& tasks, const store::Reply& jobs);
  void lose(const WorkerId&, std::uint64_t session);

  net::Router& router_;
  store::Client& store_;
  const std::chrono::milliseconds lease_;
  const Clock& clock_;
  std::unordered_map<WorkerId, Session> sessions_;
  std::vector<WorkerId> due_;  // to lease for at the end of this turn
  std::deque<WorkerId> idle_;  // the one that waits longest first; some may have gone
  std::uint64_t work_heard_ = 0;  // how often
};

}  // namespace ns::broker
