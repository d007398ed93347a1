// The real ns-broker on a private redis-server, spoken to as any client or worker would.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <memory>
#include <set>

#include "broker/retention.h"
#include "common/api/client.h"
#include "common/limits.h"
#include "common/sha256.h"
#include "tests/broker/one_broker.h"

namespace ns::test {
namespace {

class BrokerTest : public OneBroker {
 protected:
  void start(const std::vector<std::string>& options = {}) { start_on(redis_, options); }
  std::vector<Event> history(const TaskId& task) {
    return client_->call<Events>(ReadEvents{task, "0", 1000, 0, {}}).events;
  }
  std::size_t count(const TaskId& task, const std::string& type) {
    std::size_t found = 0;
    for (const Event& event : history(task)) found += event.type == type ? 1 : 0;
    return found;
  }
  // Reads on until such an event is there.
  Event wait_for(const TaskId& task, const std::string& type) {
    ReadEvents read{task, "0", 256, 10'000, {}};
    for (;;) {
      const Events some = client_->call<Events>(read);
      for (const Event& event : some.events) {
        if (event.type == type) return event;
        read.after = event.id;
      }
      if (some.ended) throw std::runtime_error("the task ended without " + type);
    }
  }

  RedisServer redis_{folder_.path()};
};

TEST_F(BrokerTest, ping_tells_version_and_redis_time) {
  start();
  const Pong pong = make_client()->ping();
  EXPECT_FALSE(pong.broker.empty());
  EXPECT_FALSE(pong.version.empty());
  EXPECT_GT(pong.now_ms, 1'600'000'000'000u);
}

TEST_F(BrokerTest, submission_is_idempotent_by_its_id) {
  start();
  SubmitTask submission = make_submission();
  EXPECT_FALSE(client_->call<TaskAccepted>(submission).duplicate);
  EXPECT_TRUE(client_->call<TaskAccepted>(submission).duplicate);
  submission.spec = "{}";
  EXPECT_EQ(client_->refused(submission).code, "conflict");
  EXPECT_EQ(client_->call<TaskList>(ListTasks{}).total, 1u);
  EXPECT_EQ(count(submission.task, "task.submitted"), 1u);
}

TEST_F(BrokerTest, a_wrong_field_is_named) {
  start();
  SubmitTask submission = make_submission();
  submission.priority = 4;
  const ErrorReply refusal = client_->refused(submission);
  EXPECT_EQ(refusal.code, "invalid");
  EXPECT_EQ(refusal.field, "priority");
  EXPECT_EQ(client_->refused(GetTask{make_task_id()}).code, "not_found");
}

TEST_F(BrokerTest, a_task_lives_from_submission_to_done) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  EXPECT_EQ(coordinator.kind, JobKind::task);
  EXPECT_EQ(coordinator.task_kind, "quantize");
  EXPECT_EQ(coordinator.spec, R"({"kind":"quantize"})");
  EXPECT_EQ(client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 3)).added, 3u);
  EXPECT_EQ(client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 4)).added, 1u);
  worker.pull(10, 0);
  for (unsigned i = 0; i < 4; ++i) {
    const Job trial = worker.next_job();
    EXPECT_EQ(trial.number, i);
    EXPECT_EQ(trial.parameters, "{\"x\":" + std::to_string(i) + "}");
    worker.requester().send(ReportMetrics{worker.id(), {{trial.job, trial.token, 0, R"({"loss":0.5})"}}});
    EXPECT_EQ(worker.report(trial, Outcome::succeeded, R"({"metrics":{}})"), CommitStatus::committed);
    EXPECT_EQ(worker.report(trial, Outcome::succeeded, R"({"metrics":{}})"), CommitStatus::committed) << "a repeat";
  }
  client_->call<Ok>(AppendEvent{coordinator.task, coordinator.token, "task.best", R"({"trial":1})"});
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded, R"({"met":true})"), CommitStatus::committed);
  const Event last = wait_for(coordinator.task, "task.done");
  EXPECT_EQ(last.body, R"({"met":true})");
  EXPECT_EQ(count(coordinator.task, "trial.succeeded"), 4u);
  EXPECT_EQ(count(coordinator.task, "trial.metric"), 4u);
  const TaskInfo task = client_->call<TaskInfo>(GetTask{coordinator.task});
  EXPECT_EQ(task.state, TaskState::done);
  EXPECT_EQ(task.result, R"({"met":true})");
  EXPECT_EQ(task.trials_succeeded, 4u);
  EXPECT_EQ(client_->refused(make_trials(coordinator, 9, 1)).code, "stale");
  const auto trials = make_client()->all_trials(coordinator.task);
  ASSERT_EQ(trials.size(), 4u);
  EXPECT_EQ(trials[3].finish_order, 4u);
}

