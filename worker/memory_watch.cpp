#include "worker/memory_watch.h"

#include <utility>

#include "worker/runner/process_tree.h"

namespace ns::worker {

MemoryWatch::MemoryWatch() : thread_([this] { run(); }) {}

MemoryWatch::~MemoryWatch() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::vector<MemoryWatch::Use> MemoryWatch::exchange(std::vector<Slot::MemoryUser> users) {
  const std::lock_guard lock(mutex_);
  if (!busy_ && !users.empty()) {
    asked_ = std::move(users);
    busy_ = true;
    changed_.notify_one();
  }
  return std::exchange(answers_, {});
}

void MemoryWatch::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || busy_; });
    if (ends_) return;
    const std::vector<Slot::MemoryUser> users = std::exchange(asked_, {});
    lock.unlock();
    std::vector<pid_t> roots;
    for (const Slot::MemoryUser& user : users) roots.push_back(user.process);
    const std::vector<std::uint64_t> bytes = resident_bytes_of_trees(roots);
    lock.lock();
    for (std::size_t index = 0; index < users.size(); ++index) answers_.push_back({users[index], bytes[index]});
    busy_ = false;
  }
}

}  // namespace ns::worker
