#include "tests/bench/queue/coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/limits.h"
#include "tests/bench/queue/payload.h"

namespace ns::bench {
namespace {

using Seconds = std::chrono::duration<double>;
using namespace std::chrono_literals;

constexpr std::uint32_t kTrialsInMessage = 256;
constexpr std::uint32_t kMostEnqueues = 4;  // messages under way: Redis is kept busy, the broker's memory small
constexpr std::chrono::milliseconds kStandstill{60'000};
constexpr std::uint32_t kEventsInReply = 1024;
constexpr std::uint32_t kMostSubmissions = 256;  // under way

const std::vector<std::string> kEnds{"trial.succeeded", "trial.failed", "trial.early_stopped", "trial.cancelled"};

}  // namespace

Coordinator::Coordinator(const std::string& endpoint, const net::PeerKeys& client, const net::PeerKeys& worker)
    : client_(context_, endpoint, client),
      link_(context_, endpoint, worker),
      id_{"bench-client-" + std::to_string(::getpid())},
      parameters_(json_of(kParametersBytes)) {
  Hello hello;
  hello.worker = id_;
  hello.host = "bench";
  hello.pid = static_cast<std::uint32_t>(::getpid());
  hello.kinds = {kTaskKind};
  hello.control_slots = 1;
  link_.send(hello);
  const auto welcome = link_.expect<Welcome>();
  heartbeat_ = std::chrono::milliseconds(welcome.heartbeat_ms);
  next_heartbeat_ = steady_clock().now() + heartbeat_;
  pull_.worker = id_;
  pull_.session = welcome.session;
}

void Coordinator::submit_one(const TaskId& id, std::uint32_t priority) {
  SubmitTask submit;
  submit.task = id;
  submit.kind = kTaskKind;
  submit.spec = kTaskSpec;
  submit.name = "bench";
  submit.priority = priority;
  submit.workers = limits::kMaxTaskWorkers;
  client_.send(submit);
}

void Coordinator::submit(std::uint32_t tasks, std::uint32_t priority) {
  std::uint32_t sent = 0;
  for (std::uint32_t accepted = 0; accepted < tasks; ++accepted) {
    for (; sent < tasks && sent - accepted < kMostSubmissions; ++sent) submit_one(make_task_id(), priority);
    client_.expect<TaskAccepted>();
    renew_leases_when_due();
  }
}

std::vector<Coordinator::Task> Coordinator::take_tasks(std::uint32_t tasks, std::uint32_t priority) {
  submit(tasks, priority);
  pull_.control_credits += tasks;
  link_.send(pull_);
  std::vector<Task> taken;
  while (taken.size() < tasks) {
    const Received received = next();
    if (!received.is<Jobs>()) {
      take(received);
      continue;
    }
    for (const Job& job : received.as<Jobs>().jobs) {
      Task task;
      task.id = job.task;
      task.token = job.token;
      held_.push_back({job.job, job.token});
      taken.push_back(std::move(task));
    }
  }
  return taken;
}

void Coordinator::open(std::uint32_t tasks, std::uint32_t priority) {
  for (Task& task : take_tasks(tasks, priority)) {
    ids_.push_back(task.id);
    tasks_.push_back(std::move(task));
  }
}

void Coordinator::open_beside(std::uint32_t tasks, std::uint32_t priority, std::uint32_t trials_each) {
  for (Task& task : take_tasks(tasks, priority)) {
    for (std::uint32_t left = trials_each; left > 0;) left -= send_trials(task, left);
    while (enqueues_under_way_ > 0) take(next());
  }
}

void Coordinator::enqueue(std::uint32_t trials) {
  while (trials > 0 || enqueues_under_way_ > 0) {
    while (trials > 0 && enqueues_under_way_ < kMostEnqueues) {
      trials -= send_trials(tasks_.at(turn_++ % tasks_.size()), trials);
    }
    take(next());
  }
}

void Coordinator::skip_history() {
  link_.send(Ping{});
  const std::string now = std::to_string(link_.expect<Pong>().now_ms) + "-0";  // an event's id
  for (Task& task : tasks_) task.after = now;
}

double Coordinator::run(std::uint32_t trials, std::uint32_t window) { return pump(trials, window, trials); }

double Coordinator::pump(std::uint32_t trials, std::uint32_t window, std::uint32_t results) {
  for (Task& task : tasks_) read_on(task);
  const auto begin = steady_clock().now();
  const std::uint64_t first = results_;
  std::uint32_t sent = 0;
  while (results_ < first + results) {
    while (sent < trials && enqueues_under_way_ < kMostEnqueues) {
      const auto open = static_cast<std::uint32_t>(sent - std::min<std::uint64_t>(results_ - first, sent));
      const std::uint32_t most = std::min(trials - sent, window - std::min(open, window));
      // Small messages would cost more than they win: wait until there is room for a whole one.
      if (most == 0 || (open > 0 && most < std::min(kTrialsInMessage, trials - sent))) break;
      sent += send_trials(tasks_.at(turn_++ % tasks_.size()), most);
    }
    take(next());
  }
  return Seconds(steady_clock().now() - begin).count();
}

// Returns how many it sent.
std::uint32_t Coordinator::send_trials(Task& task, std::uint32_t most) {
  const std::uint32_t count = std::min({most, kTrialsInMessage, limits::kMaxTrials - task.next});
  if (count == 0) throw std::runtime_error("the bench's tasks are full: give it more of them");
  EnqueueTrials enqueue{task.id, task.token, {}};
  enqueue.trials.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) enqueue.trials.push_back({task.next++, parameters_, 0, 0});
  task.ended.resize(task.next);
  link_.send(enqueue);
  ++enqueues_under_way_;
  return count;
}

void Coordinator::read_on(Task& task) {
  if (task.reading) return;
  task.reading = true;
  ReadEvents read;
  read.task = task.id;
  read.after = task.after;
  read.limit = kEventsInReply;
  read.wait_ms = 30'000;
  read.types = kEnds;
  questions_[link_.send(read)] = static_cast<std::size_t>(&task - tasks_.data());
}

void Coordinator::take(const Received& received) {
  if (received.is<TrialsEnqueued>()) --enqueues_under_way_;
  if (!received.is<Events>()) return;
  const auto question = questions_.find(received.header.request);
  Task& task = tasks_.at(question->second);
  questions_.erase(question);
  take(task, received.as<Events>());
}

void Coordinator::take(Task& task, const Events& events) {
  task.after = events.next;
  task.reading = false;
  read_on(task);  // before counting: the next reading is under way meanwhile
  for (const Event& event : events.events) {
    if (event.type != "trial.succeeded") {
      throw std::runtime_error("trial " + std::to_string(event.trial) + " ended as " + event.type + ": " + event.body);
    }
    if (event.body.empty() || task.ended.at(event.trial)) {
      throw std::runtime_error("trial " + std::to_string(event.trial) + " ended twice, or without a result");
    }
    task.ended[event.trial] = true;
    ++results_;
  }
}

void Coordinator::renew_leases_when_due() {
  if (held_.empty() || steady_clock().now() < next_heartbeat_) return;
  next_heartbeat_ = steady_clock().now() + heartbeat_;
  Heartbeat heartbeat;
  heartbeat.worker = id_;
  heartbeat.session = pull_.session;
  for (std::size_t first = 0; first < held_.size(); first += limits::kMaxBatch) {
    const auto last = std::min(first + limits::kMaxBatch, held_.size());
    heartbeat.jobs.assign(held_.begin() + static_cast<std::ptrdiff_t>(first),
                          held_.begin() + static_cast<std::ptrdiff_t>(last));
    heartbeat.control_busy = static_cast<std::uint32_t>(held_.size());
    link_.send(heartbeat);
  }
}

Received Coordinator::next() {
  const auto deadline = steady_clock().now() + kStandstill;
  for (;;) {
    renew_leases_when_due();
    if (auto received = link_.receive()) return std::move(*received);
    link_.wait(std::chrono::ceil<std::chrono::milliseconds>(next_heartbeat_ - steady_clock().now()));
    if (steady_clock().now() > deadline) throw std::runtime_error("the queue stands still");
  }
}

}  // namespace ns::bench
