// Reports: what a runner has to say to its supervisor. Results wait a moment for company, so that many short trials
// make one message; metrics go at once.
//
// Any thread. It has a thread of its own, which sends what waits when nobody else does; it lives as long as the
// process.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/messages.h"
#include "worker/runner/channel.h"

namespace ns::worker {

class Reports {
 public:
  Reports(Channel&, WorkerId);

  void ready();
  void add(Metric);
  // `more_follow`: there is a next job, so that this result may wait; a millisecond at most, however long that job
  // takes.
  void add(JobResult, bool more_follow);
  void flush();

 private:
  void flush_late();
  void send_results();

  Channel& channel_;
  std::mutex mutex_;  // of everything below, and of sending
  std::condition_variable waiting_;
  ReportResults results_;
  std::size_t bytes_ = 0;
  std::uint64_t sent_ = 0;  // messages of results
  bool late_idle_ = true;   // the thread waits to be told that something waits
  std::thread late_;
};

}  // namespace ns::worker
