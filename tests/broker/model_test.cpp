// Thousands of random transitions, compared with a model of the queue small enough to be read at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/broker/scripts.h"

namespace ns::test {
namespace {

using Leased = Scripts::Leased;

struct ModelJob {
  enum State { ready, delayed, running, ended } state = ready;
  std::string token = "0";
  std::string worker;
  int attempt = 0;
  std::string final_state;
  std::string result;
};

struct ModelTask {
  int priority = 1;
  int workers = 1;
  int max_attempts = 1;
  bool over = false;
  ModelJob coordinator;
  std::map<int, ModelJob> trials;
  int requeued = 0;
  std::map<std::string, int> undone;  // ends of trials that a requeue undid, by state

  int running() const {
    return static_cast<int>(
        std::count_if(trials.begin(), trials.end(), [](const auto& t) { return t.second.state == ModelJob::running; }));
  }
  bool has_leasable() const {
    return !over && running() < workers &&
           std::any_of(trials.begin(), trials.end(), [](const auto& t) { return t.second.state == ModelJob::ready; });
  }
};

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    for (const char* worker : {"a", "b", "c"}) scripts_.hello(worker);
  }

  void step() {
    switch (pick(20)) {
      case 0:
        return submit();
      case 1:
      case 2:
      case 3:
        return enqueue();
      case 4:
        return expire();
      case 5:
        return pick(3) == 0 ? requeue() : promote();
      case 6:
        return pick(8) == 0 ? cancel() : pick(8) == 0 ? forget() : lease();
      case 7:
        return commit_stale();
      case 8:
        return pick(4) == 0 ? finish_task() : commit();
      case 9:
      case 10:
      case 11:
      case 12:
        return lease();
      default:
        return commit();
    }
  }

  // Everything that is stored agrees with the model.
  void compare() {
    std::map<int, int> depth;
    std::size_t running = 0, delayed = 0, jobs = 0;
    for (const auto& [id, task] : tasks_) {
      jobs += 1 + task.trials.size();
      std::map<std::string, int> finals;
      for (const auto& [number, trial] : task.trials) {
        const std::string key = "ns:job:" + id + "/" + std::to_string(number);
        const std::string expected = trial.state == ModelJob::ended     ? trial.final_state
                                     : trial.state == ModelJob::running ? "running"
                                                                        : "waiting";
        const Scripts::Stored stored = scripts_.stored(id + "/" + std::to_string(number));
        ASSERT_EQ(stored.state, expected) << key;
        ASSERT_EQ(stored.token, trial.token) << key;
        if (trial.state == ModelJob::ended) {
          ++finals[trial.final_state];
          ASSERT_EQ(scripts_.field(key, "result"), trial.result) << key;
        }
        depth[task.priority] += trial.state == ModelJob::ready ? 1 : 0;
        running += trial.state == ModelJob::running ? 1 : 0;
        delayed += trial.state == ModelJob::delayed ? 1 : 0;
      }
      running += task.coordinator.state == ModelJob::running ? 1 : 0;
      delayed += task.coordinator.state == ModelJob::delayed ? 1 : 0;
      for (const std::string state : {"succeeded", "failed", "early_stopped", "cancelled"}) {
        ASSERT_EQ(static_cast<int>(scripts_.events(id, "trial." + state).size()),
                  finals[state] + undone_of(task, state))
            << id << state;
        const std::string counter = scripts_.field("ns:task:" + id, "trials_" + state);
        ASSERT_EQ(counter.empty() ? 0 : std::stoi(counter), finals[state]) << id << state;
      }
      const auto events = scripts_.events(id);
      const auto ends = std::count_if(events.begin(), events.end(), [](const std::string& type) {
        return type == "task.done" || type == "task.failed" || type == "task.cancelled";
      });
      ASSERT_EQ(ends, task.requeued + (task.over ? 1 : 0)) << id;
    }
    ASSERT_EQ(scripts_.command({"KEYS", "ns:job:*"}).list().size(), jobs);
    for (int priority = 1; priority <= 3; ++priority) {
      const std::string stored = scripts_.field("ns:depth", std::to_string(priority));
      ASSERT_EQ(stored.empty() ? 0 : std::stoi(stored), depth[priority]);
    }
    ASSERT_EQ(scripts_.jobs_leased(), running);
    const auto open = std::count_if(tasks_.begin(), tasks_.end(), [](const auto& task) { return !task.second.over; });
    ASSERT_EQ(scripts_.command({"ZCOUNT", "ns:classes", open, open}).number(), 1u) << open << " of the only class";
    ASSERT_EQ(scripts_.command({"ZCARD", "ns:delayed"}).number(), delayed);
    std::size_t held = 0;
    for (const std::string worker : {"a", "b", "c"}) {
      held += scripts_.command({"ZCARD", "ns:worker:" + worker + ":jobs"}).number();
    }
    ASSERT_EQ(held, running);
  }

  void end_everything() {
    for (auto& [id, task] : tasks_) {
      if (!task.over) cancel(id, task);
    }
  }

