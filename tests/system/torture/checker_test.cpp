// The checker finds what is wrong in histories made for it, and nothing in one where all is well.
#include "tests/system/torture/checker.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/system/torture/journal.h"
#include "tests/system/torture/plan.h"

namespace ns::torture {
namespace {

// One simulated task that ended well: `starts` of its trials in ms, each done one ms later by worker w.
class Story {
 public:
  Evidence evidence;

  void add(const std::string& task, const std::vector<std::uint64_t>& starts, std::uint32_t priority = 1,
           std::uint32_t workers = 4) {
    Submission& submission = evidence.submissions[task];
    submission.kind = kSimulatedKind;
    submission.priority = priority;
    submission.workers = workers;
    submission.trials = static_cast<std::uint32_t>(starts.size());
    submission.end = "succeed";
    submission.acknowledged = true;
    TaskRecord& record = evidence.tasks[task];
    record.info.task = {task};
    record.info.kind = kSimulatedKind;
    record.info.priority = priority;
    record.info.workers = workers;
    record.info.state = TaskState::done;
    record.info.trials_succeeded = submission.trials;
    record.info.result = lease(task, 1, 1);
    event(task, "task.submitted", 1);
    event(task, "task.started", 1, 0, 1, "w");
    for (std::uint32_t i = 0; i < starts.size(); ++i) event(task, "trial.enqueued", 2, i);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
    for (std::uint32_t i = 0; i < starts.size(); ++i) order.push_back({starts[i], i});
    std::sort(order.begin(), order.end());
    for (const auto& [at, number] : order) {
      const std::string result = lease(task + "/" + std::to_string(number), at, 1);
      event(task, "trial.started", at, number, 1, "w");
      event(task, "trial.succeeded", at + 1, number, 1, "w", result);
    }
    for (std::uint32_t i = 0; i < starts.size(); ++i) {
      TrialInfo trial;
      trial.number = i;
      trial.state = TrialState::succeeded;
      trial.attempt = 1;
      trial.worker = "w";
      trial.result = lease_result(starts[i]);
      record.trials.push_back(trial);
    }
    event(task, "task.done", 1000);
  }

  TaskRecord& record(const std::string& task) { return evidence.tasks.at(task); }

  void event(const std::string& task, const std::string& type, std::uint64_t ms, std::uint32_t trial = 0,
             std::uint32_t attempt = 0, const std::string& worker = {}, const std::string& body = {}) {
    Event event;
    event.id = std::to_string(++last_event_);
    event.type = type;
    event.time_ms = ms;
    event.trial = trial;
    event.attempt = attempt;
    event.worker = worker;
    event.body = body;
    record_events(task).push_back(event);
  }

  // The event of this type of this trial.
  Event& find(const std::string& task, const std::string& type, std::uint32_t trial = 0) {
    auto& events = record_events(task);
    return *std::find_if(events.begin(), events.end(),
                         [&](const Event& one) { return one.type == type && one.trial == trial; });
  }
  void erase(const std::string& task, const std::string& type, std::uint32_t trial = 0) {
    auto& events = record_events(task);
    events.erase(std::find_if(events.begin(), events.end(),
                              [&](const Event& one) { return one.type == type && one.trial == trial; }));
  }

  void entry(const std::string& what, const std::string& job, std::uint64_t token, const std::string& outcome = {},
             const std::string& status = {}) {
    WorkerEntry entry;
    entry.worker = "w";
    entry.what = what;
    entry.job = job;
    entry.token = token;
    entry.attempt = 1;
    entry.outcome = outcome;
    entry.status = status;
    evidence.worker_entries.push_back(entry);
  }

  std::vector<std::string> broken() const {
    std::vector<std::string> promises;
    for (const Violation& violation : check(evidence)) promises.push_back(violation.promise);
    std::sort(promises.begin(), promises.end());
    promises.erase(std::unique(promises.begin(), promises.end()), promises.end());
    return promises;
  }

 private:
  static std::string lease_result(std::uint64_t token) {
    return Json{{"worker", "w"}, {"token", token}, {"attempt", 1}}.dump();
  }
  std::string lease(const std::string& job, std::uint64_t token, int) {
    entry("got", job, token);
    entry("report", job, token, "succeeded");
    entry("answer", job, token, {}, "committed");
    return lease_result(token);
  }
  std::vector<Event>& record_events(const std::string& task) { return evidence.tasks.at(task).events; }

