// TurnBatches: the results and heartbeats that came in one turn. They go to Redis together, whoever sent them, so that
// many workers cost hardly more than one.
//
// Owned by Broker; the loop's thread only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/request.h"
#include "common/clock.h"
#include "common/messages.h"

namespace ns::broker {

class EventWaiters;
class WorkerSessions;

class TurnBatches {
 public:
  TurnBatches(store::Client&, EventWaiters&, WorkerSessions&, std::chrono::milliseconds lease);

  void add(const Request&, ReportResults);
  void add(const Request&, Heartbeat);
  void flush();  // at the end of a turn
  // Workers that still rest, and have been answered: Redis hears of those of many turns at once.
  void add_rest(const WorkerId&, std::uint64_t session);
  void flush_rests();

 private:
  struct Report {
    Request request;
    std::vector<ResultAcknowledgement> results;  // status still open
  };
  struct Beat {
    Request request;
    WorkerId worker;
    std::uint64_t session;
    bool rests;  // it has no jobs
  };
  void flush_results();
  void flush_heartbeats();
  void answer(const Beat&, const store::Reply&, Clock::Time asked);

  store::Client& store_;
  EventWaiters& waiters_;
  WorkerSessions& workers_;
  const std::chrono::milliseconds lease_;
  std::vector<Report> reports_;
  store::Arguments results_;
  std::size_t result_bytes_ = 0;
  std::vector<std::string> tasks_;  // that the results are about
  std::vector<Beat> beats_;
  store::Arguments held_;
  std::vector<std::pair<WorkerId, std::uint64_t>> rests_;  // and their sessions
};

}  // namespace ns::broker
