// MemoryWatch: measures the memory of process trees on a thread of its own: on a machine with many processes that takes
// longer than a supervisor may keep quiet.
//
// For one thread, which asks and takes the answers.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "worker/slot.h"

namespace ns::worker {

class MemoryWatch {
 public:
  struct Use {
    Slot::MemoryUser user;
    std::uint64_t bytes = 0;
  };

  MemoryWatch();
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // What was measured since the last call; then measures these, unless it is at it still.
  std::vector<Use> exchange(std::vector<Slot::MemoryUser>);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot::MemoryUser> asked_;
  std::vector<Use> answers_;
  bool busy_ = false;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace ns::worker
