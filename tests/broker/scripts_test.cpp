// Each transition of the queue, called directly.
#include "tests/broker/scripts.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/leased_jobs.h"

namespace ns::test {
namespace {

using Leased = Scripts::Leased;

class ScriptsTest : public ::testing::Test {
 protected:
  ScriptsTest() { scripts_.hello("w"); }

  // A task whose coordinator is worker "w".
  Leased coordinate(int workers = 4, int priority = 1, int max_attempts = 3) {
    scripts_.submit(workers, priority, max_attempts);
    return scripts_.lease_task("w");
  }
  Leased lease_trial() { return scripts_.lease("w", 1, 0).at(0); }
  std::string depth(int priority) { return scripts_.field("ns:depth", std::to_string(priority)); }
  std::string leases() { return std::to_string(scripts_.jobs_leased()); }
  std::string state(const std::string& task) { return scripts_.field("ns:task:" + task, "state"); }

  Scripts scripts_;
};

TEST_F(ScriptsTest, a_result_is_committed_once_and_only_under_its_token) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  Leased other = trial;
  other.token = std::to_string(std::stoull(trial.token) + 1);
  EXPECT_EQ(scripts_.commit("w", other, "succeeded"), "stale");
  EXPECT_EQ(scripts_.commit("another", trial, "succeeded"), "stale");
  EXPECT_EQ(scripts_.commit("w", trial, "succeeded", "{\"a\":1}"), "committed");
  EXPECT_EQ(scripts_.commit("w", trial, "failed", "{\"a\":2}"), "committed") << "the answer given before";
  EXPECT_EQ(scripts_.field("ns:job:" + trial.job, "result"), "{\"a\":1}");
  EXPECT_EQ(scripts_.events(trial.task, "trial.succeeded").size(), 1u);
  EXPECT_TRUE(scripts_.events(trial.task, "trial.failed").empty());
}

TEST_F(ScriptsTest, tokens_grow_with_every_lease) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 1);
  unsigned long long last = 0;
  for (int i = 0; i < 4; ++i) {
    const Leased trial = lease_trial();
    EXPECT_GT(std::stoull(trial.token), last);
    EXPECT_EQ(trial.attempt, 1) << "handed back jobs were not tried";
    last = std::stoull(trial.token);
    EXPECT_EQ(scripts_.commit("w", trial, "handed_back"), "committed");
    EXPECT_EQ(depth(1), "1");
  }
}

TEST_F(ScriptsTest, crashes_are_retried_after_growing_delays_and_then_dead) {
  const Leased coordinator = coordinate(4, 1, 3);
  scripts_.enqueue(coordinator, 0, 1);
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const Leased trial = lease_trial();
    EXPECT_EQ(scripts_.commit("w", trial, "crashed", "", "signal 11"), "retrying");
    EXPECT_EQ(scripts_.commit("w", trial, "crashed", "", "signal 11"), "retrying") << "a repeat";
    EXPECT_TRUE(scripts_.lease("w", 1, 0).empty()) << "not before its delay";
    scripts_.make_due();
  }
  const Leased last = lease_trial();
  EXPECT_EQ(last.attempt, 3);
  EXPECT_EQ(scripts_.commit("w", last, "crashed", "", "signal 9"), "dead_lettered");
  const auto events = scripts_.events(last.task);
  EXPECT_EQ(events.at(events.size() - 2), "trial.dead");
  EXPECT_EQ(events.back(), "trial.failed");
  const std::string reasons = scripts_.field("ns:job:" + last.job, "reasons");
  EXPECT_NE(reasons.find("attempt 1 on w: signal 11"), std::string::npos);
  EXPECT_NE(reasons.find("attempt 3 on w: signal 9"), std::string::npos);
  EXPECT_EQ(scripts_.command({"ZCARD", "ns:dead"}).number(), 1u);
}

TEST_F(ScriptsTest, an_expired_lease_counts_as_a_crash_and_its_holder_is_stale) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  scripts_.expire(trial.job);
  EXPECT_EQ(scripts_.commit("w", trial, "succeeded"), "stale");
  EXPECT_EQ(scripts_.events(trial.task, "trial.retrying").size(), 1u);
  scripts_.make_due();
  EXPECT_EQ(lease_trial().attempt, 2);
}

TEST_F(ScriptsTest, an_outage_gives_every_lease_its_time_again) {
  const Leased coordinator = coordinate();
  scripts_.command({"ZADD", "ns:worker:w:jobs", "XX", "1", coordinator.job});
  scripts_.command({"ZADD", "ns:leases", "1", "w"});
  scripts_.command({"SET", "ns:swept", "0"});
  scripts_.call("sweep", {"600000", "256"});
  EXPECT_EQ(leases(), "1");
  EXPECT_TRUE(scripts_.events(coordinator.task, "task.retrying").empty());
}

TEST_F(ScriptsTest, priority_goes_first) {
  std::map<std::string, int> priority_of;
  for (int priority : {3, 1, 2}) {
    const Leased coordinator = coordinate(10, priority);
    priority_of[coordinator.task] = priority;
    scripts_.enqueue(coordinator, 0, 3);
  }
  int last = 1;
  for (const Leased& trial : scripts_.lease("w", 9, 0)) {
    EXPECT_GE(priority_of[trial.task], last);
    last = priority_of[trial.task];
  }
  EXPECT_EQ(last, 3);
}

TEST_F(ScriptsTest, tasks_of_a_priority_take_turns_and_trials_go_by_number) {
  for (int i = 0; i < 3; ++i) scripts_.enqueue(coordinate(10), 0, 4);
  std::map<std::string, int> seen;
  for (int round = 0; round < 4; ++round) {
    std::set<std::string> tasks;
    for (const Leased& trial : scripts_.lease("w", 3, 0)) {
      EXPECT_EQ(trial.number, std::to_string(seen[trial.task]++));
      tasks.insert(trial.task);
    }
    EXPECT_EQ(tasks.size(), 3u) << "one of each task a round";
  }
}

