#include "tests/system/stack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "common/id.h"
#include "common/task_spec.h"

namespace ns::testing {

namespace {

using Json = nlohmann::json;

const std::set<std::string> kTrialEnds = {"trial.succeeded", "trial.failed", "trial.early_stopped", "trial.cancelled"};
const std::set<std::string> kTaskEnds = {"task.done", "task.failed", "task.cancelled"};

}  // namespace

std::filesystem::path binary(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

std::string History::text() const {
  std::string lines;
  for (const Event& event : events) {
    lines += event.id + " " + event.type + " trial " + std::to_string(event.trial) + " attempt " +
             std::to_string(event.attempt) + " " + event.worker + " " + event.body.substr(0, 300) + "\n";
  }
  return lines;
}

std::size_t History::count(const std::string& type) const {
  std::size_t found = 0;
  for (const Event& event : events) found += event.type == type;
  return found;
}

const Event* History::find(const std::string& type, std::uint32_t trial) const {
  for (const Event& event : events) {
    if (event.type == type && event.trial == trial) return &event;
  }
  return nullptr;
}

History read_history(api::Client& client, const TaskId& task) {
  History history;
  ReadEvents request;
  request.task = task;
  // One more round after the last event: there must be none.
  for (bool ended = false; !ended;) {
    const Events events = client.read_events(request);
    ended = events.ended && events.events.empty();
    history.events.insert(history.events.end(), events.events.begin(), events.events.end());
    if (!events.events.empty()) request.after = events.events.back().id;
  }
  history.task = client.get_task(task);
  history.trials = client.all_trials(task);
  return history;
}

std::string experiment_file(const std::vector<std::string>& words, const std::string& more) {
  std::vector<std::string> command = {binary("trial_program")};
  command.insert(command.end(), words.begin(), words.end());
  return "kind: experiment\ncommand: " + Json(command).dump() +
         "\nsearch_space: {x: {_type: uniform, _value: [0, 1]}}\nseed: 3\n" + more;
}

TaskId submit_file(api::Client& client, const std::string& yaml, const std::filesystem::path& folder) {
  const TaskFile file = parse_task(yaml, folder);
  std::vector<std::string> artifacts;
  for (const FileField& field : file.files) artifacts.push_back(client.put_artifact(field.file).text);
  SubmitTask request;
  request.task = make_task_id();
  request.kind = file.kind;
  request.spec = with_artifacts(file, artifacts);
  request.name = file.name;
  request.priority = file.priority;
  request.workers = file.workers;
  request.max_attempts = file.max_attempts;
  request.timeout_ms = static_cast<std::uint64_t>(file.timeout.count());
  client.submit(request);
  return request.task;
}

Event wait_for_event(api::Client& client, const TaskId& task, const std::string& what,
                     const std::function<bool(const Event&)>& condition) {
  History history;
  ReadEvents request;
  request.task = task;
  request.wait_ms = 1000;
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (;;) {
    const Events events = client.read_events(request);
    for (const Event& event : events.events) {
      if (condition(event)) return event;
      history.events.push_back(event);
      request.after = event.id;
    }
    if (events.ended || std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("waited in vain for " + what + ":\n" + history.text());
    }
  }
}

History wait_for_last_event(api::Client& client, const TaskId& task) {
  wait_for_event(client, task, "the end of the task",
                 [](const Event& event) { return kTaskEnds.count(event.type) > 0; });
  return read_history(client, task);
}

Worker::Worker(const std::vector<std::string>& words)
    : process(words), id([this] {
        const std::string start = "ns-worker ready ";
        return process.wait_for_line(start).substr(start.size());
      }()) {}

Stack::Stack() : redis_(folder_.path(), true) { std::filesystem::create_directories(folder() / "artifacts"); }

BrokerProcess& Stack::start_broker(const std::string& name) {
  // The lease is long enough for a busy machine and short enough to be waited for.
  const std::vector<std::string> options = {"--lease", "4000", "--heartbeat", "300"};
  brokers_[name] = std::make_unique<BrokerProcess>(folder(), redis_.address(), options, "broker-" + name);
  return *brokers_[name];
}

Worker& Stack::start_worker(const WorkerOptions& options) {
  const std::string cache = folder() / ("cache-" + std::to_string(workers_.size()));
  std::vector<std::string> words = {
      binary("ns-worker"), "--cpus", "0",           "--slots", std::to_string(options.slots),
      "--cache",           cache,    "--log-level", "warning"};
  for (const std::string& broker : options.brokers) {
    words.insert(words.end(), {"--broker", brokers_.at(broker)->endpoint()});
  }
  words.insert(words.end(), options.more.begin(), options.more.end());
  return *workers_.emplace_back(std::make_unique<Worker>(words));
}

Worker& Stack::worker(const std::string& id) {
  for (auto& worker : workers_) {
    if (worker->id == id) return *worker;
  }
  throw std::runtime_error("no worker " + id);
}

api::Client& Stack::client(const std::string& broker) {
  auto& client = clients_[broker];
  if (!client) {
    api::ClientOptions options;
    options.endpoints = {brokers_.at(broker)->endpoint()};
    options.deadline = std::chrono::seconds(60);
    client = std::make_unique<api::Client>(options);
  }
  return *client;
}

TaskId Stack::submit(const std::vector<std::string>& words, const std::string& more, const std::string& broker) {
  return submit_file(client(broker), experiment_file(words, more), folder());
}

Event Stack::wait_for(const TaskId& task, const std::string& what, const std::function<bool(const Event&)>& condition) {
  return wait_for_event(client(), task, what, condition);
}

History Stack::wait_for_end(const TaskId& task) { return wait_for_last_event(client(), task); }

Gate::Gate(const std::filesystem::path& file) : file_(file) {
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0 || flock(descriptor_, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + file_);
}

Gate::~Gate() { open(); }

void Gate::open() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

namespace {

// What the events say of one trial.
struct Life {
  int enqueued = 0;
  int ended = 0;
  int dead = 0;
  std::string last;
  std::uint32_t attempt = 0;  // the highest started
};

void expect_answers_agree(const History& history, const std::map<std::uint32_t, Life>& lives) {
  EXPECT_EQ(history.trials.size(), lives.size()) << history.text();
  std::map<std::string, std::uint32_t> states;
  for (const TrialInfo& trial : history.trials) {
    ++states[std::string(to_text(trial.state))];
    const auto life = lives.find(trial.number);
    ASSERT_NE(life, lives.end()) << "trial " << trial.number << " has no events\n" << history.text();
    EXPECT_EQ("trial." + std::string(to_text(trial.state)), life->second.last) << "trial " << trial.number;
  }
  const TaskInfo& task = history.task;
  EXPECT_EQ("task." + std::string(to_text(task.state)), history.events.back().type);
  EXPECT_EQ(task.trials_waiting, 0u);
  EXPECT_EQ(task.trials_running, 0u);
  EXPECT_EQ(task.trials_succeeded, states["succeeded"]);
  EXPECT_EQ(task.trials_failed, states["failed"]);
  EXPECT_EQ(task.trials_cancelled, states["cancelled"]);
  EXPECT_EQ(task.trials_early_stopped, states["early_stopped"]);
}

}  // namespace

void expect_every_trial_ended_once(const History& history) {
  ASSERT_FALSE(history.events.empty());
  std::map<std::uint32_t, Life> lives;
  std::size_t task_ends = 0;
  for (const Event& event : history.events) {
    task_ends += kTaskEnds.count(event.type);
    if (event.type.compare(0, 6, "trial.") != 0) continue;
    Life& life = lives[event.trial];
    // A metric is best effort and may come late; nothing else may follow an end.
    EXPECT_TRUE(life.ended == 0 || event.type == "trial.metric")
        << event.type << " of trial " << event.trial << " after its end\n"
        << history.text();
    life.enqueued += event.type == "trial.enqueued";
    life.dead += event.type == "trial.dead";
    if (event.type == "trial.started") life.attempt = std::max(life.attempt, event.attempt);
    if (kTrialEnds.count(event.type) > 0) {
      ++life.ended;
      life.last = event.type;
    }
  }
  for (const auto& [number, life] : lives) {
    EXPECT_EQ(life.enqueued, 1) << "trial " << number << "\n" << history.text();
    EXPECT_EQ(life.ended, 1) << "trial " << number << "\n" << history.text();
    EXPECT_LE(life.dead, 1) << "trial " << number << "\n" << history.text();
    if (life.last == "trial.succeeded") {
      EXPECT_GE(life.attempt, 1u) << "trial " << number << "\n" << history.text();
    }
  }
  EXPECT_EQ(task_ends, 1u) << history.text();
  EXPECT_EQ(kTaskEnds.count(history.events.back().type), 1u) << history.text();
  expect_answers_agree(history, lives);
}

}  // namespace ns::testing