  int last_event_ = 0;
};

using Promises = std::vector<std::string>;

TEST(Checker, finds_nothing_where_all_is_well) {
  Story story;
  story.add("A", {10, 11, 12});
  story.add("B", {20, 21}, 2);
  EXPECT_EQ(story.broken(), Promises{});
}

TEST(Checker, misses_an_acknowledged_task_that_is_not_there) {
  Story story;
  story.add("A", {10});
  story.evidence.submissions["B"].acknowledged = true;
  story.evidence.submissions["C"].acknowledged = false;  // nobody was promised anything
  EXPECT_EQ(story.broken(), Promises{"lost"});
}

TEST(Checker, misses_the_end_of_a_trial) {
  Story story;
  story.add("A", {10, 11});
  story.erase("A", "trial.succeeded", 1);
  EXPECT_EQ(story.broken(), (Promises{"accounts", "lost"}));
}

TEST(Checker, sees_a_second_end) {
  Story story;
  story.add("A", {10, 11});
  auto& events = story.record("A").events;
  const Event again = story.find("A", "trial.succeeded", 0);
  events.insert(events.end() - 1, again);
  EXPECT_EQ(story.broken(), Promises{"ended once"});
}

TEST(Checker, sees_a_result_that_a_lost_lease_made) {
  Story story;
  story.add("A", {10, 11});
  story.entry("got", "A/1", 500);  // a newer lease than that of the result
  const Promises broken = story.broken();
  EXPECT_EQ(broken, Promises{"stale"});
}

TEST(Checker, sees_two_leases_at_once) {
  Story story;
  story.add("A", {10, 11});
  auto& events = story.record("A").events;
  Event other = story.find("A", "trial.started", 1);
  other.worker = "v";
  other.attempt = 1;
  events.insert(std::find_if(events.begin(), events.end(),
                             [](const Event& one) { return one.type == "trial.succeeded" && one.trial == 1; }),
                other);
  const Promises broken = story.broken();
  EXPECT_TRUE(std::count(broken.begin(), broken.end(), "stale")) << "the result is not of the last lease";
}

TEST(Checker, sees_an_attempt_too_many) {
  Story story;
  story.add("A", {10});
  story.find("A", "trial.started").attempt = 4;
  const Promises broken = story.broken();
  EXPECT_TRUE(std::count(broken.begin(), broken.end(), "attempts"));
}

TEST(Checker, sees_a_start_after_an_acknowledged_cancel) {
  Story story;
  story.add("A", {10, 50});
  story.evidence.submissions["A"].cancel_sent = true;
  story.evidence.submissions["A"].cancelled_us = 30'000;
  EXPECT_EQ(story.broken(), Promises{"cancelled"});
}

TEST(Checker, sees_more_trials_at_once_than_a_task_may_run) {
  Story story;
  story.add("A", {10, 20, 30}, 1, 1);
  auto& events = story.record("A").events;
  const Event early = story.find("A", "trial.started", 1);
  story.erase("A", "trial.started", 1);
  events.insert(std::find_if(events.begin(), events.end(),
                             [](const Event& one) { return one.type == "trial.succeeded" && one.trial == 0; }),
                early);
  EXPECT_EQ(story.broken(), Promises{"limit"});
}

TEST(Checker, sees_a_less_urgent_trial_that_goes_first) {
  Story story;
  story.add("A", {10, 40}, 1);
  story.add("B", {20, 50}, 2);
  EXPECT_EQ(story.broken(), Promises{"priority"});
}

TEST(Checker, sees_a_task_that_gets_two_turns_while_another_waits) {
  Story story;
  story.add("A", {10, 12, 30}, 1);
  story.add("B", {11, 20, 25, 40}, 1);  // 20 and 25, while A waits
  EXPECT_EQ(story.broken(), Promises{"fairness"});
}

TEST(Checker, sees_a_later_trial_that_starts_first) {
  Story story;
  story.add("A", {20, 10});
  EXPECT_EQ(story.broken(), Promises{"order"});
}

TEST(Checker, sees_that_what_a_client_saw_has_changed) {
  Story story;
  story.add("A", {10});
  story.evidence.sightings.push_back({"A", 0, "failed", ""});
  EXPECT_EQ(story.broken(), Promises{"changed"});
}

TEST(Checker, sees_that_a_worker_was_told_committed_and_it_was_not) {
  Story story;
  story.add("A", {10});
  story.evidence.worker_entries.push_back(story.evidence.worker_entries.back());
  story.evidence.worker_entries.back().status = "stale";
  EXPECT_EQ(story.broken(), Promises{"answer"});
}

TEST(Checker, misses_the_dead_letter_of_what_was_given_up) {
  Story story;
  story.add("A", {10});
  auto& events = story.record("A").events;
  Event dead = story.find("A", "trial.succeeded");
  dead.type = "trial.dead";
  dead.body = R"({"reasons": ["attempt 1 on w: gone"]})";
  Event& end = story.find("A", "trial.succeeded");
  end.type = "trial.failed";
  events.insert(std::find_if(events.begin(), events.end(), [](const Event& one) { return one.type == "trial.failed"; }),
                dead);
  TaskRecord& record = story.record("A");
  record.trials[0].state = TrialState::failed;
  record.info.trials_succeeded = 0;
  record.info.trials_failed = 1;
  story.evidence.worker_entries[5].status = "retrying";
  EXPECT_EQ(story.broken(), Promises{"dead letter"});
  story.evidence.dead["A/0"] = {"attempt 1 on w: gone"};
  story.evidence.queue.dead = 1;
  EXPECT_EQ(story.broken(), Promises{});
}

TEST(Checker, judges_a_task_that_cannot_be_read_by_its_history) {
  Story story;
  story.add("A", {10, 20});
  story.erase("A", "trial.succeeded", 1);
  story.record("A").trials.clear();
  story.record("A").unread = "a counter is no number";
  EXPECT_EQ(story.broken(), (std::vector<std::string>{"accounts", "lost"}));
}

TEST(Checker, asks_for_work) {
  const std::map<std::string, std::uint64_t> busy = {
      {"trials succeeded", 1000}, {"tasks done", 10}, {"retries", 5}, {"sightings compared", 3}};
  EXPECT_TRUE(check_work(busy, 20).empty());
  EXPECT_EQ(check_work({}, 20).size(), 4u);
  EXPECT_EQ(check_work(busy, 10'000).size(), 1u);
}

TEST(Checker, sees_what_is_left_in_the_queue) {
  Story story;
  story.add("A", {10});
  story.evidence.queue.leased = 1;
  story.evidence.leftovers = {"ns:delayed is left (zset)"};
  EXPECT_EQ(story.broken(), Promises{"accounts"});
}

}  // namespace
}  // namespace ns::torture