TEST_F(ScriptsTest, turns_go_on_between_calls) {
  const Leased first = coordinate(10), second = coordinate(10);
  scripts_.enqueue(first, 0, 4);
  scripts_.enqueue(second, 0, 4);
  std::string last;
  for (int i = 0; i < 8; ++i) {
    const Leased trial = lease_trial();
    EXPECT_NE(trial.task, last);
    last = trial.task;
  }
}

TEST_F(ScriptsTest, a_task_runs_no_more_trials_at_once_than_its_limit) {
  const Leased coordinator = coordinate(2);
  scripts_.enqueue(coordinator, 0, 5);
  const auto leased = scripts_.lease("w", 10, 0);
  ASSERT_EQ(leased.size(), 2u);
  EXPECT_TRUE(scripts_.lease("w", 10, 0).empty());
  EXPECT_EQ(scripts_.command({"ZCARD", "ns:ready:1:k@default"}).number(), 0u) << "out of the ring";
  scripts_.commit("w", leased[0], "succeeded");
  EXPECT_EQ(scripts_.lease("w", 10, 0).size(), 1u);
}

TEST_F(ScriptsTest, jobs_go_only_to_workers_that_know_their_kind) {
  scripts_.hello("stranger", "other,another");
  scripts_.submit();
  EXPECT_TRUE(scripts_.lease("stranger", 5, 5).empty());
  scripts_.hello("friend", "other,k");
  EXPECT_EQ(scripts_.lease("friend", 5, 5).size(), 1u);
}

TEST_F(ScriptsTest, an_old_session_leases_nothing) {
  scripts_.submit();
  const std::string old = scripts_.hello("w2");
  scripts_.hello("w2");
  const auto reply = scripts_.call("lease", {"1000", "w2", old, "1", "1"});
  EXPECT_EQ(reply.at(2).text(), "unknown_peer");
}

TEST_F(ScriptsTest, enqueue_is_idempotent_and_wants_the_current_token) {
  const Leased coordinator = coordinate();
  EXPECT_EQ(scripts_.enqueue(coordinator, 0, 3), 3);
  EXPECT_EQ(scripts_.enqueue(coordinator, 1, 3), 1);
  EXPECT_EQ(depth(1), "4");
  scripts_.expire(coordinator.job);
  EXPECT_THROW(scripts_.enqueue(coordinator, 9, 1), Error);
  scripts_.make_due();
  const Leased again = scripts_.lease_task("w");
  EXPECT_THROW(scripts_.enqueue(coordinator, 9, 1), Error);
  EXPECT_EQ(scripts_.enqueue(again, 9, 1), 1);
}

TEST_F(ScriptsTest, cancel_ends_what_waits_what_is_delayed_and_what_runs) {
  const Leased coordinator = coordinate(2);
  scripts_.enqueue(coordinator, 0, 4);
  const auto running = scripts_.lease("w", 2, 0);
  scripts_.commit("w", running[0], "crashed");
  scripts_.call("cancel", {coordinator.task});
  EXPECT_EQ(state(coordinator.task), "cancelled");
  EXPECT_EQ(scripts_.events(coordinator.task, "trial.cancelled").size(), 4u);
  EXPECT_EQ(scripts_.events(coordinator.task).back(), "task.cancelled");
  EXPECT_EQ(leases(), "0");
  EXPECT_EQ(depth(1), "0");
  EXPECT_EQ(scripts_.command({"ZCARD", "ns:delayed"}).number(), 0u);
  EXPECT_TRUE(scripts_.lease("w", 9, 9).empty());
  EXPECT_EQ(scripts_.commit("w", running[1], "succeeded"), "stale");
  EXPECT_EQ(scripts_.commit("w", running[1], "cancelled"), "committed");
  EXPECT_EQ(scripts_.call("cancel", {coordinator.task}).number(), 0u);
  EXPECT_EQ(scripts_.events(coordinator.task, "task.cancelled").size(), 1u);
}

TEST_F(ScriptsTest, cancel_of_a_pending_task_needs_no_worker) {
  const std::string task = scripts_.submit();
  scripts_.call("cancel", {task});
  EXPECT_EQ(state(task), "cancelled");
  EXPECT_TRUE(scripts_.lease("w", 9, 9).empty());
  EXPECT_THROW(scripts_.call("cancel", {make_task_id().text}), Error);
}

TEST_F(ScriptsTest, a_task_with_very_many_trials_is_cancelled_in_steps_and_ends_last) {
  const Leased coordinator = coordinate(2);
  scripts_.enqueue(coordinator, 0, 1000);
  scripts_.enqueue(coordinator, 1000, 1000);
  scripts_.call("cancel", {coordinator.task});
  EXPECT_EQ(state(coordinator.task), "running") << "not before its trials have ended";
  EXPECT_TRUE(scripts_.lease("w", 9, 9).empty());
  for (int i = 0; i < 10 && state(coordinator.task) == "running"; ++i) scripts_.sweep();
  EXPECT_EQ(state(coordinator.task), "cancelled");
  EXPECT_EQ(scripts_.events(coordinator.task, "trial.cancelled").size(), 2000u);
  EXPECT_EQ(scripts_.events(coordinator.task).back(), "task.cancelled");
  EXPECT_EQ(depth(1), "0");
}

TEST_F(ScriptsTest, the_end_of_a_task_cancels_its_trials_first) {
  const Leased coordinator = coordinate(1);
  scripts_.enqueue(coordinator, 0, 3);
  const Leased trial = lease_trial();
  EXPECT_EQ(scripts_.commit("w", coordinator, "succeeded", "{\"met\":true}"), "committed");
  EXPECT_EQ(scripts_.commit("w", coordinator, "succeeded", "{\"met\":true}"), "committed");
  EXPECT_EQ(state(coordinator.task), "done");
  EXPECT_EQ(scripts_.events(coordinator.task, "trial.cancelled").size(), 3u);
  EXPECT_EQ(scripts_.events(coordinator.task).back(), "task.done");
  EXPECT_EQ(scripts_.commit("w", trial, "succeeded"), "stale");
}

