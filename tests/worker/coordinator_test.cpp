#include "worker/coordinator/coordinator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "common/limits.h"
#include "tests/worker/workbench.h"

namespace ns::worker {
namespace {

using nlohmann::json;

TrialInfo succeeded_with_most(TrialInfo trial) {
  trial.state = TrialState::succeeded;
  trial.result = json{{"metrics", {{"default", 1e9}}}}.dump();
  return trial;
}

// A broker with one task in memory. Every look at the events ends one more trial, so no time passes anywhere.
class FakeQueue final : public TaskQueue {
 public:
  using Judge = std::function<TrialInfo(const TrialInfo&)>;
  explicit FakeQueue(Judge judge) : judge_(std::move(judge)) { append("task.submitted", 0, "{}"); }

  TaskInfo task() override {
    TaskInfo info;
    info.started_ms = 1000;
    return info;
  }
  std::vector<TrialInfo> trials() override {
    std::vector<TrialInfo> all;
    for (const auto& [number, trial] : trials_) all.push_back(trial);
    return all;
  }
  std::uint64_t now_ms() override { return now; }
  void enqueue(const std::vector<NewTrial>& fresh) override {
    rounds.push_back(fresh.size());
    for (const NewTrial& trial : fresh) {
      EXPECT_FALSE(trials_.contains(trial.number)) << "enqueued twice: " << trial.number;
      trials_[trial.number].number = trial.number;
      trials_[trial.number].parameters = trial.parameters;
      limits = trial;
    }
  }
  Events events(const std::string& after, std::uint32_t wait_ms) override {
    if (wait_ms > 0 && ++looks > die_at_look) throw Error(ErrorCode::stale, "the lease has ended");
    if (wait_ms > 0) end_one();
    Events news;
    std::size_t next = std::stoul(after);
    for (const std::size_t end = std::min(next + 7, events_.size()); next < end; ++next) {
      if (events_[next].type != "trial.metric") news.events.push_back(events_[next]);
    }
    news.next = std::to_string(next);
    return news;
  }
  void stop_trial(std::uint32_t number) override {
    TrialInfo& trial = trials_.at(number);
    if (is_final(trial.state)) return;
    trial.state = TrialState::early_stopped;
    append("trial.early_stopped", number, R"({"error": "stopped"})");
  }
  void append_event(const std::string& type, const std::string& body) override { append(type, 0, body); }

  // The last waiting one first: the order of arrival must not matter.
  void end_one() {
    for (auto entry = trials_.rbegin(); entry != trials_.rend(); ++entry) {
      TrialInfo& trial = entry->second;
      if (is_final(trial.state)) continue;
      trial = judge_(trial);
      const bool succeeded = trial.state == TrialState::succeeded;
      append(succeeded ? "trial.succeeded" : "trial.failed", trial.number,
             succeeded ? trial.result : json{{"error", trial.error}}.dump());
      return;
    }
  }

  // The task failed, and was requeued.
  void cancel_and_requeue_the_rest() {
    for (auto& [number, trial] : trials_) {
      if (!is_final(trial.state)) append("trial.cancelled", number, R"({"error": "the task ended"})");
    }
    for (auto& [number, trial] : trials_) {
      if (!is_final(trial.state)) append("trial.requeued", number, "");
    }
  }
  // A dead trial was requeued, and succeeds now.
  void end_again(std::uint32_t number) {
    append("trial.requeued", number, "");
    trials_.at(number) = succeeded_with_most(trials_.at(number));
    append("trial.succeeded", number, trials_.at(number).result);
  }

  std::vector<std::string> bodies(const std::string& type) const {
    std::vector<std::string> found;
    for (const Event& event : events_) {
      if (event.type == type) found.push_back(event.body);
    }
    return found;
  }

  std::uint64_t now = 2000;
  int looks = 0, die_at_look = 1 << 30;
  std::vector<std::size_t> rounds;
  NewTrial limits;

 private:
  void append(const std::string& type, std::uint32_t trial, const std::string& body) {
    Event event;
    event.id = std::to_string(events_.size() + 1);
    event.type = type;
    event.time_ms = now;
    event.trial = trial;
    event.body = body;
    events_.push_back(event);
  }