TEST_F(BrokerTest, long_poll_is_answered_by_the_event_it_waits_for) {
  start();
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);
  const std::string seen = history(submission.task).back().id;
  const auto number = client_->send(ReadEvents{submission.task, seen, 10, 60'000, {}});
  Requester other(broker_->endpoint());
  other.call<Ok>(CancelTask{submission.task});
  const Events events = client_->receive<Events>(number);
  ASSERT_EQ(events.events.size(), 1u);
  EXPECT_EQ(events.events[0].type, "task.cancelled");
  EXPECT_TRUE(events.ended);
}

TEST_F(BrokerTest, long_poll_ends_empty_when_its_wait_does) {
  start();
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);
  const std::string seen = history(submission.task).back().id;
  const Events events = client_->call<Events>(ReadEvents{submission.task, seen, 10, 50, {}});
  EXPECT_TRUE(events.events.empty());
  EXPECT_FALSE(events.ended);
}

TEST_F(BrokerTest, a_silent_workers_trial_goes_to_another_and_its_late_result_is_stale) {
  start({"--lease", "300", "--heartbeat", "100"});
  FakeWorker first(broker_->endpoint(), "w1");
  FakeWorker second(broker_->endpoint(), "w2");
  first.pull(0, 1);
  client_->call<TaskAccepted>(make_submission());
  const Job coordinator = first.next_job();
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 1));
  second.pull(1, 0);
  const Job lost = second.next_job();
  // The first worker keeps its own lease alive meanwhile; the second says nothing.
  first.pull(1, 0);
  std::optional<Job> again;
  while (!again) {
    first.heartbeat({coordinator});
    ReadEvents read{coordinator.task, "0", 256, 0, {}};
    for (const Event& event : client_->call<Events>(read).events) {
      if (event.type == "trial.started" && event.attempt == 2) again = first.next_job();
    }
  }
  EXPECT_GT(again->token, lost.token);
  EXPECT_EQ(again->attempt, 2u);
  EXPECT_EQ(second.report(lost, Outcome::succeeded), CommitStatus::stale);
  EXPECT_EQ(second.heartbeat({lost}).lost.size(), 1u);
  EXPECT_EQ(first.report(*again, Outcome::succeeded), CommitStatus::committed);
  EXPECT_EQ(count(coordinator.task, "trial.retrying"), 1u);
  EXPECT_EQ(count(coordinator.task, "trial.succeeded"), 1u);
}

TEST_F(BrokerTest, heartbeats_keep_a_lease_beyond_its_time) {
  start({"--lease", "300", "--heartbeat", "50"});
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  const std::uint64_t begin = make_client()->ping().now_ms;
  while (make_client()->ping().now_ms < begin + 900) EXPECT_TRUE(worker.heartbeat({coordinator}).lost.empty());
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded), CommitStatus::committed);
}

TEST_F(BrokerTest, cancel_reaches_a_running_trial_at_once) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 2));
  worker.pull(1, 0);
  const Job trial = worker.next_job();
  client_->call<Ok>(CancelTask{coordinator.task});
  std::set<std::string> stopped;
  for (int i = 0; i < 2; ++i) stopped.insert(worker.requester().receive<StopJob>().job.text);
  EXPECT_EQ(stopped, (std::set<std::string>{coordinator.job.text, trial.job.text}));
  EXPECT_EQ(worker.report(trial, Outcome::succeeded), CommitStatus::stale);
  EXPECT_EQ(worker.report(trial, Outcome::cancelled), CommitStatus::committed);
  const auto events = history(coordinator.task);
  EXPECT_EQ(events.back().type, "task.cancelled");
  EXPECT_EQ(count(coordinator.task, "trial.cancelled"), 2u);
  client_->call<Ok>(CancelTask{coordinator.task});
  EXPECT_EQ(count(coordinator.task, "task.cancelled"), 1u);
}