TEST_F(ScriptsTest, trial_and_task_results_in_one_report_end_the_trial_once) {
  const Leased coordinator = coordinate(1);
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  const auto reply = scripts_.call("commit", {"w", trial.job, trial.token, "succeeded", "{}", "", "w", coordinator.job,
                                              coordinator.token, "succeeded", "{}", ""});
  EXPECT_EQ(reply.at(0).text(), "committed");
  EXPECT_EQ(reply.at(1).text(), "committed");
  EXPECT_EQ(scripts_.events(trial.task, "trial.succeeded").size(), 1u);
  EXPECT_TRUE(scripts_.events(trial.task, "trial.cancelled").empty());
  EXPECT_EQ(scripts_.field("ns:task:" + trial.task, "trials_cancelled"), "");
}

TEST_F(ScriptsTest, a_coordinator_that_keeps_dying_fails_its_task) {
  scripts_.submit(4, 1, 2);
  const Leased first = scripts_.lease_task("w");
  scripts_.enqueue(first, 0, 2);
  EXPECT_EQ(scripts_.commit("w", first, "crashed", "", "signal 11"), "retrying");
  EXPECT_EQ(lease_trial().number, "0") << "its trials run on meanwhile";
  scripts_.make_due();
  const Leased second = scripts_.lease_task("w");
  EXPECT_EQ(second.attempt, 2);
  EXPECT_EQ(scripts_.commit("w", second, "crashed", "", "signal 11"), "dead_lettered");
  EXPECT_EQ(state(first.task), "failed");
  EXPECT_EQ(scripts_.events(first.task, "trial.cancelled").size(), 2u);
  EXPECT_NE(scripts_.field("ns:task:" + first.task, "error").find("\"code\":\"internal\""), std::string::npos);
}

TEST_F(ScriptsTest, a_refused_tasks_error_is_kept_as_its_coordinator_wrote_it) {
  const Leased coordinator = coordinate();
  const std::string error = R"({"code":"invalid","message":"not ONNX","field":"model"})";
  scripts_.commit("w", coordinator, "failed", "", error);
  EXPECT_EQ(scripts_.field("ns:task:" + coordinator.task, "error"), error);
  EXPECT_EQ(scripts_.events(coordinator.task).back(), "task.failed");
}

TEST_F(ScriptsTest, early_stop_of_a_trial_that_dies_on_it_is_no_crash) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 2);
  const Leased trial = lease_trial();
  scripts_.call("stop_trial", {coordinator.task, coordinator.token, "0"});
  EXPECT_EQ(scripts_.commit("w", trial, "crashed", "", "signal 9"), "committed");
  EXPECT_EQ(scripts_.field("ns:job:" + trial.job, "state"), "early_stopped");
  scripts_.call("stop_trial", {coordinator.task, coordinator.token, "1"});
  EXPECT_EQ(scripts_.events(coordinator.task, "trial.early_stopped").size(), 2u);
  EXPECT_TRUE(scripts_.lease("w", 9, 0).empty());
  EXPECT_THROW(scripts_.call("stop_trial", {coordinator.task, coordinator.token, "7"}), Error);
}

TEST_F(ScriptsTest, renew_says_what_is_lost) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 3);
  const auto trials = scripts_.lease("w", 3, 0);
  scripts_.expire(trials[0].job);
  scripts_.call("stop_trial", {coordinator.task, coordinator.token, trials[1].number});
  const std::string session = scripts_.field("ns:worker:w", "session");
  const auto replies =
      scripts_.call("renew", {"1000", "w", "0", "0", "0", "0", "w", session, "3", "1", "3", trials[0].job,
                              trials[0].token, trials[1].job, trials[1].token, trials[2].job, trials[2].token});
  EXPECT_EQ(replies.at(0).text(), "unknown_peer") << "an old session";
  const auto& reply = replies.at(1);
  ASSERT_EQ(reply.at(0).list().size(), 1u);
  EXPECT_EQ(reply.at(0).at(0).text(), trials[0].job);
  EXPECT_TRUE(reply.at(1).list().empty());
  ASSERT_EQ(reply.at(2).list().size(), 1u);
  EXPECT_EQ(reply.at(2).at(0).text(), trials[1].job);
}

TEST_F(ScriptsTest, metrics_are_kept_once_in_order_and_checked) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  const auto report = [&](const std::string& token, const std::string& sequence, const std::string& body) {
    return scripts_.call("metrics", {"w", "10", trial.job, token, sequence, body}).number();
  };
  EXPECT_EQ(report(trial.token, "0", "{\"x\":1}"), 1u);
  EXPECT_EQ(report(trial.token, "0", "{\"x\":1}"), 0u) << "a repeat";
  EXPECT_EQ(report(trial.token, "1", "not json"), 0u);
  EXPECT_EQ(report("99", "1", "{}"), 0u);
  EXPECT_EQ(report(trial.token, "10", "{}"), 0u) << "too many";
  EXPECT_EQ(report(trial.token, "1", "{}"), 1u);
}

TEST_F(ScriptsTest, goodbye_hands_back_what_is_held) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 2);
  scripts_.hello("leaver");
  const auto held = scripts_.lease("leaver", 2, 0);
  EXPECT_EQ(scripts_.call("goodbye", {"leaver", scripts_.field("ns:worker:leaver", "session")}).number(), 2u);
  EXPECT_EQ(scripts_.lease("w", 5, 0).size(), 2u);
  EXPECT_EQ(scripts_.commit("leaver", held[0], "succeeded"), "stale");
}

TEST_F(ScriptsTest, silent_workers_are_forgotten) {
  scripts_.hello("quiet");
  scripts_.command({"ZADD", "ns:workers", "1", "quiet"});
  EXPECT_EQ(scripts_.call("reap", {"1000", "64"}).number(), 1u);
  EXPECT_EQ(scripts_.command({"EXISTS", "ns:worker:quiet"}).number(), 0u);
  EXPECT_EQ(scripts_.command({"EXISTS", "ns:worker:w"}).number(), 1u);
}

