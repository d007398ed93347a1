// A task through real processes: cancel, drain, and the same proposals whatever the number of workers.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "tests/system/stack.h"

namespace ns::testing {
namespace {

constexpr auto kReported = [](const Event& event) { return event.type == "trial.metric"; };

TEST(Cancel, reaches_a_running_trial_and_every_waiting_one) {
  Stack stack;
  stack.start_broker();
  stack.start_worker();
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"hold", gate.file()}, "workers: 1\nstop: {max_trials: 5}\n");
  stack.wait_for(task, "a trial that runs", kReported);
  stack.client().cancel_task(task);
  const History history = stack.wait_for_end(task);  // the gate stays shut: nothing ends by itself
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::cancelled) << history.text();
  EXPECT_EQ(history.task.trials_cancelled, history.trials.size()) << history.text();
  EXPECT_GE(history.trials.size(), 1u);

  // The worker is free again.
  const TaskId next = stack.submit({"report"}, "stop: {max_trials: 2}\n");
  EXPECT_EQ(stack.wait_for_end(next).task.trials_succeeded, 2u);
}

TEST(Drain, a_worker_asked_to_go_finishes_its_trial_and_hands_the_task_on) {
  Stack stack;
  stack.start_broker();
  Worker& leaving = stack.start_worker({.more = {"--drain-timeout", "60s"}});
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"--trial", "0", "hold", gate.file()}, "workers: 1\nstop: {max_trials: 4}\n");
  stack.wait_for(task, "a trial that runs", kReported);
  stack.start_worker();
  leaving.process.signal(SIGTERM);
  // The task job is handed back at once, the trial is finished.
  stack.wait_for(task, "another coordinator",
                 [&](const Event& event) { return event.type == "task.started" && event.worker != leaving.id; });
  gate.open();
  const History history = stack.wait_for_end(task);
  EXPECT_EQ(leaving.process.wait(), 0);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 4u) << history.text();
  EXPECT_EQ(history.trials.at(0).worker, leaving.id) << history.text();
  for (const TrialInfo& trial : history.trials) EXPECT_EQ(trial.attempt, 1u) << history.text();
}

TEST(Drain, what_does_not_end_in_time_is_handed_back_and_costs_no_attempt) {
  Stack stack;
  stack.start_broker();
  Worker& leaving = stack.start_worker({.more = {"--drain-timeout", "1s"}});
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"--trial", "0", "hold", gate.file()}, "workers: 1\nstop: {max_trials: 2}\n");
  stack.wait_for(task, "a trial that runs", kReported);
  Worker& staying = stack.start_worker();
  leaving.process.signal(SIGTERM);
  EXPECT_EQ(leaving.process.wait(), 0);
  stack.wait_for(task, "the trial on the other worker",
                 [&](const Event& event) { return event.type == "trial.metric" && event.worker == staying.id; });
  gate.open();
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 2u) << history.text();
  EXPECT_EQ(history.trials.at(0).attempt, 1u) << history.text();
}

TEST(Drain, told_twice_a_worker_ends_at_once) {
  Stack stack;
  stack.start_broker();
  Worker& leaving = stack.start_worker({.more = {"--drain-timeout", "600s"}});
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"--trial", "0", "hold", gate.file()}, "stop: {max_trials: 2}\n");
  stack.wait_for(task, "a trial that runs", kReported);
  leaving.process.signal(SIGTERM);
  // It drains: the coordinator is handed back, the trial still runs.
  stack.wait_for(task, "the task handed back", [](const Event& event) { return event.type == "task.retrying"; });
  leaving.process.signal(SIGTERM);
  EXPECT_EQ(leaving.process.wait(), 130);
  gate.open();
  stack.start_worker();
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 2u) << history.text();
}

TEST(Scheduled, a_task_is_not_touched_before_its_moment) {
  Stack stack;
  BrokerProcess& broker = stack.start_broker();
  stack.start_worker();
  const auto submit = [&](const std::string& begin) {
    const std::string file = stack.folder() / "task.yaml";
    std::ofstream(file) << "kind: nothing\ntrials: 2\nbegin: " << begin << "\n";
    Process process({std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ns-client", "--broker",
                     broker.endpoint(), "submit", file});
    const TaskId task{process.wait_for_line("")};
    EXPECT_EQ(process.wait(), 0);
    return stack.client().get_task(task);
  };
  const TaskInfo past = submit("2026-01-01T00:00Z");
  EXPECT_EQ(stack.wait_for_end(past.task).task.trials_succeeded, 2u);

  const auto in_an_hour = std::chrono::system_clock::now() + std::chrono::hours(1);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(in_an_hour);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::ostringstream moment;
  moment << std::put_time(&utc, "%Y-%m-%dT%H:%M:%SZ");
  const TaskInfo later = submit(moment.str());
  EXPECT_EQ(later.state, TaskState::pending);
  EXPECT_NEAR(static_cast<double>(later.begins_ms), static_cast<double>(seconds) * 1000, 2000);
}

TEST(Nothing, a_thousand_trials_are_held_and_run_in_batches) {
  Stack stack;
  stack.start_broker();
  stack.start_worker({.slots = 2});
  const TaskId task = submit_file(
      stack.client(), "kind: nothing\ntrials: 1000\nparameter_bytes: 200\nresult_bytes: 100\nworkers: 1000\n",
      stack.folder());
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::done) << history.task.error;
  EXPECT_EQ(history.task.trials_succeeded, 1000u);
  for (const TrialInfo& trial : history.trials) {
    EXPECT_EQ(trial.attempt, 1u);
    EXPECT_EQ(trial.result.size(), 100u);
  }
}

TEST(Nothing, of_a_worker_that_drains_held_trials_go_elsewhere_at_no_cost) {
  Stack stack;
  stack.start_broker();
  Worker& leaving = stack.start_worker({.more = {"--prefetch", "50"}});
  const TaskId task =
      submit_file(stack.client(), "kind: nothing\ntrials: 300\nduration: 10ms\nworkers: 300\n", stack.folder());
  stack.wait_for(task, "the first end", [](const Event& event) { return event.type == "trial.succeeded"; });
  leaving.process.signal(SIGTERM);
  EXPECT_EQ(leaving.process.wait(), 0);
  stack.start_worker();
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 300u) << history.text();
  for (const TrialInfo& trial : history.trials) EXPECT_EQ(trial.attempt, 1u) << history.text();
}

std::vector<std::string> proposals_with(int workers) {
  Stack stack;
  stack.start_broker();
  for (int i = 0; i < workers; ++i) stack.start_worker();
  const TaskId task = stack.submit({"report"}, "stop: {max_trials: 12}\nworkers: " + std::to_string(workers) + "\n");
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 12u) << history.text();
  std::vector<std::string> parameters;
  for (const TrialInfo& trial : history.trials) parameters.push_back(trial.parameters);
  return parameters;
}

TEST(Proposals, are_the_same_with_one_worker_and_with_two) {
  const std::vector<std::string> one = proposals_with(1);
  EXPECT_EQ(one.size(), 12u);
  EXPECT_NE(one.at(0), one.at(1));
  EXPECT_EQ(one, proposals_with(2));
}

}  // namespace
}  // namespace ns::testing