TEST_F(BrokerTest, an_early_stopped_trial_is_told_and_reports_it) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 2));
  worker.pull(1, 0);
  const Job trial = worker.next_job();
  client_->call<Ok>(StopTrial{coordinator.task, coordinator.token, 0});
  const StopJob stop = worker.requester().receive<StopJob>();
  EXPECT_EQ(stop.outcome, Outcome::early_stopped);
  EXPECT_EQ(worker.heartbeat({trial}).early_stopped.size(), 1u);
  EXPECT_EQ(worker.report(trial, Outcome::early_stopped), CommitStatus::committed);
  client_->call<Ok>(StopTrial{coordinator.task, coordinator.token, 1});
  EXPECT_EQ(count(coordinator.task, "trial.early_stopped"), 2u);
}

TEST_F(BrokerTest, credits_bound_what_a_worker_is_sent) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker, 100);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 10));
  worker.pull(2, 0);
  worker.next_job();
  worker.next_job();
  worker.requester().send(Pull{worker.id(), worker.session(), 2, 1});  // repeated: grants nothing new
  worker.heartbeat({});
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{coordinator.task}).trials_running, 2u);
}

TEST_F(BrokerTest, an_unknown_session_is_told_to_say_hello) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const auto number = worker.requester().send(Pull{worker.id(), worker.session() + 7, 1, 1});
  EXPECT_EQ(worker.requester().receive_error(number).code, "unknown_peer");
}

TEST_F(BrokerTest, a_broker_killed_and_restarted_loses_nothing) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 2));
  worker.pull(1, 0);
  const Job trial = worker.next_job();
  broker_->kill();
  broker_->restart();
  // The new broker does not know the worker; results need no session.
  Heartbeat heartbeat{worker.id(), worker.session(), 1, 1, {}};
  EXPECT_EQ(worker.requester().refused(heartbeat).code, "unknown_peer");
  EXPECT_EQ(worker.report(trial, Outcome::succeeded), CommitStatus::committed);
  worker.hello();
  EXPECT_TRUE(worker.heartbeat({coordinator}).lost.empty());
  worker.pull(1, 0);
  EXPECT_EQ(worker.next_job().number, 1u);
  EXPECT_EQ(count(coordinator.task, "task.started"), 1u);
  EXPECT_EQ(count(coordinator.task, "trial.started"), 2u);
}

TEST_F(BrokerTest, two_brokers_share_one_queue) {
  start();
  BrokerProcess other(folder_.path(), redis_.address(), {}, "other");
  FakeWorker worker(other.endpoint(), "w1");
  worker.pull(1, 1);
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);  // at the first: the worker of the other gets it
  const Job coordinator = worker.next_job();
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 1));
  const Job trial = worker.next_job();
  const std::string seen = history(submission.task).back().id;
  const auto number = client_->send(ReadEvents{submission.task, seen, 10, 60'000, {}});
  worker.report(trial, Outcome::succeeded);
  EXPECT_EQ(client_->receive<Events>(number).events.at(0).type, "trial.succeeded");
  client_->call<Ok>(CancelTask{submission.task});
  EXPECT_EQ(worker.requester().receive<StopJob>().job, coordinator.job);
}

TEST_F(BrokerTest, a_worker_that_changes_broker_gets_nothing_through_the_old_one) {
  start();
  BrokerProcess other(folder_.path(), redis_.address(), {}, "other");
  FakeWorker before(broker_->endpoint(), "w1");
  before.pull(0, 1);
  FakeWorker after(other.endpoint(), "w1");
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);
  after.pull(0, 1);
  EXPECT_EQ(after.next_job().task, submission.task);
  EXPECT_EQ(count(submission.task, "task.started"), 1u);
}

TEST_F(BrokerTest, without_redis_requests_are_refused_and_service_returns_with_it) {
  start();
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);
  redis_.kill();
  // The broker notices as the connection breaks; a request in between gets the same answer.
  EXPECT_EQ(client_->refused(Ping{}).code, "unavailable");
  redis_.restart();
  EXPECT_GT(make_client(500ms)->ping().now_ms, 0u);
  FakeWorker worker(broker_->endpoint(), "w1");
  worker.pull(0, 1);
  const SubmitTask next = make_submission();
  client_->call<TaskAccepted>(next);
  EXPECT_EQ(worker.next_job().task, next.task) << "wake-ups work again";
}