TEST_F(ScriptsTest, large_histories_are_read_in_pages) {
  const Leased coordinator = coordinate();
  const std::string body = '"' + std::string(200'000, 'x') + '"';
  for (int i = 0; i < 30; ++i) {
    scripts_.call("append_event", {coordinator.task, coordinator.token, "note.x", body});
  }
  std::string after = "0";
  std::size_t seen = 0, pages = 0;
  for (;;) {
    const Events page = scripts_.read_events(coordinator.task, after, 1000);
    if (page.events.empty()) break;
    seen += page.events.size();
    after = page.next;
    ++pages;
  }
  EXPECT_EQ(seen, 32u);
  EXPECT_GT(pages, 2u);
}

TEST_F(ScriptsTest, finish_order_counts_as_trials_end) {
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 2);
  const auto trials = scripts_.lease("w", 2, 0);
  scripts_.commit("w", trials[1], "succeeded");
  scripts_.commit("w", trials[0], "failed");
  const auto page = scripts_.call("get_trials", {coordinator.task, "0", "10"});
  EXPECT_EQ(page.at(1).at(0).at(9).text(), "2");
  EXPECT_EQ(page.at(1).at(1).at(9).text(), "1");
}

TEST_F(ScriptsTest, workers_of_one_call_share_what_is_ready_and_a_stranger_gets_nothing) {
  const std::string second = scripts_.hello("w2");
  const Leased coordinator = coordinate(10);
  scripts_.enqueue(coordinator, 0, 3);
  const std::string first = scripts_.field("ns:worker:w", "session");
  const auto reply =
      scripts_.call("lease", {"1000", "w", first, "2", "0", "w3", "1", "5", "0", "w2", second, "5", "0"});
  EXPECT_EQ(broker::leased_jobs(reply, 0).size(), 2u);
  EXPECT_EQ(reply.at(3).text(), "unknown_peer");
  const auto last = broker::leased_jobs(reply, 2);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].number, "2") << "in the order of their numbers";
  EXPECT_EQ(scripts_.command({"ZCARD", "ns:worker:w2:jobs"}).number(), 1u);
}

TEST_F(ScriptsTest, a_call_gives_every_task_of_a_priority_its_share) {
  std::map<std::string, int> seen;
  for (int i = 0; i < 4; ++i) scripts_.enqueue(coordinate(100), 0, 50);
  for (const Leased& trial : scripts_.lease("w", 20, 0)) ++seen[trial.task];
  ASSERT_EQ(seen.size(), 4u);
  for (const auto& [task, count] : seen) EXPECT_EQ(count, 5) << task;
}

TEST_F(ScriptsTest, many_tasks_have_their_turns_in_calls_that_serve_a_few_each) {
  constexpr int kTasks = 20;
  for (int i = 0; i < kTasks; ++i) scripts_.enqueue(coordinate(1000), 0, 50);
  std::map<std::string, int> seen;
  for (int call = 0; call < 5; ++call) {
    std::set<std::string> served;
    for (const Leased& trial : scripts_.lease("w", 64, 0)) {
      ++seen[trial.task];
      served.insert(trial.task);
    }
    EXPECT_EQ(served.size(), 8u);
  }
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kTasks)) << "5 calls of 8 turns are two rounds of 20 tasks";
  for (const auto& [task, count] : seen) EXPECT_EQ(count, 16) << task;
}

TEST_F(ScriptsTest, a_call_goes_on_behind_the_first_tasks_while_more_is_wanted) {
  for (int i = 0; i < 30; ++i) scripts_.enqueue(coordinate(1000), 0, 1);
  for (int i = 0; i < 2; ++i) scripts_.enqueue(coordinate(1000), 0, 50);
  EXPECT_EQ(scripts_.lease("w", 100, 0).size(), 100u);
  EXPECT_EQ(scripts_.lease("w", 100, 0).size(), 30u);
}

TEST_F(ScriptsTest, what_a_task_with_few_trials_leaves_goes_to_the_others) {
  const Leased small = coordinate(100), large = coordinate(100);
  scripts_.enqueue(small, 0, 2);
  scripts_.enqueue(large, 0, 50);
  EXPECT_EQ(scripts_.lease("w", 20, 0).size(), 20u);
}

