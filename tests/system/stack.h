// Stack: a private redis-server, brokers and workers in a folder of their own, and what the tests ask of a task's
// history.
//
// Owned by one test, used by its thread only. Everything is killed and removed with it.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/api/client.h"
#include "tests/support/processes.h"

namespace ns::testing {

using test::BrokerProcess;
using test::Process;
using test::RedisServer;
using test::TempFolder;

// One task's history as its events tell it, and the answers of get_task and get_trials to compare them with.
struct History {
  std::vector<Event> events;
  TaskInfo task;
  std::vector<TrialInfo> trials;

  std::string text() const;  // one line an event, for a failure's message
  std::size_t count(const std::string& type) const;
  const Event* find(const std::string& type, std::uint32_t trial) const;  // the first, or null
};

struct WorkerOptions {
  std::vector<std::string> brokers = {"a"};
  int slots = 1;
  std::vector<std::string> more;  // further arguments
};

// ns-worker; ready when the constructor returns.
struct Worker {
  explicit Worker(const std::vector<std::string>& words);

  Process process;
  const std::string id;
};

// All of an ended task.
History read_history(api::Client& client, const TaskId& task);

// A task file: an experiment that runs trial_program with these words; `more` is YAML that is added to it.
std::string experiment_file(const std::vector<std::string>& words, const std::string& more);
// Uploads the files that a task file names, relative to `folder`, and submits it.
TaskId submit_file(api::Client& client, const std::string& yaml, const std::filesystem::path& folder);

// Waits until the task has an event for which the condition holds; throws with the history when the task ends without
// one or two minutes pass.
Event wait_for_event(api::Client& client, const TaskId& task, const std::string& what,
                     const std::function<bool(const Event&)>& condition);
// Waits for the last event.
History wait_for_last_event(api::Client& client, const TaskId& task);

class Stack {
 public:
  Stack();

  const std::filesystem::path& folder() const { return folder_.path(); }

  BrokerProcess& start_broker(const std::string& name = "a");
  Worker& start_worker(const WorkerOptions& options = {});
  Worker& worker(const std::string& id);  // by the id that events name

  api::Client& client(const std::string& broker = "a");
  // Submits an experiment_file.
  TaskId submit(const std::vector<std::string>& words, const std::string& more, const std::string& broker = "a");

  // wait_for_event and wait_for_last_event, through the first broker.
  Event wait_for(const TaskId& task, const std::string& what, const std::function<bool(const Event&)>& condition);
  History wait_for_end(const TaskId& task);

 private:
  TempFolder folder_;
  RedisServer redis_;
  std::map<std::string, std::unique_ptr<BrokerProcess>> brokers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::string, std::unique_ptr<api::Client>> clients_;
};

// Holds back every trial that runs `trial_program hold <file>` until it is opened.
class Gate {
 public:
  explicit Gate(const std::filesystem::path& file);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open();
  std::string file() const { return file_; }

 private:
  std::string file_;
  int descriptor_ = -1;
};

// What must hold of every task that has ended, whatever happened on the way: each trial was enqueued once and ended
// exactly once, nothing follows an end, the task has exactly one final event and it is the last, every attempt is
// accounted for, and get_task and get_trials say the same as the events.
void expect_every_trial_ended_once(const History&);

std::filesystem::path binary(const std::string& name);  // in the build's bin folder

}  // namespace ns::testing
