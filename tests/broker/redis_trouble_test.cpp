// What a broker does when its Redis is not as it should be: full, emptied, hanging, without its functions or its
// replicas, of other settings; and that the ACL rules of broker/README.md are enough.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>

#include "common/api/client.h"
#include "tests/broker/one_broker.h"
#include "tests/broker/redis_commands.h"

namespace ns::test {
namespace {

class RedisTroubleTest : public OneBroker {
 protected:
  void start(const std::vector<std::string>& redis_options = {}, const std::vector<std::string>& broker_options = {}) {
    redis_ = std::make_unique<RedisServer>(folder_.path(), true, redis_options);
    redis = std::make_unique<RedisCommands>(redis_->address());
    start_on(*redis_, broker_options);
  }
  void set(const std::string& name, const std::string& value) { (*redis)({"CONFIG", "SET", name, value}); }
  bool exists(const std::string& key) { return (*redis)({"EXISTS", key}).number() == 1; }

  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<RedisCommands> redis;
};

// ---- full

TEST_F(RedisTroubleTest, a_full_redis_does_nothing_by_half) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 2));
  worker.pull(1, 0);
  const Job trial = worker.next_job();
  set("maxmemory", std::to_string(std::stoull(redis->info("used_memory")) + 500'000));

  SubmitTask submission = make_submission();
  submission.spec = '"' + std::string(20'000, 'x') + '"';
  std::size_t accepted = 1;
  std::string refused;
  TaskId accepted_last;
  while (refused.empty() && accepted < 1000) {
    submission.task = make_task_id();
    try {
      accepted_last = client_->call<TaskAccepted>(submission).task;
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
      refused = submission.task.text;
    }
  }
  ASSERT_FALSE(refused.empty());
  set("maxmemory", "1");  // what the refused one gave back may be enough for something small
  EXPECT_FALSE(exists("ns:task:" + refused));
  EXPECT_FALSE(exists("ns:task:" + refused + ":events"));
  EXPECT_FALSE(exists("ns:job:" + refused));
  EXPECT_EQ(client_->call<TaskList>(ListTasks{}).total, accepted) << "reading goes on";
  EXPECT_EQ(client_->refused(make_trials(coordinator, 2, 1)).code, "unavailable");
  try {
    worker.report(trial, Outcome::succeeded);
    ADD_FAILURE() << "a result was committed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{coordinator.task}).trials_running, 1u);
  // What keeps leases, and what makes room, is done.
  EXPECT_TRUE(worker.heartbeat({trial}).lost.empty());
  client_->call<Ok>(CancelTask{accepted_last});
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{accepted_last}).state, TaskState::cancelled);

  set("maxmemory", "0");
  EXPECT_FALSE(client_->call<TaskAccepted>(submission).duplicate) << "nothing was left of the first try";
  EXPECT_EQ(worker.report(trial, Outcome::succeeded), CommitStatus::committed);
  EXPECT_EQ(client_->call<TrialsEnqueued>(make_trials(coordinator, 2, 1)).added, 1u);
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{coordinator.task}).trials_succeeded, 1u);
}