TEST_F(ScriptsTest, large_parameters_end_a_lease_early) {
  const Leased coordinator = coordinate(100);
  const std::string large = '"' + std::string(200'000, 'x') + '"';
  for (int i = 0; i < 100; ++i) {
    scripts_.call("enqueue", {coordinator.task, coordinator.token, "1000", std::to_string(i), large, ""});
  }
  const std::string session = scripts_.field("ns:worker:w", "session");
  const auto reply = scripts_.call("lease", {"1000", "w", session, "100", "0"});
  EXPECT_EQ(reply.at(1).number(), 1u);
  EXPECT_LT(broker::leased_jobs(reply, 0).size(), 100u);
  EXPECT_GE(broker::leased_jobs(reply, 0).size(), 10u);
}

TEST_F(ScriptsTest, events_of_many_trials_share_an_entry_and_are_read_one_by_one) {
  const Leased coordinator = coordinate(10);
  scripts_.enqueue(coordinator, 0, 5);
  const auto trials = scripts_.lease("w", 5, 0);
  scripts_.commit("w", trials[0], "handed_back");
  scripts_.commit("w", trials[1], "crashed");
  scripts_.call("commit", {"w", trials[3].job, trials[3].token, "succeeded", "{\"a\":3}", "",  //
                           "w", trials[2].job, trials[2].token, "succeeded", "{\"a\":2}", ""});
  // task.submitted, task.started, enqueued, started, retrying, succeeded
  EXPECT_EQ(scripts_.command({"XLEN", "ns:task:" + coordinator.task + ":events"}).number(), 6u);
  std::vector<std::string> told;
  std::string after = "0";
  for (;;) {
    const Events page = scripts_.read_events(coordinator.task, after, 1);
    if (page.events.empty()) break;
    ASSERT_EQ(page.events.size(), 1u);
    const Event& event = page.events.front();
    after = page.next;
    EXPECT_EQ(event.id.substr(0, after.size()), after) << "the event, or its entry when it is the last there";
    told.push_back(event.type + " " + std::to_string(event.trial) + " " + event.body);
  }
  ASSERT_EQ(told.size(), 2u + 5 + 5 + 1 + 2);
  EXPECT_EQ(told[2], "trial.enqueued 0 {}");
  EXPECT_EQ(told[11], "trial.started 4 ");
  EXPECT_EQ(told[13], "trial.succeeded 3 {\"a\":3}") << "as they ended";
  EXPECT_EQ(told[14], "trial.succeeded 2 {\"a\":2}");
}

TEST_F(ScriptsTest, a_second_attempt_is_told_with_its_number) {
  const Leased coordinator = coordinate(10);
  scripts_.enqueue(coordinator, 0, 2);
  const Leased trial = lease_trial();
  scripts_.commit("w", trial, "crashed");
  scripts_.make_due();
  ASSERT_EQ(scripts_.lease("w", 2, 0).size(), 2u);
  std::map<std::uint32_t, std::string> attempts;
  for (const Event& event : scripts_.read_events(coordinator.task, "0", 100, "trial.started").events) {
    attempts[event.trial] += std::to_string(event.attempt);
  }
  EXPECT_EQ(attempts[0], "12");
  EXPECT_EQ(attempts[1], "1");
}

TEST_F(ScriptsTest, a_task_job_and_trials_of_its_task_leased_by_one_call_are_all_told) {
  const Leased coordinator = coordinate(10);
  scripts_.enqueue(coordinator, 0, 2);
  scripts_.commit("w", coordinator, "handed_back");
  const auto leased = scripts_.lease("w", 5, 1);
  ASSERT_EQ(leased.size(), 3u);
  EXPECT_EQ(leased[0].job, coordinator.task);
  EXPECT_EQ(leased[1].job, coordinator.task + "/0");
}

TEST_F(ScriptsTest, jobs_of_one_lease_keep_their_order_and_what_is_their_own) {
  const Leased coordinator = coordinate(10);
  const Leased other = coordinate(10);
  const auto enqueue = [&](const Leased& in, int number, const std::string& limits) {
    scripts_.call("enqueue", {in.task, in.token, "1000", number, "{\"n\":" + std::to_string(number) + "}", limits});
  };
  enqueue(coordinator, 7, "");
  scripts_.commit("w", lease_trial(), "crashed");
  scripts_.make_due();  // its second attempt goes first
  for (const int number : {0, 1}) enqueue(coordinator, number, "");
  for (const int number : {2, 3}) enqueue(coordinator, number, "1000 65536");
  for (const int number : {5, 6}) enqueue(other, number, "");
  std::map<std::string, std::vector<std::string>> told;
  for (const Leased& trial : scripts_.lease("w", 9, 0)) {
    told[trial.task].push_back(trial.number + " " + std::to_string(trial.attempt) + " " + trial.limits + " " +
                               trial.parameters);
    EXPECT_EQ(scripts_.stored(trial.job).token, trial.token);
  }
  EXPECT_EQ(told[coordinator.task], (std::vector<std::string>{"7 2  {\"n\":7}", "0 1  {\"n\":0}", "1 1  {\"n\":1}",
                                                              "2 1 1000 65536 {\"n\":2}", "3 1 1000 65536 {\"n\":3}"}));
  EXPECT_EQ(told[other.task], (std::vector<std::string>{"5 1  {\"n\":5}", "6 1  {\"n\":6}"}));
}

TEST_F(ScriptsTest, only_events_of_the_types_asked_for_are_read_and_the_rest_is_passed_over) {
  const Leased coordinator = coordinate(10);
  scripts_.enqueue(coordinator, 0, 5);
  scripts_.commit("w", lease_trial(), "succeeded");
  EXPECT_EQ(scripts_.events(coordinator.task, "trial.succeeded").size(), 1u);
  const Events none = scripts_.read_events(coordinator.task, "0", 100, "task.best");
  EXPECT_TRUE(none.events.empty());
  EXPECT_TRUE(scripts_.read_events(coordinator.task, none.next, 100).events.empty()) << "nothing follows";
}

TEST_F(ScriptsTest, a_lost_workers_trials_are_tried_elsewhere_and_its_reports_are_stale) {
  const std::string session = scripts_.hello("gone");
  const Leased coordinator = coordinate();
  scripts_.enqueue(coordinator, 0, 2);
  const auto held = scripts_.lease("gone", 2, 0);
  const std::string newer = scripts_.hello("gone");
  EXPECT_EQ(scripts_.call("lose_worker", {"gone", session}).signed_number(), -1) << "it came back";
  EXPECT_EQ(scripts_.call("lose_worker", {"gone", newer}).number(), 2u);
  EXPECT_EQ(scripts_.call("list_workers", {"9"}).at(1).list().size(), 1u) << "it is listed no more";
  EXPECT_EQ(scripts_.commit("gone", held[0], "succeeded"), "stale");
  EXPECT_EQ(leases(), "1");
  scripts_.make_due();
  EXPECT_EQ(scripts_.lease("w", 5, 0).size(), 2u);
}

class ClassesTest : public ScriptsTest {
 protected:
  std::string submit(const std::string& class_text) {
    const std::string task = make_task_id().text;
    scripts_.call("submit", {task, "k", "{}", "", "1", "4", "3", "0", class_text, "0", "0", "1000"});
    return task;
  }
  std::string hello(const std::string& worker, const std::string& pool, const std::string& isa, const std::string& tags,
                    const std::string& memory) {
    return std::string(
        scripts_.call("hello", {worker, "h", "1", "", isa, "k,other", "4", "2", "v", pool, tags, memory}).text());
  }
  std::size_t leased_by(const std::string& worker, const std::string& session) {
    return broker::leased_jobs(scripts_.call("lease", {"1000", worker, session, "0", "9"}), 0).size();
  }
  bool unserved(const std::string& task) { return scripts_.call("get_task", {task}).list().back().number() == 1; }
};

TEST_F(ClassesTest, a_task_goes_only_to_workers_that_offer_what_it_asks_for) {
  const std::string plain = hello("plain", "default", "avx2", "", "1000");
  const std::string task = submit("k@default|isa=avx2,avx512_vnni|tags=big|memory=5000");
  EXPECT_EQ(leased_by("plain", plain), 0u);
  EXPECT_TRUE(unserved(task));
  EXPECT_EQ(leased_by("small", hello("small", "default", "avx2,avx512_vnni", "big", "4999")), 0u);
  EXPECT_EQ(leased_by("other", hello("other", "nightly", "avx2,avx512_vnni", "big", "5000")), 0u);
  const std::string right = hello("right", "default", "amx,avx2,avx512_vnni", "big,old", "5000");
  EXPECT_FALSE(unserved(task));
  EXPECT_EQ(leased_by("right", right), 1u);
  EXPECT_FALSE(unserved(task));
}

TEST_F(ClassesTest, a_class_that_comes_later_is_seen_by_workers_that_are_there) {
  const std::string session = hello("early", "default", "", "", "0");
  EXPECT_EQ(leased_by("early", session), 0u);
  submit("k@default");
  submit("other@default");
  EXPECT_EQ(leased_by("early", session), 2u);
  submit("k@nightly");
  EXPECT_EQ(leased_by("early", session), 0u);
}

TEST_F(ClassesTest, there_are_only_so_many_classes) {
  for (int i = 0; i < 128; ++i) submit("k@pool" + std::to_string(i));
  EXPECT_THROW(submit("k@pool128"), Error);
  const std::string again = submit("k@pool7");
  scripts_.call("cancel", {again});
  EXPECT_THROW(submit("k@pool128"), Error) << "another task asks for pool7 still";
}

TEST_F(ClassesTest, a_class_makes_room_once_no_open_task_asks_for_it) {
  const std::string session = hello("late", "pool128", "", "", "0");
  std::vector<std::string> tasks;
  for (int i = 0; i < 128; ++i) tasks.push_back(submit("k@pool" + std::to_string(i)));
  EXPECT_EQ(leased_by("late", session), 0u);
  scripts_.call("cancel", {tasks[3]});
  submit("k@pool128");
  EXPECT_EQ(leased_by("late", session), 1u) << "it is seen by workers that are there, though there are as many classes";
  EXPECT_THROW(submit("k@pool3"), Error);
}

TEST_F(ClassesTest, a_class_that_no_open_task_asks_for_is_removed_before_long) {
  scripts_.call("cancel", {submit("k@once")});
  submit("k@default");
  scripts_.command({"HSET", "ns:stats", "sampled", "1"});
  scripts_.sweep();
  EXPECT_FALSE(scripts_.command({"ZSCORE", "ns:classes", "k@default"}).text().empty());
  EXPECT_TRUE(scripts_.command({"ZSCORE", "ns:classes", "k@once"}).text().empty());
}

TEST_F(ClassesTest, a_requeued_task_brings_its_class_back) {
  scripts_.submit(4, 1, 1);
  const Leased coordinator = scripts_.lease_task("w");
  scripts_.commit("w", coordinator, "crashed");
  std::vector<std::string> tasks;
  for (int i = 0; i < 128; ++i) tasks.push_back(submit("k@pool" + std::to_string(i)));
  EXPECT_NE(scripts_.call("requeue_dead", {coordinator.task}).at(0).text(), "") << "there is no room for its class";
  EXPECT_EQ(state(coordinator.task), "failed");
  scripts_.call("cancel", {tasks[0]});
  EXPECT_EQ(scripts_.call("requeue_dead", {coordinator.task}).at(0).text(), "");
  EXPECT_EQ(scripts_.lease_task("w").task, coordinator.task);
}

TEST_F(ScriptsTest, a_scheduled_task_waits_for_its_time) {
  const std::string task = make_task_id().text;
  scripts_.call("submit", {task, "k", "{}", "", "1", "4", "3", "0", "k@default", "3600000", "0", "1000"});
  scripts_.sweep();
  EXPECT_TRUE(scripts_.lease("w", 0, 9).empty());
  scripts_.make_due();
  EXPECT_EQ(scripts_.lease("w", 0, 9).size(), 1u);
}

TEST_F(ScriptsTest, a_task_past_its_deadline_fails_and_takes_its_trials_along) {
  const std::string task = make_task_id().text;
  scripts_.call("submit", {task, "k", "{}", "", "1", "4", "3", "0", "k@default", "0", "3600000", "1000"});
  const Leased coordinator = scripts_.lease_task("w");
  scripts_.enqueue(coordinator, 0, 2);
  const Leased trial = lease_trial();
  scripts_.sweep();
  EXPECT_EQ(state(task), "running");
  scripts_.command({"ZADD", "ns:deadlines", "XX", "1", task});
  scripts_.sweep();
  EXPECT_EQ(state(task), "failed");
  EXPECT_NE(scripts_.field("ns:task:" + task, "error").find("\"timeout\""), std::string::npos);
  EXPECT_EQ(scripts_.commit("w", trial, "succeeded"), "stale");
  EXPECT_EQ(scripts_.commit("w", coordinator, "succeeded"), "stale");
  EXPECT_EQ(leases(), "0");
}

TEST_F(ScriptsTest, too_many_open_tasks_or_ready_trials_are_refused_with_a_retry) {
  const Leased coordinator = coordinate();
  try {
    scripts_.call("submit", {make_task_id().text, "k", "{}", "", "1", "4", "3", "0", "k@default", "0", "0", "1"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::overloaded);
  }
  scripts_.enqueue(coordinator, 0, 5);
  try {
    scripts_.call("enqueue", {coordinator.task, coordinator.token, "5", "9", "{}", ""});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::overloaded);
  }
}

// ---- retention

class RetentionTest : public ScriptsTest {
 protected:
  // What is kept of tasks that are done, of those that failed, and of those that were cancelled.
  using Kept = std::vector<std::string>;
  const Kept kNothing{"done", "0", "", "failed", "0", "", "cancelled", "0", ""};

  bool forget(const Kept& kept, const std::string& most = "1000") {
    broker::store::Arguments arguments(most);
    for (const std::string& word : kept) arguments.add(word);
    return scripts_.call("forget", arguments).at(1).number() == 1;
  }
  // Every key but those that are there once there was a task.
  std::set<std::string> keys() {
    std::set<std::string> names;
    const auto found = scripts_.command({"KEYS", "ns:*"});
    for (const auto& key : found.list()) names.emplace(key.text());
    for (const char* lasting : {"ns:stats", "ns:depth", "ns:turn", "ns:classes", "ns:classes:version", "ns:leases"}) {
      names.erase(lasting);
    }
    return names;
  }
  std::string finish(int trials, const std::string& outcome = "succeeded") {
    const Leased coordinator = coordinate(trials, 1, 1);
    scripts_.enqueue(coordinator, 0, trials);
    for (const Leased& trial : scripts_.lease("w", trials - 1, 0)) scripts_.commit("w", trial, "crashed");
    EXPECT_EQ(scripts_.commit("w", coordinator, outcome), outcome == "crashed" ? "dead_lettered" : "committed");
    return coordinator.task;
  }
};

TEST_F(RetentionTest, a_forgotten_task_leaves_nothing_behind) {
  const auto before = keys();
  finish(5);
  finish(5, "crashed");
  scripts_.call("cancel", {scripts_.submit()});
  EXPECT_EQ(scripts_.command({"ZCARD", "ns:dead"}).number(), 9u);
  EXPECT_FALSE(forget(kNothing));
  EXPECT_EQ(keys(), before);
}

TEST_F(RetentionTest, a_large_task_goes_in_steps_and_is_not_met_half) {
  const auto before = keys();
  const std::string task = finish(20);
  EXPECT_TRUE(forget(kNothing, "10"));
  EXPECT_THROW(scripts_.call("get_task", {task}), Error);
  EXPECT_THROW(scripts_.call("get_trials", {task, "0", "9"}), Error);
  EXPECT_THROW(scripts_.call("read_events", {task, "0", "9", ""}), Error);
  EXPECT_EQ(scripts_.call("list_tasks", {"", "0", "9"}).at(0).number(), 0u);
  EXPECT_NE(scripts_.call("requeue_dead", {task + "/0"}).at(0).text(), "");
  EXPECT_THROW(scripts_.call("submit", {task, "k", "{}", "", "1", "4", "3", "0", "k@default", "0", "0", "1000"}),
               Error);
  int calls = 1;
  // Whoever goes on keeps everything: what was begun is ended all the same.
  while (forget({"done", "", ""}, "10")) ++calls;
  EXPECT_GE(calls, 2);
  EXPECT_EQ(keys(), before);
}

TEST_F(RetentionTest, what_is_open_is_never_forgotten) {
  const std::string pending = scripts_.submit();
  const Leased coordinator = scripts_.lease_task("w");
  scripts_.enqueue(coordinator, 0, 3);
  const Leased trial = lease_trial();
  const std::string other = scripts_.submit();
  const auto before = keys();
  EXPECT_FALSE(forget(kNothing));
  EXPECT_EQ(keys(), before);
  EXPECT_EQ(scripts_.commit("w", trial, "succeeded"), "committed");
  EXPECT_EQ(state(pending), "running");
  EXPECT_EQ(state(other), "pending");
}

TEST_F(RetentionTest, age_and_count_say_what_is_kept_of_each_state) {
  const std::string first = finish(1), second = finish(1), third = finish(1);
  const std::string failed = finish(1, "failed");
  scripts_.command({"ZADD", "ns:tasks:done", "1", first, "2", second});
  forget({"done", "", "2", "failed", "3600000", ""});
  EXPECT_EQ(state(first), "") << "the oldest beyond two";
  EXPECT_EQ(state(second), "done");
  forget({"done", "3600000", "2", "failed", "3600000", ""});
  EXPECT_EQ(state(second), "") << "older than an hour";
  EXPECT_EQ(state(third), "done");
  EXPECT_EQ(state(failed), "failed");
}

// ---- dead letters

class DeadLettersTest : public ScriptsTest {
 protected:
  std::string requeue(const std::string& job) { return std::string(scripts_.call("requeue_dead", {job}).at(0).text()); }
  std::size_t dead() { return scripts_.command({"ZCARD", "ns:dead"}).number(); }
  std::string count(const std::string& task, const std::string& state) {
    return scripts_.field("ns:task:" + task, "trials_" + state);
  }
};

TEST_F(DeadLettersTest, a_requeued_trial_begins_anew_and_ends_once_more) {
  const Leased coordinator = coordinate(4, 1, 1);
  scripts_.enqueue(coordinator, 0, 2);
  const Leased first = lease_trial();
  EXPECT_EQ(scripts_.commit("w", first, "crashed", "", "signal 9"), "dead_lettered");
  EXPECT_EQ(requeue(first.job), "");
  EXPECT_NE(requeue(first.job), "") << "there is no letter any more";
  EXPECT_EQ(dead(), 0u);
  EXPECT_EQ(count(first.task, "failed"), "0");
  EXPECT_EQ(depth(1), "2");
  EXPECT_EQ(scripts_.commit("w", first, "succeeded"), "stale") << "that lease has ended";
  const Leased again = lease_trial();
  EXPECT_EQ(again.job, first.job);
  EXPECT_EQ(again.attempt, 1);
  EXPECT_GT(std::stoull(again.token), std::stoull(first.token));
  EXPECT_EQ(scripts_.commit("w", again, "succeeded", "{\"a\":1}"), "committed");
  EXPECT_EQ(scripts_.commit("w", again, "succeeded", "{\"a\":2}"), "committed") << "the same answer again";
  EXPECT_EQ(scripts_.stored(first.job).state, "succeeded");
  EXPECT_EQ(scripts_.field("ns:job:" + first.job, "error"), "");
  const auto events = scripts_.events(first.task);
  EXPECT_EQ(
      std::vector<std::string>(events.end() - 5, events.end()),
      (std::vector<std::string>{"trial.dead", "trial.failed", "trial.requeued", "trial.started", "trial.succeeded"}));
}

TEST_F(DeadLettersTest, finish_order_does_not_repeat_after_a_requeue) {
  const Leased coordinator = coordinate(4, 1, 1);
  scripts_.enqueue(coordinator, 0, 3);
  const auto trials = scripts_.lease("w", 3, 0);
  scripts_.commit("w", trials.at(0), "crashed");
  scripts_.commit("w", trials.at(1), "succeeded");
  requeue(trials.at(0).job);
  scripts_.commit("w", trials.at(2), "succeeded");
  scripts_.commit("w", lease_trial(), "succeeded");
  std::vector<std::string> orders;
  const auto page = scripts_.call("get_trials", {coordinator.task, "0", "9"});
  for (const auto& trial : page.at(1).list()) {
    orders.emplace_back(trial.at(9).text());
  }
  EXPECT_EQ(orders, (std::vector<std::string>{"4", "2", "3"}));
}

TEST_F(DeadLettersTest, a_trial_whose_task_has_ended_is_not_requeued) {
  const Leased coordinator = coordinate(4, 1, 1);
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  scripts_.commit("w", trial, "crashed");
  scripts_.commit("w", coordinator, "succeeded");
  EXPECT_NE(requeue(trial.job).find("done"), std::string::npos);
  EXPECT_EQ(dead(), 1u);
  EXPECT_EQ(scripts_.stored(trial.job).state, "failed");
}

TEST_F(DeadLettersTest, a_requeued_task_gets_another_coordinator_and_its_cancelled_trials_back) {
  const std::string task = make_task_id().text;
  scripts_.call("submit", {task, "k", "{}", "", "1", "4", "1", "0", "k@default", "0", "3600000", "1000"});
  const Leased coordinator = scripts_.lease_task("w");
  scripts_.enqueue(coordinator, 0, 4);
  const auto trials = scripts_.lease("w", 2, 0);
  scripts_.commit("w", trials.at(0), "succeeded");
  EXPECT_EQ(scripts_.commit("w", coordinator, "crashed"), "dead_lettered");
  EXPECT_EQ(count(task, "cancelled"), "3");
  EXPECT_EQ(requeue(task), "");
  EXPECT_EQ(state(task), "pending");
  EXPECT_EQ(scripts_.command({"ZRANGE", "ns:tasks:failed", "0", "-1"}).list().size(), 0u);
  EXPECT_FALSE(scripts_.command({"ZSCORE", "ns:deadlines", task}).text().empty());
  EXPECT_EQ(count(task, "cancelled"), "0");
  EXPECT_EQ(depth(1), "3");
  EXPECT_EQ(scripts_.commit("w", trials.at(1), "succeeded"), "stale") << "that lease ended with the task";
  const Leased next = scripts_.lease_task("w");
  EXPECT_EQ(next.attempt, 1);
  EXPECT_GT(std::stoull(next.token), std::stoull(coordinator.token));
  const auto rest = scripts_.lease("w", 9, 0);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest.at(0).number, "1");
  for (const Leased& trial : rest) EXPECT_EQ(scripts_.commit("w", trial, "succeeded"), "committed");
  EXPECT_EQ(scripts_.commit("w", next, "succeeded"), "committed");
  EXPECT_EQ(state(task), "done");
  EXPECT_EQ(count(task, "succeeded"), "4");
  EXPECT_EQ(scripts_.events(task, "task.requeued").size(), 1u);
  EXPECT_EQ(scripts_.events(task, "trial.requeued").size(), 3u);
  EXPECT_EQ(scripts_.events(task).back(), "task.done");
  EXPECT_EQ(leases(), "0");
}

