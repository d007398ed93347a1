// TaskQueue: what a coordinator needs of the broker for its one task. BrokerQueue asks the broker under the task job's
// token; tests have one of their own. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/messages.h"

namespace ns::api {
class Client;
}

namespace ns::worker {

class TaskQueue {
 public:
  virtual ~TaskQueue() = default;
  virtual TaskInfo task() = 0;
  virtual std::vector<TrialInfo> trials() = 0;
  virtual std::uint64_t now_ms() = 0;  // Redis time
  virtual void enqueue(const std::vector<NewTrial>&) = 0;
  // Events after `after` that a coordinator needs (how trials ended, what it wrote itself), waiting at most so long for
  // the first.
  virtual Events events(const std::string& after, std::uint32_t wait_ms) = 0;
  virtual void stop_trial(std::uint32_t number) = 0;
  virtual void append_event(const std::string& type, const std::string& body) = 0;
};

class BrokerQueue final : public TaskQueue {
 public:
  // A broker that cannot be reached is waited for, until `stopped` says so.
  BrokerQueue(api::Client& client, TaskId task, std::uint64_t token, std::function<bool()> stopped);

  TaskInfo task() override;
  std::vector<TrialInfo> trials() override;
  std::uint64_t now_ms() override;
  void enqueue(const std::vector<NewTrial>&) override;
  Events events(const std::string& after, std::uint32_t wait_ms) override;
  void stop_trial(std::uint32_t number) override;
  void append_event(const std::string& type, const std::string& body) override;

 private:
  api::Client& client_;
  TaskId task_;
  std::uint64_t token_;
  std::function<bool()> stopped_;
};

}  // namespace ns::worker