TEST_F(RedisTroubleTest, a_broker_that_comes_back_to_a_full_redis_reads) {
  start();
  const SubmitTask submission = make_submission();
  client_->call<TaskAccepted>(submission);
  const std::uint64_t connections = std::stoull(redis->info("total_connections_received"));
  set("maxmemory", "1");
  (*redis)({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  while (std::stoull(redis->info("total_connections_received")) == connections) {
  }
  EXPECT_EQ(make_client()->get_task(submission.task).task, submission.task);
  EXPECT_EQ(client_->refused(make_submission()).code, "unavailable");
}

// A file that may not grow stands for a disk without room.
TEST_F(RedisTroubleTest, a_full_disk_does_nothing_by_half) {
  const auto previous = ::signal(SIGXFSZ, SIG_IGN);  // for redis-server, which inherits it
  start();
  ::signal(SIGXFSZ, previous);
  const auto limit_files = [&](rlim_t bytes) {
    const rlimit limit{bytes, RLIM_INFINITY};
    ASSERT_EQ(::prlimit(redis_->process().pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  };
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  const std::string written(redis->info("aof_current_size"));
  limit_files(std::stoull(written) + 200'000);

  SubmitTask submission = make_submission();
  submission.spec = '"' + std::string(20'000, 'x') + '"';
  std::vector<TaskId> accepted{coordinator.task};
  std::string refused;
  while (refused.empty() && accepted.size() < 1000) {
    submission.task = make_task_id();
    try {
      accepted.push_back(client_->call<TaskAccepted>(submission).task);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
      EXPECT_NE(std::string(error.what()).find("AOF"), std::string::npos) << error.what();
      refused = submission.task.text;
    }
  }
  ASSERT_FALSE(refused.empty());
  EXPECT_FALSE(exists("ns:task:" + refused));
  EXPECT_EQ(client_->call<TaskList>(ListTasks{}).total, accepted.size()) << "reading goes on";
  try {
    worker.report(coordinator, Outcome::succeeded);
    ADD_FAILURE() << "a result was committed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }

  limit_files(RLIM_INFINITY);
  EXPECT_FALSE(make_client()->submit(submission).duplicate) << "nothing was left of the first try";
  accepted.push_back(submission.task);
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded), CommitStatus::committed);
  redis_->kill();
  redis_->restart();
  const auto client = make_client();
  for (const TaskId& task : accepted) EXPECT_EQ(client->get_task(task).task, task);
}

TEST_F(RedisTroubleTest, writes_that_redis_refuses_for_now_may_be_repeated) {
  start();
  const SubmitTask submission = make_submission();
  set("min-replicas-to-write", "1");
  EXPECT_EQ(client_->refused(submission).code, "unavailable");
  EXPECT_FALSE(exists("ns:task:" + submission.task.text));
  set("min-replicas-to-write", "0");
  EXPECT_FALSE(client_->call<TaskAccepted>(submission).duplicate);
}

// ---- emptied, or without its functions

TEST_F(RedisTroubleTest, an_emptied_redis_is_noticed_while_connected) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  const std::string before((*redis)({"GET", "ns:instance"}).text());
  EXPECT_EQ(before.size(), 32u);
  (*redis)({"FLUSHALL"});
  while (!exists("ns:instance")) {
  }
  EXPECT_NE((*redis)({"GET", "ns:instance"}).text(), before);
  client_->call<Pong>(Ping{});  // answered after what the broker asked before
  const auto pull = worker.requester().send(Pull{worker.id(), worker.session(), 9, 9});
  EXPECT_EQ(worker.requester().receive_error(pull).code, "unknown_peer");
  EXPECT_EQ(client_->refused(GetTask{coordinator.task}).code, "not_found");
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded), CommitStatus::stale);
  worker.hello();
  EXPECT_NE(coordinate(worker).task, coordinator.task);
}

TEST_F(RedisTroubleTest, a_redis_that_restarts_without_its_data_is_noticed) {
  start({"--appendonly", "no"});
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  redis_->kill();
  redis_->restart();
  EXPECT_GT(make_client()->ping().now_ms, 0u);
  const auto pull = worker.requester().send(Pull{worker.id(), worker.session(), 9, 9});
  EXPECT_EQ(worker.requester().receive_error(pull).code, "unknown_peer");
  worker.hello();
  EXPECT_NE(coordinate(worker).task, coordinator.task);
}

TEST_F(RedisTroubleTest, sessions_outlast_a_restart_that_keeps_the_data) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  redis_->kill();
  redis_->restart();
  EXPECT_GT(make_client()->ping().now_ms, 0u);
  EXPECT_TRUE(worker.heartbeat({coordinator}).lost.empty());
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 1));
  worker.pull(1, 0);
  EXPECT_EQ(worker.next_job().number, 0u);
}

TEST_F(RedisTroubleTest, a_lost_function_library_is_loaded_again) {
  start();
  (*redis)({"FUNCTION", "FLUSH"});
  EXPECT_EQ(client_->refused(make_submission()).code, "unavailable");
  EXPECT_FALSE(make_client()->submit(make_submission()).duplicate);
}

TEST_F(RedisTroubleTest, a_library_that_is_there_is_not_loaded_again) {
  start();
  const std::string loads = redis->info("cmdstat_function|load");
  EXPECT_NE(loads.find("calls=1,"), std::string::npos) << loads;
  BrokerProcess other(folder_.path(), redis_->address(), {}, "other");
  EXPECT_NE(redis->info("cmdstat_function|load").find("calls=1,"), std::string::npos);
}