TEST_F(DeadLettersTest, a_purged_letter_is_gone_and_its_job_stays_as_it_ended) {
  const Leased coordinator = coordinate(4, 1, 1);
  scripts_.enqueue(coordinator, 0, 1);
  const Leased trial = lease_trial();
  scripts_.commit("w", trial, "crashed");
  EXPECT_EQ(scripts_.call("list_dead", {"0", "9"}).at(2).at(0).at(0).text(), trial.job);
  EXPECT_EQ(scripts_.call("purge_dead", {trial.job}).at(0).text(), "");
  EXPECT_NE(scripts_.call("purge_dead", {trial.job}).at(0).text(), "");
  EXPECT_EQ(scripts_.call("list_dead", {"0", "9"}).at(2).list().size(), 0u);
  EXPECT_EQ(scripts_.stored(trial.job).state, "failed");
  EXPECT_NE(requeue(trial.job), "");
}

TEST_F(ScriptsTest, a_worker_that_is_to_go_is_told_with_each_heartbeat) {
  const std::string session = scripts_.hello("other");
  const auto told = [&] {
    return scripts_.call("renew", {"1000", "other", session, "0", "0", "0"}).at(0).at(3).number();
  };
  EXPECT_EQ(told(), 0u);
  scripts_.call("drain", {"other"});
  EXPECT_EQ(told(), 1u);
  EXPECT_EQ(told(), 1u);
  EXPECT_THROW(scripts_.call("drain", {"nobody"}), Error);
}