TEST_F(BrokerTest, garbage_is_survived) {
  start();
  Requester rude(broker_->endpoint());
  rude.send_raw({"hello?"});
  rude.send_raw({"", "", ""});
  rude.send_raw({"NS", "x"});
  rude.send_raw({"a", "b", "c", "d", "e", "f"});
  wire::Frames cut = wire::encode(1, make_submission());
  cut[1].resize(cut[1].size() / 2);
  rude.send_raw(cut);
  EXPECT_EQ(rude.receive_error(1).code, "invalid");
  rude.send_raw({wire::encode_header({MessageType{9999}, 2}), "\x80"});
  EXPECT_EQ(rude.receive_error(2).code, "unsupported");
  rude.send_raw({wire::encode_header({MessageType::ping, 3})});
  EXPECT_EQ(rude.receive_error(3).code, "invalid");
  std::string other_major = wire::encode_header({MessageType::ping, 4});
  other_major[2] = 9;
  rude.send_raw({other_major, "\x80"});
  EXPECT_EQ(rude.receive_error(0).code, "unsupported");
  EXPECT_GT(make_client(500ms)->ping().now_ms, 0u);
}

TEST_F(BrokerTest, an_artifact_comes_back_as_it_went) {
  start();
  std::string bytes(3 * limits::kChunkBytes + 17, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  const auto client = make_client(500ms);
  const std::filesystem::path file = folder_.path() / "blob";
  std::ofstream(file, std::ios::binary) << bytes;
  const ArtifactId id = client->put_artifact(file);
  EXPECT_EQ(id, artifact_id_of(bytes));
  EXPECT_EQ(client->stat_artifact(id).size, bytes.size());
  const std::filesystem::path target = folder_.path() / "copy";
  client->get_artifact(id, target);
  EXPECT_EQ(artifact_id_of_file(target), id);
  EXPECT_EQ(client->put_artifact_bytes(""), artifact_id_of(""));
  client->get_artifact(artifact_id_of(""), target);
  EXPECT_EQ(std::filesystem::file_size(target), 0u);
}

TEST_F(BrokerTest, a_torn_upload_is_never_visible_and_a_corrupt_one_is_refused) {
  start();
  const std::string first(limits::kChunkBytes, 'a'), second(100, 'b');
  const ArtifactId id = artifact_id_of(first + second);
  PutArtifact put{id, first.size() + second.size(), 0, "torn"};
  EXPECT_FALSE(client_->call<ArtifactInfo>(put, first).exists);
  EXPECT_FALSE(client_->call<ArtifactInfo>(StatArtifact{id}).exists);
  EXPECT_EQ(client_->refused(GetArtifact{id, 0, 10}).code, "not_found");
  put.upload = "corrupt";
  client_->call<ArtifactInfo>(put, std::string(limits::kChunkBytes, 'x'));
  put.offset = first.size();
  EXPECT_EQ(client_->refused(put, second).code, "invalid");
  EXPECT_FALSE(client_->call<ArtifactInfo>(StatArtifact{id}).exists);
  put.upload = "torn";  // after a restart of the broker the torn one can be completed
  broker_->kill();
  broker_->restart();
  EXPECT_TRUE(client_->call<ArtifactInfo>(put, second).exists);
  put.offset = 5;
  put.artifact = artifact_id_of("other");
  EXPECT_EQ(client_->refused(put, second).field, "offset");
}

TEST_F(BrokerTest, nothing_from_outside_becomes_a_path) {
  start();
  PutArtifact put{artifact_id_of("x"), 1, 0, "../../x"};
  EXPECT_EQ(client_->refused(put, "x").field, "upload");
  EXPECT_EQ(client_->refused(GetArtifact{{"sha256:../../etc/passwd"}, 0, 10}).field, "artifact");
  EXPECT_EQ(client_->refused(StatArtifact{{"sha256:" + std::string(64, '/')}}).field, "artifact");
}

TEST_F(BrokerTest, sigterm_ends_it_cleanly) {
  start();
  broker_->process().signal(SIGTERM);
  EXPECT_EQ(broker_->process().wait(), 0);
}

TEST_F(BrokerTest, the_queue_and_the_workers_can_be_looked_at) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker, 1, 2);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 3));
  worker.pull(1, 0);
  worker.next_job();
  const QueueInfo queue = client_->call<QueueInfo>(GetQueue{});
  EXPECT_EQ(queue.leased, 2u);
  for (const QueueDepth& depth : queue.depths) {
    EXPECT_EQ(depth.ready, depth.kind == JobKind::trial && depth.priority == 2 ? 2u : 0u);
  }
  const WorkerList workers = client_->call<WorkerList>(ListWorkers{});
  ASSERT_EQ(workers.workers.size(), 1u);
  EXPECT_EQ(workers.workers[0].kinds, std::vector<std::string>{"quantize"});
  worker.requester().call<Ok>(Goodbye{worker.id(), worker.session()});
  EXPECT_TRUE(client_->call<WorkerList>(ListWorkers{}).workers.empty());
  EXPECT_EQ(client_->call<QueueInfo>(GetQueue{}).leased, 0u);
}

