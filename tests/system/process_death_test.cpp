// kill -9 of each kind of process at a bad moment: costs an attempt at most, and nothing else.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/system/stack.h"

namespace ns::testing {
namespace {

constexpr auto kReported = [](const Event& event) { return event.type == "trial.metric"; };

TEST(WorkerDeath, a_trial_of_a_killed_worker_is_tried_again_elsewhere) {
  Stack stack;
  stack.start_broker();
  stack.start_worker();
  stack.start_worker();
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"hold", gate.file()}, "workers: 2\nstop: {max_trials: 4}\n");

  // Both workers hold a trial: kill the one that does not coordinate.
  const std::string coordinator =
      stack.wait_for(task, "the start of the task", [](const Event& event) { return event.type == "task.started"; })
          .worker;
  const Event lost = stack.wait_for(task, "a trial on the other worker", [&](const Event& event) {
    return event.type == "trial.metric" && event.worker != coordinator;
  });
  stack.worker(lost.worker).process.signal(SIGKILL);
  stack.wait_for(task, "the second attempt",
                 [&](const Event& event) { return event.type == "trial.retrying" && event.trial == lost.trial; });
  gate.open();

  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::done) << history.text();
  EXPECT_EQ(history.task.trials_succeeded, 4u) << history.text();
  EXPECT_EQ(history.task.attempt, 1u) << history.text();
  EXPECT_EQ(history.trials.at(lost.trial).attempt, 2u) << history.text();
  EXPECT_EQ(history.trials.at(lost.trial).worker, coordinator) << history.text();
}

TEST(WorkerDeath, a_killed_coordinator_is_replaced_and_repeats_no_trial) {
  Stack stack;
  stack.start_broker();
  stack.start_worker();
  stack.start_worker();
  Gate gate(stack.folder() / "gate");
  // The last trial holds; those before it are history by the time the coordinator dies.
  const TaskId task = stack.submit({"--trial", "3", "hold", gate.file()}, "workers: 1\nstop: {max_trials: 5}\n");
  const std::string first =
      stack.wait_for(task, "the start of the task", [](const Event& event) { return event.type == "task.started"; })
          .worker;
  stack.wait_for(task, "trial 3", [](const Event& event) { return event.type == "trial.metric" && event.trial == 3; });
  stack.worker(first).process.signal(SIGKILL);
  const Event second = stack.wait_for(task, "another coordinator", [&](const Event& event) {
    return event.type == "task.started" && event.worker != first;
  });
  EXPECT_EQ(second.attempt, 2u);
  gate.open();

  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::done) << history.text();
  EXPECT_EQ(history.task.trials_succeeded, 5u) << history.text();
  EXPECT_EQ(history.task.attempt, 2u) << history.text();
  for (const TrialInfo& trial : history.trials) {
    if (trial.number == 3) continue;  // may have run on the killed worker
    EXPECT_EQ(trial.attempt, 1u) << "trial " << trial.number << "\n" << history.text();
  }
}

TEST(BrokerDeath, a_broker_killed_in_mid_task_is_restarted_and_nothing_is_lost) {
  Stack stack;
  BrokerProcess& broker = stack.start_broker();
  stack.start_worker();
  stack.start_worker();
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"hold", gate.file()}, "workers: 2\nstop: {max_trials: 6}\n");
  stack.wait_for(task, "a trial that runs", kReported);
  broker.kill();
  gate.open();  // the first trials end while there is no broker: their results must wait for it
  broker.restart();

  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::done) << history.text();
  EXPECT_EQ(history.task.trials_succeeded, 6u) << history.text();
}

TEST(TwoBrokers, share_one_queue_and_a_cancel_reaches_the_worker_of_the_other) {
  Stack stack;
  stack.start_broker("a");
  stack.start_broker("b");
  WorkerOptions on_b;
  on_b.brokers = {"b"};
  stack.start_worker(on_b);
  // Submitted to a, run by a worker that knows only b.
  const TaskId done = stack.submit({"report"}, "stop: {max_trials: 3}\n", "a");
  const History history = stack.wait_for_end(done);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 3u) << history.text();
  EXPECT_EQ(stack.client("b").get_task(done).state, TaskState::done);

  Gate gate(stack.folder() / "gate");
  const TaskId held = stack.submit({"hold", gate.file()}, "stop: {max_trials: 3}\n", "a");
  stack.wait_for(held, "a trial that runs", kReported);
  stack.client("a").cancel_task(held);
  const History cancelled = stack.wait_for_end(held);
  expect_every_trial_ended_once(cancelled);
  EXPECT_EQ(cancelled.task.state, TaskState::cancelled) << cancelled.text();
}

TEST(TwoBrokers, a_worker_that_knows_both_survives_the_death_of_one) {
  Stack stack;
  stack.start_broker("a");
  BrokerProcess& mortal = stack.start_broker("b");
  WorkerOptions both;
  both.brokers = {"b", "a"};
  stack.start_worker(both);
  Gate gate(stack.folder() / "gate");
  const TaskId task = stack.submit({"hold", gate.file()}, "stop: {max_trials: 3}\n", "a");
  stack.wait_for(task, "a trial that runs", kReported);
  mortal.kill();
  gate.open();
  const History history = stack.wait_for_end(task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 3u) << history.text();
}

}  // namespace
}  // namespace ns::testing