 private:
  static int undone_of(const ModelTask& task, const std::string& state) {
    const auto found = task.undone.find(state);
    return found == task.undone.end() ? 0 : found->second;
  }

  std::size_t pick(std::size_t below) { return random_() % below; }
  std::string any_worker() { return std::string(1, static_cast<char>('a' + pick(3))); }

  ModelJob& job_of(const Leased& leased) {
    ModelTask& task = tasks_.at(leased.task);
    return leased.number.empty() ? task.coordinator : task.trials.at(std::stoi(leased.number));
  }

  void submit() {
    if (std::count_if(tasks_.begin(), tasks_.end(), [](const auto& t) { return !t.second.over; }) >= 5) return;
    ModelTask task;
    task.priority = 1 + static_cast<int>(pick(3));
    task.workers = 1 + static_cast<int>(pick(3));
    task.max_attempts = 1 + static_cast<int>(pick(3));
    tasks_[scripts_.submit(task.workers, task.priority, task.max_attempts)] = task;
  }

  void enqueue() {
    for (auto& [id, task] : tasks_) {
      if (task.coordinator.state != ModelJob::running || pick(2) == 0) continue;
      const int first = static_cast<int>(pick(30)), count = 1 + static_cast<int>(pick(5));
      int added = 0;
      for (int i = first; i < first + count; ++i) added += task.trials.emplace(i, ModelJob{}).second ? 1 : 0;
      ASSERT_EQ(scripts_.enqueue({id, id, "", task.coordinator.token, 0}, first, count), added);
    }
  }

  void lease() {
    const std::string worker = any_worker();
    const int compute = static_cast<int>(pick(4)), control = static_cast<int>(pick(2));
    const auto leased = scripts_.lease(worker, compute, control);
    int trials = 0, worst = 0;
    for (const Leased& one : leased) {
      ModelJob& job = job_of(one);
      ASSERT_EQ(job.state, ModelJob::ready) << one.job;
      ASSERT_FALSE(tasks_.at(one.task).over);
      ASSERT_GT(std::stoull(one.token), std::stoull(job.token));
      ASSERT_EQ(one.attempt, job.attempt + 1);
      job = {ModelJob::running, one.token, worker, one.attempt, "", ""};
      held_.push_back(one);
      if (one.number.empty()) continue;
      ++trials;
      worst = std::max(worst, tasks_.at(one.task).priority);
      ASSERT_LE(tasks_.at(one.task).running(), tasks_.at(one.task).workers);
    }
    ASSERT_LE(trials, compute);
    for (const auto& [id, task] : tasks_) {
      if (!task.has_leasable()) continue;
      ASSERT_EQ(trials, compute) << "credits were left while " << id << " had work";
      ASSERT_GE(task.priority, worst) << "a better priority waits";
    }
  }

  // What a report under the current token does.
  void apply(ModelTask& task, ModelJob& job, const std::string& outcome, const std::string& result) {
    if (outcome == "handed_back") {
      job.state = ModelJob::ready;
      --job.attempt;
    } else if (outcome == "crashed" && job.attempt < task.max_attempts) {
      job.state = ModelJob::delayed;
    } else {
      job.state = ModelJob::ended;
      job.final_state = outcome == "crashed" ? "failed" : outcome;
      job.result = outcome == "crashed" ? "" : result;
      if (&job == &task.coordinator) end_task(task);
    }
  }

  void end_task(ModelTask& task) {
    task.over = true;
    task.coordinator.state = ModelJob::ended;
    for (auto& [number, trial] : task.trials) {
      if (trial.state == ModelJob::ended) continue;
      trial.state = ModelJob::ended;
      trial.final_state = "cancelled";
      trial.result = "";
    }
  }

  std::string expected_status(const ModelTask& task, const ModelJob& job, const std::string& outcome) {
    if (outcome != "crashed") return "committed";
    return job.attempt < task.max_attempts ? "retrying" : "dead_lettered";
  }

  bool is_current(const Leased& leased) {
    const ModelJob& job = job_of(leased);
    return job.state == ModelJob::running && job.token == leased.token;
  }

  // Of a trial, mostly; the leases that a worker believes in may have ended long ago.
  void commit() {
    if (held_.empty()) return;
    const std::size_t index = pick(held_.size());
    const Leased leased = held_[index];
    if (leased.number.empty() && pick(10) != 0) return;
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    static const std::vector<std::string> kOutcomes{"succeeded", "succeeded",     "failed",
                                                    "crashed",   "early_stopped", "handed_back"};
    const std::string outcome = leased.number.empty() ? "crashed" : kOutcomes[pick(kOutcomes.size())];
    const bool current = is_current(leased);
    const std::string result = "{\"r\":" + std::to_string(pick(1000)) + "}";
    ModelTask& task = tasks_.at(leased.task);
    ModelJob& job = job_of(leased);
    const std::string worker = current ? job.worker : any_worker();
    const std::string status = scripts_.commit(worker, leased, outcome, result);
    if (!current) {
      ASSERT_EQ(status, "stale") << leased.job;
      return;
    }
    ASSERT_EQ(status, expected_status(task, job, outcome)) << leased.job;
    apply(task, job, outcome, result);
    ASSERT_EQ(scripts_.commit(worker, leased, outcome, "{\"other\":1}"), status) << "the same answer again";
  }