TEST_F(BrokerTest, a_worker_that_is_to_go_is_pushed_drain_and_shown_so) {
  start();
  FakeWorker worker(broker_->endpoint(), "w");
  worker.hello();
  client_->call<Ok>(DrainWorker{worker.id()});
  worker.heartbeat({});
  EXPECT_EQ(worker.requester().receive<Drain>().session, worker.session());
  EXPECT_TRUE(client_->call<WorkerList>(ListWorkers{}).workers.at(0).draining);
  EXPECT_EQ(client_->refused(DrainWorker{{"nobody"}}).code, "not_found");
}

TEST_F(BrokerTest, a_worker_at_rest_is_told_at_once_that_it_should_go) {
  start();
  FakeWorker worker(broker_->endpoint(), "w");
  worker.heartbeat({});
  client_->call<Ok>(DrainWorker{worker.id()});
  EXPECT_EQ(worker.requester().receive<Drain>().session, worker.session());
}

TEST_F(BrokerTest, redis_hears_of_a_worker_at_rest_now_and_then) {
  start({"--lease", "8000"});
  FakeWorker worker(broker_->endpoint(), "w");
  const auto seen_ms = [&] { return client_->call<WorkerList>(ListWorkers{}).workers.at(0).seen_ms; };
  worker.heartbeat({});
  const std::uint64_t begin = seen_ms();
  int unheard = 0;
  for (; seen_ms() == begin; ++unheard) EXPECT_TRUE(worker.heartbeat({}).lost.empty());
  EXPECT_GT(unheard, 1);
}

TEST_F(BrokerTest, a_worker_that_rests_here_and_said_hello_elsewhere_has_to_say_it_here_again) {
  start();
  BrokerProcess other(folder_.path(), redis_.address(), {}, "other");
  FakeWorker here(broker_->endpoint(), "w");
  here.heartbeat({});
  FakeWorker elsewhere(other.endpoint(), "w");
  const Heartbeat heartbeat{here.id(), here.session(), 0, 0, {}};
  try {
    for (;;) here.requester().call<HeartbeatReply>(heartbeat);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unknown_peer);
  }
  elsewhere.heartbeat({});
}

TEST_F(BrokerTest, work_finds_all_idle_workers_that_it_needs_and_not_others) {
  start();
  std::vector<std::unique_ptr<FakeWorker>> others, workers;
  for (int i = 0; i < 6; ++i) {
    others.push_back(std::make_unique<FakeWorker>(broker_->endpoint(), "other-" + std::to_string(i),
                                                  std::vector<std::string>{"another"}));
    workers.push_back(std::make_unique<FakeWorker>(broker_->endpoint(), "worker-" + std::to_string(i)));
    for (auto* worker : {others.back().get(), workers.back().get()}) {
      worker->pull(1, 0);
      worker->heartbeat({});  // after it: the pull brought nothing
    }
  }
  FakeWorker coordinating(broker_->endpoint(), "coordinating");
  const Job coordinator = coordinate(coordinating, 10);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 6));
  std::set<std::uint32_t> taken;
  for (const auto& worker : workers) taken.insert(worker->next_job().number);
  EXPECT_EQ(taken.size(), 6u);
}