// ---- hanging

TEST_F(RedisTroubleTest, whoever_waits_for_a_hanging_redis_is_told) {
  start();
  redis_->process().signal(SIGSTOP);
  EXPECT_EQ(client_->refused(Ping{}).code, "unavailable");
  redis_->process().signal(SIGCONT);
  EXPECT_GT(make_client()->ping().now_ms, 0u);
}

// ---- replicas

TEST_F(RedisTroubleTest, what_no_replica_has_is_not_acknowledged) {
  start({"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"});
  TempFolder other;
  RedisServer replica(other.path(), true);
  // Of a server on a Unix socket there is no replica: this one gets a port.
  set("port", std::to_string(free_port()));
  const std::string port((*redis)({"CONFIG", "GET", "port"}).at(1).text());
  RedisCommands at_replica(replica.address());
  at_replica({"REPLICAOF", "127.0.0.1", port});
  BrokerProcess careful(folder_.path(), redis_->address(), {"--replicas", "1"}, "careful");
  Requester client(careful.endpoint());

  const SubmitTask first = make_submission();
  // A slow machine may have the replica late at first.
  api::ClientOptions options;
  options.endpoints = {careful.endpoint()};
  options.deadline = 30s;
  api::Client patient(options);
  patient.submit(first);
  EXPECT_EQ(at_replica({"EXISTS", "ns:task:" + first.task.text}).number(), 1u);

  replica.process().signal(SIGSTOP);
  const SubmitTask second = make_submission();
  EXPECT_EQ(client.refused(second).code, "unavailable");
  const SubmitTask third = make_submission();
  EXPECT_EQ(client.refused(third).code, "unavailable");
  EXPECT_FALSE(exists("ns:task:" + third.task.text)) << "once it is known that replicas lack, nothing is written";
  EXPECT_EQ(client.call<TaskInfo>(GetTask{first.task}).task, first.task) << "reading goes on";

  replica.process().signal(SIGCONT);
  EXPECT_TRUE(patient.submit(second).duplicate) << "it was written, and not known to be replicated";
  EXPECT_EQ(at_replica({"EXISTS", "ns:task:" + second.task.text}).number(), 1u);
  EXPECT_FALSE(patient.submit(third).duplicate);
}

TEST_F(RedisTroubleTest, leases_do_not_wait_for_replicas_and_results_do) {
  start();
  TempFolder other;
  RedisServer replica(other.path(), true);
  set("port", std::to_string(free_port()));
  RedisCommands(replica.address())({"REPLICAOF", "127.0.0.1", (*redis)({"CONFIG", "GET", "port"}).at(1).text()});
  BrokerProcess careful(folder_.path(), redis_->address(), {"--replicas", "1"}, "careful");
  FakeWorker worker(careful.endpoint(), "w1");
  api::ClientOptions options;
  options.endpoints = {careful.endpoint()};
  options.deadline = 30s;
  api::Client(options).submit(make_submission());  // patiently: the replica may be late at first
  replica.process().signal(SIGSTOP);
  worker.pull(0, 1);
  const Job coordinator = worker.next_job();
  EXPECT_THROW(worker.report(coordinator, Outcome::succeeded, R"({"met":true})"), Error);
  replica.process().signal(SIGCONT);
  std::optional<CommitStatus> status;
  while (!status) {
    try {
      status = worker.report(coordinator, Outcome::succeeded, R"({"met":true})");
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::unavailable) << error.what();
    }
  }
  EXPECT_EQ(status, CommitStatus::committed) << "the same answer to the same report";
}

// ---- what a broker asks of its Redis before it begins

class RefusedTest : public RedisTroubleTest {
 protected:
  void start_redis(const std::vector<std::string>& options) {
    redis_ = std::make_unique<RedisServer>(folder_.path(), true, options);
  }
  // The sentence with which a broker ends at once.
  std::string refusal(const std::string& options) {
    Process broker({"sh", "-c",
                    "exec " NS_BIN_DIR "/ns-broker --log-level off --redis " + redis_->address() + " --listen ipc://" +
                        (folder_.path() / "b.sock").string() + " --artifacts " + (folder_.path() / "a").string() + " " +
                        options + " 2>&1"});
    const std::string line = broker.wait_for_line("ns-broker");
    if (line.find("ready") != std::string::npos) return line;
    EXPECT_NE(broker.wait(), 0);
    return line;
  }
  void expect_refused(const std::string& options, const std::string& with) {
    const std::string line = refusal(options);
    EXPECT_NE(line.find(with), std::string::npos) << line;
  }
  static constexpr const char* kReady = "ns-broker ready";
};

