// Progress: a page of memory that a supervisor shares with its runner: what the runner is at, known even when it has
// died and no message comes any more, and until when it may begin jobs that it holds.
//
// Both count the jobs of one runner from 1, in the order in which they were sent. Each field has one writer; any thread
// may read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace ns::worker {

// Time that goes on while this machine sleeps and while this process is stopped: leases do, too.
std::chrono::nanoseconds boot_time();
std::chrono::nanoseconds steady_time();  // the same in every process of this machine

struct Progress {
  // The runner's
  std::atomic<std::uint64_t> begun{0};    // number of the job that it began last
  std::atomic<std::int64_t> begun_at{0};  // steady_time() in ns
  std::atomic<std::uint64_t> ended{0};    // jobs that it has run
  std::atomic<std::int64_t> spent{0};     // ns, in those
  // The supervisor's
  std::atomic<std::int64_t> begin_until{0};  // boot_time() in ns; from then on nothing is begun
};

class SharedProgress {
 public:
  SharedProgress();                         // a new page; Error(unavailable)
  explicit SharedProgress(int descriptor);  // the page behind it, which it takes over
  ~SharedProgress();
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;

  int descriptor() const { return descriptor_; }
  Progress* operator->() const { return page_; }
  Progress& operator*() const { return *page_; }

 private:
  void map();

  int descriptor_ = -1;
  Progress* page_ = nullptr;
};

}  // namespace ns::worker