TEST_F(BrokerTest, a_dead_letter_is_listed_requeued_and_purged) {
  start();
  FakeWorker worker(broker_->endpoint(), "w");
  worker.hello();
  SubmitTask submission = make_submission();
  submission.max_attempts = 1;
  client_->call<TaskAccepted>(submission);
  worker.pull(0, 1);
  const Job coordinator = worker.next_job();
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 1));
  worker.pull(2, 0);
  const Job first = worker.next_job();
  EXPECT_EQ(worker.report(first, Outcome::crashed, "", "signal 9"), CommitStatus::dead_lettered);
  const auto api = make_client(500ms);
  const std::vector<DeadLetter> letters = api->all_dead();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].job, first.job);
  EXPECT_NE(letters[0].reasons.at(0).find("signal 9"), std::string::npos);
  EXPECT_TRUE(api->requeue_dead({first.job}).changes.at(0).done);
  // It is leased without another word: the requeue wakes those that wait.
  const Job again = worker.next_job();
  EXPECT_EQ(again.job, first.job);
  EXPECT_GT(again.token, first.token);
  EXPECT_EQ(worker.report(again, Outcome::crashed, "", "signal 9"), CommitStatus::dead_lettered);
  EXPECT_TRUE(api->purge_dead({first.job}).changes.at(0).done);
  const DeadChanged none = api->purge_dead({first.job});
  EXPECT_FALSE(none.changes.at(0).done);
  EXPECT_FALSE(none.changes.at(0).reason.empty());
  EXPECT_TRUE(api->all_dead().empty());
}

TEST_F(BrokerTest, tasks_that_ended_are_forgotten_beyond_what_is_kept) {
  start({"--keep-finished", "cancelled=forever,1"});
  std::vector<TaskId> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.push_back(client_->call<TaskAccepted>(make_submission()).task);
    client_->call<Ok>(CancelTask{tasks.back()});
  }
  ListTasks all;
  while (client_->call<TaskList>(all).total > 1) {
  }
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{tasks[2]}).state, TaskState::cancelled);
  EXPECT_EQ(client_->refused(GetTask{tasks[0]}).code, "not_found");
}

TEST_F(BrokerTest, more_open_tasks_than_it_was_told_are_refused_with_a_retry_time) {
  start({"--max-open-tasks", "1"});
  const TaskId first = client_->call<TaskAccepted>(make_submission()).task;
  const ErrorReply refusal = client_->refused(make_submission());
  EXPECT_EQ(refusal.code, "overloaded");
  EXPECT_GT(refusal.retry_after_ms, 0u);
  client_->call<Ok>(CancelTask{first});
  client_->call<TaskAccepted>(make_submission());
}

TEST_F(BrokerTest, a_task_says_when_it_begins_and_that_nobody_can_serve_it) {
  start();
  SubmitTask submission = make_submission();
  submission.pool = "night";
  submission.tags = {"big"};
  submission.delay_ms = 3'600'000;
  submission.deadline_ms = 7'200'000;
  client_->call<TaskAccepted>(submission);
  const std::uint64_t now_ms = client_->call<Pong>(Ping{}).now_ms;
  const TaskInfo task = client_->call<TaskInfo>(GetTask{submission.task});
  EXPECT_TRUE(task.unserved);
  EXPECT_NE(task.demands.find("@night|tags=big"), std::string::npos);
  EXPECT_GT(task.begins_ms, now_ms);
  EXPECT_EQ(task.deadline_ms - task.begins_ms, 3'600'000u);
  EXPECT_TRUE(client_->call<TaskList>(ListTasks{}).tasks.at(0).unserved);
}

TEST(Retention, is_read_for_each_state_and_says_what_is_wrong) {
  const auto kept = broker::parse_retention({"done=7d,10", "failed=forever"});
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].age, std::chrono::hours(7 * 24));
  EXPECT_EQ(kept[0].count, 10u);
  EXPECT_FALSE(kept[1].age || kept[1].count);
  EXPECT_EQ(kept[2].age, std::chrono::hours(30 * 24));
  EXPECT_EQ(kept[2].count, 100'000u);
  for (const char* wrong : {"", "done", "running=7d", "done=soon", "done=7d,", "done=7d,many", "done=7d,-1"}) {
    EXPECT_THROW(broker::parse_retention({wrong}), Error) << wrong;
  }
}

}  // namespace
}  // namespace ns::test
