// Trials that die, eat memory or never end: each fails with a reason, and takes nothing with it.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/system/stack.h"

namespace ns::testing {
namespace {

// Three trials, of which trial 1 behaves as told, twice; the others must not notice.
History run_with(const std::vector<std::string>& behaviour, const std::string& limits) {
  Stack stack;
  stack.start_broker();
  Worker& worker = stack.start_worker();
  std::vector<std::string> words = {"--trial", "1"};
  words.insert(words.end(), behaviour.begin(), behaviour.end());
  const TaskId task = stack.submit(words, "stop: {max_trials: 3}\nlimits: {max_attempts: 2, " + limits + "}\n");
  History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  worker.process.signal(SIGTERM);
  EXPECT_EQ(worker.process.wait(), 0) << "the worker did not live to be asked to go";
  EXPECT_EQ(history.task.state, TaskState::done) << history.text();
  EXPECT_EQ(history.task.trials_succeeded, 2u) << history.text();
  EXPECT_EQ(history.task.trials_failed, 1u) << history.text();
  EXPECT_EQ(history.task.attempt, 1u) << "the coordinator noticed\n" << history.text();
  return history;
}

void expect_dead_after_two_attempts(const History& history) {
  EXPECT_EQ(history.trials.at(1).state, TrialState::failed) << history.text();
  EXPECT_EQ(history.trials.at(1).attempt, 2u) << history.text();
  const Event* const dead = history.find("trial.dead", 1);
  ASSERT_NE(dead, nullptr) << history.text();
  EXPECT_EQ(nlohmann::json::parse(dead->body).at("reasons").size(), 2u) << dead->body;
}

TEST(MisbehavingTrial, a_segfault_is_named_with_the_last_words) {
  const History history = run_with({"segfault"}, "trial_time: 60s");
  expect_dead_after_two_attempts(history);
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("SIGSEGV"), std::string::npos) << error;
  EXPECT_NE(error.find("about to read where nothing is"), std::string::npos) << error;
}

// Between the command and the worker stand the command's keeper and the runner; both must be expendable.
TEST(MisbehavingTrial, one_that_kills_its_keeper_fails_alone) {
  const History history = run_with({"kill-ancestor", "1"}, "trial_time: 60s");
  expect_dead_after_two_attempts(history);
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("SIGKILL"), std::string::npos) << error;
}

TEST(MisbehavingTrial, one_that_kills_its_runner_fails_alone) {
  const History history = run_with({"kill-ancestor", "2"}, "trial_time: 60s");
  expect_dead_after_two_attempts(history);
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("SIGKILL"), std::string::npos) << error;
}

// The trials that were held behind it had no part in it: they lose no attempt.
TEST(MisbehavingTrial, one_that_kills_its_runner_costs_the_held_ones_nothing) {
  Stack stack;
  stack.start_broker();
  stack.start_worker({.more = {"--prefetch", "8"}});
  const TaskId task = stack.submit({"--trial", "3", "kill-ancestor", "2"},
                                   "workers: 20\nstop: {max_trials: 20}\nlimits: {max_attempts: 2}\n");
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_failed, 1u) << history.text();
  EXPECT_EQ(history.task.trials_succeeded, 19u) << history.text();
  for (const TrialInfo& trial : history.trials) {
    EXPECT_EQ(trial.attempt, trial.number == 3 ? 2u : 1u) << "trial " << trial.number << "\n" << history.text();
  }
}

TEST(MisbehavingTrial, one_over_its_memory_limit_is_ended) {
  const History history = run_with({"allocate"}, "trial_time: 60s, memory: 256MiB");
  expect_dead_after_two_attempts(history);
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("memory"), std::string::npos) << error;
}

TEST(MisbehavingTrial, one_that_hangs_is_ended_at_its_time_limit) {
  const History history = run_with({"hang"}, "trial_time: 2s");
  expect_dead_after_two_attempts(history);
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("time limit"), std::string::npos) << error;
}

TEST(MisbehavingTrial, an_exit_status_other_than_zero_is_final) {
  const History history = run_with({"fail"}, "trial_time: 60s");
  EXPECT_EQ(history.trials.at(1).attempt, 1u) << history.text();
  const std::string error = history.trials.at(1).error;
  EXPECT_NE(error.find("3"), std::string::npos) << error;
  EXPECT_NE(error.find("no luck today"), std::string::npos) << error;
}

TEST(MisbehavingTrial, one_that_crashes_only_once_succeeds_in_the_end) {
  Stack stack;
  stack.start_broker();
  stack.start_worker();
  const std::string mark = stack.folder() / "crashed-once";
  const TaskId task = stack.submit({"--trial", "1", "--once", mark, "segfault"}, "stop: {max_trials: 3}\n");
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 3u) << history.text();
  EXPECT_EQ(history.trials.at(1).attempt, 2u) << history.text();
  EXPECT_EQ(history.count("trial.retrying"), 1u) << history.text();
  EXPECT_EQ(history.count("trial.dead"), 0u) << history.text();
}

}  // namespace
}  // namespace ns::testing
