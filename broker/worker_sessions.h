// WorkerSessions: the workers that said hello to this broker, their credits, and the leasing of jobs for them.
//
// Nothing here matters: when it is lost, workers say hello again. Owned by Broker; the loop's thread only.
// Invariant: jobs sent or being leased for a worker never exceed the credits that it granted in this session.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "broker/store/client.h"
#include "common/messages.h"
#include "common/net/socket.h"

namespace ns::broker {

class WorkerSessions {
 public:
  WorkerSessions(net::Router&, store::Client&, std::chrono::milliseconds lease);

  void begin(const WorkerId&, std::uint64_t session, const net::Peer&);
  void end(const WorkerId&, std::uint64_t session);

  // Error(unknown_peer) when this is not the worker's current session here.
  void require(const WorkerId&, std::uint64_t session) const;
  void grant(const Pull&);  // REQUIRES: require() passed

  void lease_for_all();  // there may be work: at the next flush
  void flush();          // at the end of a turn: leases for the workers whose credits or chances changed
  void push_stop(const std::string& stop);  // "<worker> <job> <token> <outcome>", when the worker is here

 private:
  struct Credits {
    std::uint64_t granted = 0;
    std::uint64_t sent = 0;
    std::uint64_t open() const { return granted > sent ? granted - sent : 0; }
  };
  struct Session {
    std::uint64_t number = 0;
    net::Peer peer;
    Credits compute;
    Credits control;
    bool leasing = false;  // a lease call is under way
  };

  void lease(const WorkerId&, Session&);
  void leased(const WorkerId&, std::uint64_t number, const store::Reply&);
  bool push(const WorkerId&, Session&, std::vector<Job> jobs);  // false: it has gone
  void hand_back(const WorkerId&, const std::vector<Job>&);

  net::Router& router_;
  store::Client& store_;
  const std::chrono::milliseconds lease_;
  std::unordered_map<WorkerId, Session> sessions_;
  std::unordered_set<WorkerId> due_;  // to lease for at the end of this turn
};

}  // namespace ns::broker