TEST_F(ScriptsTest, the_queue_tells_where_work_waits_and_what_came_lately) {
  const Leased coordinator = coordinate(1, 2, 1);
  scripts_.submit(1, 3);
  scripts_.enqueue(coordinator, 0, 3);
  scripts_.commit("w", lease_trial(), "crashed");
  const auto queue = scripts_.call("get_queue", {"9"});
  std::set<std::vector<std::string>> depths;
  for (const auto& one : queue.at(11).list()) {
    depths.insert({std::string(one.at(0).text()), std::string(one.at(1).text()), std::string(one.at(2).text()),
                   std::string(one.at(3).text())});
  }
  EXPECT_EQ(depths, (std::set<std::vector<std::string>>{{"k@default", "2", "1", "0"}, {"k@default", "3", "0", "1"}}));
  std::map<std::string, std::string> counts;
  const auto counters = queue.at(12).list();
  for (std::size_t i = 1; i < counters.size(); i += 3) counts[std::string(counters[i].text())] = counters[i + 1].text();
  EXPECT_EQ(counts,
            (std::map<std::string, std::string>{{"leased", "2"}, {"ended", "1"}, {"crashed", "1"}, {"dead", "1"}}));
  // Two samples later nothing of that is recent.
  for (int i = 0; i < 2; ++i) {
    scripts_.command({"HSET", "ns:stats", "sampled", "1"});
    scripts_.sweep();
  }
  const auto later = scripts_.call("get_queue", {"9"}).at(12).list();
  for (std::size_t i = 1; i < later.size(); i += 3) EXPECT_EQ(later[i + 2].text(), "0") << later[i].text();
}

}  // namespace
}  // namespace ns::test
