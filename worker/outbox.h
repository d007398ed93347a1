// Outbox: results on their way to the broker, until it has acknowledged them. They travel in reports of many; a report
// that stays unanswered is sent again, with more and more time between.
//
// No sockets and no clock: its owner sends, and says what time it is. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "common/messages.h"

namespace ns::worker {

class Outbox {
 public:
  using Time = std::chrono::nanoseconds;  // of any clock that goes on
  // Sends these and says under which request number; 0: nothing can be sent now.
  using Send = std::function<std::uint64_t(const std::vector<JobResult>&)>;

  void add(JobResult);
  void send(Time now, const Send&);  // what is new, and what was answered too late or not at all
  void send_all_again();             // with the next send(): a new broker knows nothing of what was sent

  void acknowledged(std::uint64_t request, std::size_t results);
  // What a broker refuses for good would be refused each time: the report is cut into single results, and a single one
  // is dropped. Returns what was dropped.
  std::vector<JobResult> refused(std::uint64_t request);

  bool empty() const { return fresh_.empty() && reports_.empty(); }
  void list(std::vector<HeldJob>& all) const;  // adds the jobs of what is here

 private:
  struct Report {
    std::vector<JobResult> results;
    std::vector<std::uint64_t> requests;  // under which it was sent
    Time again_at{0};
    Time wait{0};
  };

  void pack();
  std::deque<Report>::iterator find(std::uint64_t request);

  std::vector<JobResult> fresh_;
  std::deque<Report> reports_;
};

}  // namespace ns::worker
