// WorkerSessions: the workers that said hello to this broker, their credits, and the leasing of jobs for them.
//
// A worker whose last lease brought less than it asked for is idle: it is asked for again when work comes, and once a
// second. Work is offered to as many idle workers as it needs, not to all, and the workers of one turn share a call.
// Workers that offer the same are a group; of one whose last question brought nothing, a few scouts ask first, and the
// others when a scout got something: the work that comes may not be for them.
//
// The heartbeats of a worker at rest, which has no jobs, say nothing new: they are answered from here, and Redis hears
// of it every few seconds. Those of a worker with jobs all go to Redis, which alone knows whose a lease is. What ends a
// session or a rest is heard of sooner than that: Redis tells all brokers of each hello and each drain, a connection to
// Redis that was lost, or whose data were, ends what is known here, and a new session begins with nothing known. So a
// worker that has moved, or is wanted gone, learns it with its next heartbeat; after a wake-up that was lost, a few
// seconds later.
//
// Nothing here matters: when it is lost, workers say hello again. Owned by Broker; the loop's thread only.
// Invariant: jobs sent or being leased for a worker never exceed the credits that it granted in this session.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/leased_jobs.h"
#include "broker/request.h"
#include "broker/store/client.h"
#include "common/clock.h"
#include "common/messages.h"
#include "common/net/socket.h"

namespace ns::broker {

bool is_at_rest(const Heartbeat&);

class WorkerSessions {
 public:
  struct Times {
    std::chrono::milliseconds lease;
    std::chrono::milliseconds heartbeat;  // of each worker, while they are few
  };
  WorkerSessions(net::Router&, store::Client&, Times, const Clock& = steady_clock());

  // `offer`: a text that is the same for workers that can do the same work.
  void begin(const WorkerId&, std::uint64_t session, const Sender&, const std::string& offer);
  void end(const WorkerId&, std::uint64_t session);
  void end_all();  // every worker has to say hello again

  // Error(unknown_peer) when this is not the worker's current session here, or was begun by another peer: a worker that
  // has a new connection says hello on it. Notes that the worker lives.
  void require(const WorkerId&, std::uint64_t session, const net::Peer&);
  // Error(forbidden) when its session here was begun with another key: who has a worker's key may pass for no other's.
  void require_own(const WorkerId&, const Sender&) const;
  void grant(const Pull&);  // REQUIRES: require() passed

  // In how long this worker's next heartbeat is expected: the more workers there are, the later.
  std::uint32_t next_heartbeat_ms(const WorkerId&);
  bool knows(const Heartbeat&) const;      // it can be answered without Redis. REQUIRES: require() passed
  bool begins_rest_anew(const WorkerId&);  // Redis should hear again of a rest that was known. REQUIRES: knows()
  // Redis, asked then, has heard of its heartbeat.
  void note(const WorkerId&, std::uint64_t session, bool at_rest, Clock::Time asked);
  void doubt_all();                      // wake-ups may have been missed: Redis hears of every worker's next heartbeat
  void hear(const std::string& worker);  // "<worker> <session>" is its newest; "… drain": it should go
  void push_drain(const WorkerId&, std::uint64_t session);

  void work_came(JobKind, std::uint64_t jobs);  // so many may be ready: idle workers are leased for at the next flush
  void look_for_work();                         // a wake-up may have been missed: some idle workers try
  void flush();                                 // at the end of a turn: leases for the workers that are due
  void push_stop(const std::string& stop);      // "<worker> <job> <token> <outcome>", when the worker is here

  // Workers that are silent and whose connection seems to have ended are sent something; where that cannot be sent, it
  // has, and their jobs go to others at once. So are those that are silent for long.
  void probe_silent();

 private:
  struct Credits {
    std::uint64_t granted = 0;
    std::uint64_t sent = 0;
    std::uint64_t open() const { return granted > sent ? granted - sent : 0; }
  };
  struct Group {
    std::size_t members = 0;
    std::deque<WorkerId> idle;                         // the one that waits longest first; some may have gone
    bool dry = true;                                   // its last question brought nothing
    std::uint64_t missed = 0;                          // how often work came for which too few were idle
    std::uint64_t compute_left = 0, control_left = 0;  // jobs that may be ready, for which only scouts asked
    std::uint64_t& left(JobKind kind) { return kind == JobKind::task ? control_left : compute_left; }
  };
  using Groups = std::map<std::string, Group>;
  struct Session {
    std::uint64_t number = 0;
    Groups::iterator group;
    net::Peer peer;
    std::string key;  // public; empty on a plain connection
    net::Connection connection = net::kNoConnection;
    int doubts = 0;  // how often more it is probed because a connection of this number ended
    Clock::Time heard{};
    Clock::Time probed{};
    std::optional<Clock::Time> rested;      // Redis was told then that it rests, and nothing else since
    std::chrono::milliseconds heartbeat{};  // as it was told last
    Credits compute;
    Credits control;
    bool leasing = false;  // a lease call is under way
    bool due = false;      // in due_
    bool idle = false;     // in its group's
    Credits& credits(JobKind kind) { return kind == JobKind::task ? control : compute; }
  };
  struct Asked {  // by one lease call, for one worker
    WorkerId worker;
    std::uint64_t session;
    std::uint64_t jobs;
    std::uint64_t missed;  // of its group, when it was asked
  };

  using Sessions = std::unordered_map<WorkerId, Session>;

  void erase(Sessions::iterator);
  void ask(Group&, JobKind, std::uint64_t& jobs);
  void learn(Group&, std::uint64_t found);
  void make_due(const WorkerId&, Session&);
  void make_idle(const WorkerId&, Session&);
  void wake_idle(JobKind, std::uint64_t jobs, bool is_new);
  void lease(store::Arguments&, std::vector<Asked>);
  void leased(const std::vector<Asked>&, const store::Reply&);
  void take(const Asked&, const std::vector<LeasedJob>&, bool cut);
  bool push(Session&, const std::vector<LeasedJob>&);  // false: it has gone
  void hand_back(const WorkerId&, const std::vector<LeasedJob>&);
  void lose(const WorkerId&, std::uint64_t session);

  net::Router& router_;
  store::Client& store_;
  const Times times_;
  const std::chrono::milliseconds rarest_heartbeat_, rest_;
  const Clock& clock_;
  Sessions sessions_;
  Groups groups_;              // by what their workers offer
  std::string last_group_;     // that was asked: the one after it is next
  std::vector<WorkerId> due_;  // to lease for at the end of this turn
};

}  // namespace ns::broker