  Judge judge_;
  std::map<std::uint32_t, TrialInfo> trials_;
  std::vector<Event> events_;
};

TrialInfo succeeded(TrialInfo trial, double value) {
  trial.state = TrialState::succeeded;
  trial.result = json{{"metrics", {{"default", value}}}}.dump();
  return trial;
}

TrialInfo failed(TrialInfo trial) {
  trial.state = TrialState::failed;
  trial.error = "as the test wants";
  return trial;
}

TrialInfo value_of_x(const TrialInfo& trial) {
  return succeeded(trial, json::parse(trial.parameters).at("parameters").at("x").get<double>());
}

class CoordinatorTest : public testing::Test {
 protected:
  std::string spec(int max_trials, const std::string& timeout = "10m") {
    return json{{"kind", "experiment"},
                {"command", {"/bin/true"}},
                {"search_space", {{"x", {{"_type", "uniform"}, {"_value", {0, 1}}}}}},
                {"stop", {{"max_trials", max_trials}, {"timeout", timeout}}},
                {"limits", {{"trial_time", "90s"}, {"memory", "1MiB"}}},
                {"seed", 5}}
        .dump();
  }
  tasks::TrialResult run(FakeQueue& queue, const std::string& text) {
    return coordinate(tasks::find_kind("experiment"), {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, text, queue, workbench_);
  }
  Workbench workbench_;
};

TEST_F(CoordinatorTest, runs_the_search_to_its_end) {
  FakeQueue queue(value_of_x);
  const auto result = run(queue, spec(20));
  ASSERT_EQ(result.outcome, Outcome::succeeded) << result.error;
  const json outcome = json::parse(result.result);
  EXPECT_TRUE(outcome.at("met"));
  EXPECT_EQ(outcome.at("trials"), 20);
  double most = 0;
  for (const TrialInfo& trial : queue.trials())
    most = std::max(most, json::parse(trial.parameters).at("parameters").at("x").get<double>());
  EXPECT_EQ(outcome.at("configuration").at("x"), most);
  EXPECT_EQ(queue.bodies("task.checked").size(), 1u);
  EXPECT_EQ(queue.bodies("task.best").size(), 1u);
  EXPECT_EQ(queue.limits.time_limit_ms, 90'000u);
  EXPECT_EQ(queue.limits.memory_limit_bytes, 1u << 20);
}

TEST_F(CoordinatorTest, a_failed_trial_does_not_end_the_search) {
  FakeQueue queue([](const TrialInfo& trial) { return trial.number % 2 == 0 ? failed(trial) : value_of_x(trial); });
  const json outcome = json::parse(run(queue, spec(10)).result);
  EXPECT_TRUE(outcome.at("met"));
  EXPECT_EQ(outcome.at("details").at("succeeded"), 5);
}

TEST_F(CoordinatorTest, nothing_that_succeeds_is_said_honestly) {
  FakeQueue queue(failed);
  const json outcome = json::parse(run(queue, spec(3)).result);
  EXPECT_FALSE(outcome.at("met"));
  EXPECT_NE(outcome.at("summary").get<std::string>().find("as the test wants"), std::string::npos);
}

TEST_F(CoordinatorTest, a_takeover_at_any_point_repeats_nothing_and_ends_the_same) {
  FakeQueue undisturbed(value_of_x);
  const json wanted = json::parse(run(undisturbed, spec(12)).result);
  for (int look = 0; look < 12; ++look) {
    FakeQueue queue(value_of_x);
    queue.die_at_look = look;
    EXPECT_EQ(run(queue, spec(12)).outcome, Outcome::crashed);
    queue.die_at_look = 1 << 30;
    const json outcome = json::parse(run(queue, spec(12)).result);
    EXPECT_EQ(outcome.at("configuration"), wanted.at("configuration"));
    EXPECT_EQ(outcome.at("trials"), 12);
    EXPECT_EQ(queue.trials().size(), 12u);
    EXPECT_EQ(queue.bodies("task.checked").size(), 1u);
  }
}

TEST_F(CoordinatorTest, a_takeover_reads_on_where_nothing_of_a_page_is_for_it) {
  FakeQueue queue(value_of_x);
  for (int count = 0; count < 30; ++count) queue.append_event("trial.metric", "{}");
  queue.die_at_look = 0;
  EXPECT_EQ(run(queue, spec(3)).outcome, Outcome::crashed);
  queue.die_at_look = 1 << 30;
  EXPECT_EQ(run(queue, spec(3)).outcome, Outcome::succeeded);
  EXPECT_EQ(queue.bodies("task.checked").size(), 1u);
}

TEST_F(CoordinatorTest, trials_that_were_cancelled_and_requeued_are_waited_for_and_a_dead_ones_failure_stands) {
  FakeQueue undisturbed([](const TrialInfo& trial) { return trial.number == 3 ? failed(trial) : value_of_x(trial); });
  const json wanted = json::parse(run(undisturbed, spec(4)).result);
  FakeQueue queue([](const TrialInfo& trial) { return trial.number == 3 ? failed(trial) : value_of_x(trial); });
  queue.die_at_look = 2;
  EXPECT_EQ(run(queue, spec(4)).outcome, Outcome::crashed);
  queue.cancel_and_requeue_the_rest();
  queue.end_again(3);
  queue.die_at_look = 1 << 30;
  const json outcome = json::parse(run(queue, spec(4)).result);
  EXPECT_EQ(outcome.at("details").at("succeeded"), wanted.at("details").at("succeeded"));
  EXPECT_EQ(outcome.at("configuration"), wanted.at("configuration"));
}

TEST_F(CoordinatorTest, time_up_stops_what_runs_and_hands_back_the_best) {
  FakeQueue queue([&](const TrialInfo& trial) { return value_of_x(trial); });
  queue.now = 1000 + 5000;  // started at 1000
  const auto before = run(queue, spec(10, "5s"));
  EXPECT_TRUE(queue.trials().empty());
  EXPECT_FALSE(json::parse(before.result).at("met"));

  FakeQueue* running = nullptr;
  FakeQueue later([&](const TrialInfo& trial) {
    running->now = 1000 + 5000;
    return value_of_x(trial);
  });
  running = &later;
  const json outcome = json::parse(run(later, spec(10, "5s")).result);
  EXPECT_TRUE(outcome.at("met"));
  EXPECT_EQ(outcome.at("details").at("succeeded"), 1);
  for (const TrialInfo& trial : later.trials()) EXPECT_TRUE(is_final(trial.state));
}

TEST_F(CoordinatorTest, a_task_of_nothing_is_one_round_whatever_its_size) {
  FakeQueue queue([](TrialInfo trial) {
    trial.state = TrialState::succeeded;
    trial.result = R"({"metrics": {}})";
    return trial;
  });
  const auto result = coordinate(tasks::find_kind("nothing"), {"01ARZ3NDEKTSV4RRFFQ69G5FAV"},
                                 R"({"kind": "nothing", "trials": 300, "parameter_bytes": 200})", queue, workbench_);
  ASSERT_EQ(result.outcome, Outcome::succeeded) << result.error;
  EXPECT_TRUE(json::parse(result.result).at("met"));
  EXPECT_EQ(queue.rounds, std::vector<std::size_t>{300});
  for (const TrialInfo& trial : queue.trials()) EXPECT_EQ(trial.parameters.size(), 200u);
}

TEST_F(CoordinatorTest, a_wrong_spec_is_refused_with_its_field) {
  FakeQueue queue(value_of_x);
  json wrong = json::parse(spec(3));
  wrong["search_space"]["x"]["_value"] = {1, 0};
  const auto result = run(queue, wrong.dump());
  EXPECT_EQ(result.outcome, Outcome::failed);
  const json error = json::parse(result.error);
  EXPECT_EQ(error.at("code"), "invalid");
  EXPECT_EQ(error.at("field"), "search_space.x._value");
  EXPECT_TRUE(queue.trials().empty());
  EXPECT_TRUE(queue.bodies("task.checked").empty());
}

TEST_F(CoordinatorTest, a_stop_is_heeded) {
  FakeQueue queue(value_of_x);
  workbench_.stop = true;
  EXPECT_EQ(run(queue, spec(3)).outcome, Outcome::cancelled);
}

}  // namespace
}  // namespace ns::worker