  void commit_stale() {
    if (held_.empty()) return;
    Leased leased = held_[pick(held_.size())];
    leased.token = std::to_string(std::stoull(leased.token) + (pick(2) == 0 ? 1 : -1));
    if (leased.token == job_of(leased).token) return;
    ASSERT_EQ(scripts_.commit(any_worker(), leased, "succeeded"), "stale");
  }

  void finish_task() {
    for (std::size_t i = 0; i < held_.size(); ++i) {
      const Leased leased = held_[i];
      if (!leased.number.empty() || !is_current(leased)) continue;
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
      ModelTask& task = tasks_.at(leased.task);
      const std::string outcome = pick(2) == 0 ? "succeeded" : "failed";
      ASSERT_EQ(scripts_.commit(task.coordinator.worker, leased, outcome), "committed");
      apply(task, task.coordinator, outcome, "{}");
      return;
    }
  }

  void expire() {
    if (held_.empty()) return;
    const Leased leased = held_[pick(held_.size())];
    if (!is_current(leased)) return;
    scripts_.hold_delayed();
    scripts_.expire(leased.job);
    apply(tasks_.at(leased.task), job_of(leased), "crashed", "");
  }

  void promote() {
    scripts_.make_due();
    for (auto& [id, task] : tasks_) {
      for (auto& [number, trial] : task.trials) {
        if (trial.state == ModelJob::delayed) trial.state = ModelJob::ready;
      }
      if (task.coordinator.state == ModelJob::delayed) task.coordinator.state = ModelJob::ready;
    }
  }

  // Dead letters: of trials while their task is open, and of task jobs.
  void requeue() {
    std::vector<std::string> jobs;
    const auto letters = scripts_.command({"ZRANGE", "ns:dead", "0", "-1"});
    for (const auto& letter : letters.list()) jobs.emplace_back(letter.text());
    if (jobs.empty()) return;
    const std::string job = jobs[pick(jobs.size())];
    const std::size_t slash = job.find('/');
    ModelTask& task = tasks_.at(job.substr(0, slash));
    const bool done = scripts_.call("requeue_dead", {job}).at(0).text().empty();
    ASSERT_EQ(done, slash == std::string::npos || !task.over) << job;
    if (!done) return;
    if (slash != std::string::npos) {
      begin_anew(task.trials.at(std::stoi(job.substr(slash + 1))));
      ++task.undone["failed"];
      return;
    }
    task.over = false;
    ++task.requeued;
    begin_anew(task.coordinator);
    for (auto& [number, trial] : task.trials) {
      if (trial.final_state != "cancelled") continue;
      begin_anew(trial);
      ++task.undone["cancelled"];
    }
  }

  void begin_anew(ModelJob& job) {
    job.state = ModelJob::ready;
    job.attempt = 0;
    job.final_state.clear();
  }

  // All tasks that have ended. What workers believe to hold of them is not known any more.
  void forget() {
    const broker::store::Arguments nothing_is_kept("50", "done", "0", "", "failed", "0", "", "cancelled", "0", "");
    while (scripts_.call("forget", nothing_is_kept).at(1).number() == 1) {
    }
    for (auto held = held_.begin(); held != held_.end();) {
      if (!tasks_.at(held->task).over) {
        ++held;
        continue;
      }
      ASSERT_EQ(scripts_.commit(any_worker(), *held, "succeeded"), "stale") << held->job;
      held = held_.erase(held);
    }
    std::erase_if(tasks_, [](const auto& task) { return task.second.over; });
  }

  void cancel() {
    for (auto& [id, task] : tasks_) {
      if (!task.over && pick(3) == 0) return cancel(id, task);
    }
  }
  void cancel(const std::string& id, ModelTask& task) {
    ASSERT_EQ(scripts_.call("cancel", {id}).number(), 1u);
    end_task(task);
  }

  std::mt19937 random_;
  Scripts scripts_;
  std::map<std::string, ModelTask> tasks_;
  std::vector<Leased> held_;  // what workers believe to hold
};

class ModelTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(ModelTest, random_transitions_agree_with_the_model) {
  Model model(GetParam());
  for (int step = 0; step < 4000; ++step) {
    ASSERT_NO_FATAL_FAILURE(model.step()) << "step " << step;
    if (step % 500 == 499) {
      ASSERT_NO_FATAL_FAILURE(model.compare()) << "step " << step;
    }
  }
  ASSERT_NO_FATAL_FAILURE(model.end_everything());
  ASSERT_NO_FATAL_FAILURE(model.compare());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Values(1u, 2u, 1978u));

}  // namespace
}  // namespace ns::test