TEST_F(RefusedTest, durability_that_redis_is_not_set_for) {
  start_redis({"--appendonly", "no"});
  expect_refused("", "'appendonly yes'");
  expect_refused("--durability none", kReady);
  redis_->kill();
  start_redis({"--appendfsync", "everysec"});
  expect_refused("", kReady);
  expect_refused("--durability always", "'appendfsync always'");
  redis_->kill();
  start_redis({"--appendfsync", "always"});
  expect_refused("--durability always", kReady);
}

TEST_F(RefusedTest, a_redis_that_would_throw_tasks_away) {
  start_redis({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  expect_refused("", "'maxmemory-policy noeviction'");
}

TEST_F(RefusedTest, data_of_another_schema) {
  start_redis({});
  RedisCommands commands(redis_->address());
  commands({"SET", "ns:schema", "1"});
  expect_refused("", "schema '1'");
}

// ---- the rules of broker/README.md

class AclTest : public RefusedTest {
 protected:
  // The line of broker/README.md that begins so, with the password that it leaves open.
  std::string rule(const std::string& begin) {
    std::ifstream readme(NS_SOURCE_DIR "/broker/README.md");
    for (std::string line; std::getline(readme, line);) {
      if (line.compare(0, begin.size(), begin) != 0) continue;
      const std::size_t password = line.find("PASSWORD");
      if (password != std::string::npos) line.replace(password, 8, "secret");
      return line;
    }
    throw std::runtime_error("broker/README.md has no line '" + begin + "…'");
  }
  std::string password_file() {
    const std::string file = (folder_.path() / "password").string();
    std::ofstream(file) << "secret\n";
    ::chmod(file.c_str(), 0600);
    return file;
  }
  void start_redis_with_users() {
    const std::string users = (folder_.path() / "users.acl").string();
    std::ofstream(users) << rule("user ns-broker ") << '\n'
                         << rule("user ns-inspector ") << '\n'
                         << rule("user default ") << '\n'
                         << "user all on nopass ~* &* +@all\n";
    start_redis({"--aclfile", users});
  }
  std::unique_ptr<RedisCommands> log_in(const std::string& user, const std::string& password) {
    auto commands = std::make_unique<RedisCommands>(redis_->address());
    (*commands)({"AUTH", user, password});
    return commands;
  }
  static bool is_denied(RedisCommands& commands, const broker::store::Arguments& words) {
    try {
      commands(words);
      return false;
    } catch (const Error& error) {
      return std::string(error.what()).find("NOPERM") != std::string::npos;
    }
  }
};

TEST_F(AclTest, a_brokers_rule_is_enough_for_everything_it_does) {
  start_redis_with_users();
  broker_ = std::make_unique<BrokerProcess>(
      folder_.path(), redis_->address(),
      std::vector<std::string>{"--redis-user", "ns-broker", "--redis-password-file", password_file(), "--durability",
                               "everysec", "--lease", "300", "--heartbeat", "100", "--advertise", "tcp://127.0.0.1:1"});
  client_ = std::make_unique<Requester>(broker_->endpoint());
  FakeWorker worker(broker_->endpoint(), "w1");
  const Job coordinator = coordinate(worker);
  client_->call<TrialsEnqueued>(make_trials(coordinator, 0, 6));
  worker.pull(4, 0);
  std::vector<Job> trials;
  for (int i = 0; i < 4; ++i) trials.push_back(worker.next_job());
  worker.requester().send(ReportMetrics{worker.id(), {{trials[0].job, trials[0].token, 0, R"({"loss":0.5})"}}});
  EXPECT_EQ(worker.report(trials[0], Outcome::succeeded), CommitStatus::committed);
  EXPECT_EQ(worker.report(trials[1], Outcome::crashed, "", "signal 11"), CommitStatus::retrying);
  EXPECT_EQ(worker.report(trials[2], Outcome::handed_back), CommitStatus::committed);
  client_->call<Ok>(StopTrial{coordinator.task, coordinator.token, 5});
  client_->call<Ok>(AppendEvent{coordinator.task, coordinator.token, "note.x", "{}"});
  worker.heartbeat({coordinator});
  // The fourth runs out, which is found by the sweep.
  ReadEvents read{coordinator.task, "0", 256, 50, {}};  // short: the coordinator's lease is kept meanwhile
  read.types = {"trial.retrying"};
  for (std::size_t seen = 0; seen < 2;) {
    const Events some = client_->call<Events>(read);
    seen += some.events.size();
    read.after = some.next;
    worker.heartbeat({coordinator});
  }
  client_->call<TaskList>(ListTasks{});
  client_->call<TrialList>(GetTrials{coordinator.task, 0, 10});
  client_->call<WorkerList>(ListWorkers{});
  client_->call<QueueInfo>(GetQueue{});
  client_->call<Ok>(CancelTask{coordinator.task});
  worker.requester().receive<StopJob>();
  worker.requester().call<Ok>(Goodbye{worker.id(), worker.session()});
  EXPECT_EQ(client_->call<TaskInfo>(GetTask{coordinator.task}).state, TaskState::cancelled);

  const auto all = log_in("all", "");
  const auto denials = (*all)({"ACL", "LOG"});
  EXPECT_TRUE(denials.list().empty()) << denials.at(0).at(5).text();
}

TEST_F(AclTest, a_broker_may_do_nothing_else) {
  start_redis_with_users();
  const auto broker = log_in("ns-broker", "secret");
  for (const broker::store::Arguments& words : {broker::store::Arguments("FLUSHALL"),
                                                {"FLUSHDB"},
                                                {"CONFIG", "SET", "appendonly", "no"},
                                                {"SET", "other", "x"},
                                                {"GET", "other"},
                                                {"KEYS", "*"},
                                                {"SHUTDOWN"},
                                                {"EVAL", "return 1", "0"},
                                                {"FUNCTION", "FLUSH"},
                                                {"PUBLISH", "other", "x"},
                                                {"SUBSCRIBE", "other"},
                                                {"ACL", "LIST"}}) {
    EXPECT_TRUE(is_denied(*broker, words)) << words.words();
  }
  EXPECT_FALSE(is_denied(*broker, {"SET", "ns:x", "x"}));
}

TEST_F(AclTest, an_inspector_looks_and_changes_nothing) {
  start_redis_with_users();
  const auto inspector = log_in("ns-inspector", "secret");
  for (const broker::store::Arguments& words : {broker::store::Arguments("HGETALL", "ns:depth"),
                                                {"ZRANGE", "ns:leases", "0", "-1"},
                                                {"XRANGE", "ns:task:x:events", "-", "+"},
                                                {"SCAN", "0"},
                                                {"TYPE", "ns:x"},
                                                {"INFO"},
                                                {"PING"}}) {
    EXPECT_FALSE(is_denied(*inspector, words)) << words.words();
  }
  for (const broker::store::Arguments& words : {broker::store::Arguments("HSET", "ns:depth", "1", "1"),
                                                {"DEL", "ns:tasks"},
                                                {"FLUSHALL"},
                                                {"GET", "other"},
                                                {"FCALL", "ns3_ping", "0"},
                                                {"CONFIG", "GET", "*"},
                                                {"PUBLISH", "ns:wake:work", ""}}) {
    EXPECT_TRUE(is_denied(*inspector, words)) << words.words();
  }
}

TEST_F(AclTest, who_may_not_come_in_is_told_why) {
  start_redis_with_users();
  expect_refused("", "--redis-user");
  const std::string password = password_file();
  expect_refused("--redis-user nobody --redis-password-file " + password, "user 'nobody'");
  expect_refused("--redis-user ns-inspector --redis-password-file " + password, "broker/README.md");
  ::chmod(password.c_str(), 0644);
  expect_refused("--redis-user ns-broker --redis-password-file " + password, "chmod 600");
  expect_refused("--redis-user ns-broker", "--redis-password-file");
}

}  // namespace
}  // namespace ns::test
