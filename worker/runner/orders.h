// Orders: the jobs that a runner holds, as they come from its supervisor, and the stops. A thread of its own reads
// them, so that a stop reaches a busy runner; it ends the process when the supervisor has gone.
//
// begin_next(), end() and stopped() are for the thread that runs jobs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "worker/leased_job.h"
#include "worker/runner/channel.h"
#include "worker/runner/progress.h"
#include "worker/runner/reports.h"

namespace ns::worker {

class Orders {
 public:
  // All three must last as long as the process.
  Orders(Channel&, Progress&, Reports&);

  // The next job, which has begun from now on. Waits until there is one and it may be begun.
  LeasedJob begin_next();
  bool end();  // of that job; whether another one is there
  bool stopped() const { return stopped_; }

 private:
  struct Order {
    std::uint64_t number = 0;
    LeasedJob leased;
  };

  void read();
  void take(Jobs);
  void take(const StopJob&);
  bool may_begin() const;

  Channel& channel_;
  Progress& progress_;
  Reports& reports_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Order> waiting_;
  std::uint64_t received_ = 0;
  JobId running_;  // empty: none
  std::uint64_t running_token_ = 0;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace ns::worker
