// A broker with keys: who may connect, who may send what, and what it refuses to listen on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>

#include "broker/handlers/handlers.h"
#include "broker/listening.h"
#include "common/api/client.h"
#include "common/net/keys.h"
#include "tests/broker/peers.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

class SecurityTest : public ::testing::Test {
 protected:
  SecurityTest() : redis_(folder_.path()) {
    net::write_key_files(folder_.path() / "broker.key", broker_keys_);
    for (const char* role : {"client", "worker", "admin"}) add(role, role);
    broker_ = std::make_unique<BrokerProcess>(
        folder_.path(), redis_.address(),
        std::vector<std::string>{"--listen", "tcp://127.0.0.1:*", "--key", folder_.path() / "broker.key",
                                 "--authorized-keys", list_file()});
  }

  std::string list_file() const { return folder_.path() / "authorized-keys"; }
  // Makes a key and lists it; the broker reads the list at reload().
  void add(const std::string& role, const std::string& name) {
    keys_[name] = {net::make_key_pair(), broker_keys_.public_key};
    std::ofstream(list_file(), std::ios::app) << role << ' ' << keys_[name].own.public_key << ' ' << name << '\n';
  }
  void reload() { broker_->process().signal(SIGHUP); }
  std::unique_ptr<Requester> connect(const std::string& name) {
    return std::make_unique<Requester>(broker_->tcp_endpoint(), keys_.at(name));
  }

  const net::KeyPair broker_keys_ = net::make_key_pair();
  TempFolder folder_;
  RedisServer redis_;
  std::map<std::string, net::PeerKeys> keys_;
  std::unique_ptr<BrokerProcess> broker_;
};

TEST_F(SecurityTest, a_task_is_submitted_leased_and_ended_by_those_whose_role_it_is) {
  const auto client = connect("client");
  FakeWorker worker(broker_->tcp_endpoint(), "w1", {"quantize"}, keys_.at("worker"));
  const SubmitTask submission = make_submission();
  client->call<TaskAccepted>(submission);
  worker.pull(1, 1);
  const Job coordinator = worker.next_job();
  worker.requester().call<TrialsEnqueued>(make_trials(coordinator, 0, 1));
  EXPECT_EQ(worker.report(worker.next_job(), Outcome::succeeded), CommitStatus::committed);
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded), CommitStatus::committed);
  EXPECT_EQ(client->call<TaskInfo>(GetTask{submission.task}).state, TaskState::done);
  EXPECT_EQ(connect("admin")->call<TaskList>(ListTasks{}).total, 1u);
}

TEST_F(SecurityTest, a_role_may_not_send_what_is_anothers) {
  const auto client = connect("client");
  Hello hello;
  hello.worker = {"w1"};
  hello.kinds = {"quantize"};
  const ErrorReply refusal = client->refused(hello);
  EXPECT_EQ(refusal.code, "forbidden");
  EXPECT_NE(refusal.message.find("the role client"), std::string::npos);
  EXPECT_EQ(client->refused(EnqueueTrials{make_task_id(), 1, {}}).code, "forbidden");
  const auto worker = connect("worker");
  EXPECT_EQ(worker->refused(make_submission()).code, "forbidden");
  EXPECT_EQ(worker->refused(CancelTask{make_task_id()}).code, "forbidden");
  EXPECT_EQ(connect("admin")->refused(hello).code, "forbidden");
  // What crosses no border of a role is answered as ever.
  EXPECT_EQ(worker->refused(GetTask{make_task_id()}).code, "not_found");
}

TEST_F(SecurityTest, a_workers_key_may_not_pass_for_a_worker_with_another) {
  FakeWorker worker(broker_->tcp_endpoint(), "w1", {"quantize"}, keys_.at("worker"));
  connect("client")->call<TaskAccepted>(make_submission());
  worker.pull(0, 1);
  const Job job = worker.next_job();
  add("worker", "other");
  reload();
  // Until the signal has been seen it is not let in.
  std::unique_ptr<FakeWorker> other;
  while (other == nullptr) {
    api::ClientOptions options;
    options.endpoints = {broker_->tcp_endpoint()};
    options.keys = keys_.at("other");
    try {
      api::Client(options).ping();
      other = std::make_unique<FakeWorker>(broker_->tcp_endpoint(), "w2", std::vector<std::string>{"quantize"},
                                           keys_.at("other"));
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::forbidden);
    }
  }
  Requester& forger = other->requester();
  Hello hello;
  hello.worker = worker.id();
  hello.kinds = {"quantize"};
  EXPECT_EQ(forger.refused(hello).code, "forbidden");
  EXPECT_EQ(forger.refused(Goodbye{worker.id(), worker.session()}).code, "forbidden");
  EXPECT_EQ(forger.refused(ReportResults{worker.id(), {{job.job, job.token, Outcome::succeeded, "{}", ""}}}).code,
            "forbidden");
  EXPECT_EQ(forger.refused(Heartbeat{worker.id(), worker.session(), 0, 0, {}}).code, "unknown_peer");
  EXPECT_EQ(forger.refused(Pull{worker.id(), worker.session(), 1, 1}).code, "unknown_peer");
  EXPECT_TRUE(worker.heartbeat({job}).lost.empty());
  EXPECT_EQ(worker.report(job, Outcome::succeeded), CommitStatus::committed);
}

TEST_F(SecurityTest, an_unlisted_key_is_forbidden_and_a_plain_connection_gets_nowhere) {
  api::ClientOptions options;
  options.endpoints = {broker_->tcp_endpoint()};
  options.deadline = 1h;
  for (const net::PeerKeys& keys : {net::PeerKeys{net::make_key_pair(), broker_keys_.public_key}, net::PeerKeys{}}) {
    options.keys = keys;
    try {
      api::Client(options).ping();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::forbidden);
    }
  }
}

TEST_F(SecurityTest, the_list_is_read_again_without_disturbing_who_is_connected) {
  FakeWorker worker(broker_->tcp_endpoint(), "w1", {"quantize"}, keys_.at("worker"));
  const auto client = connect("client");
  client->call<Pong>(Ping{});
  add("client", "new");
  reload();
  // Refused until the signal has been seen, then let in: the library gives up at once, so it is asked again.
  api::ClientOptions options;
  options.endpoints = {broker_->tcp_endpoint()};
  options.keys = keys_.at("new");
  const auto is_in = [&] {
    try {
      return api::Client(options).ping().now_ms > 0;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::forbidden);
      return false;
    }
  };
  while (!is_in()) {
  }
  EXPECT_TRUE(worker.heartbeat({}).lost.empty()) << "its session went on";
  client->call<Pong>(Ping{});
}

TEST_F(SecurityTest, a_key_taken_from_the_list_is_refused_on_its_open_connection) {
  const auto client = connect("client");
  client->call<Pong>(Ping{});
  std::ofstream(list_file()) << "worker " << keys_.at("worker").own.public_key << " w\n";
  reload();
  // Until the signal has been seen, pings are answered.
  for (;;) {
    try {
      client->call<Pong>(Ping{});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::forbidden);
      break;
    }
  }
}

TEST_F(SecurityTest, the_ipc_endpoint_beside_it_needs_no_key) {
  Requester local(broker_->endpoint());
  local.call<TaskAccepted>(make_submission());
  FakeWorker worker(broker_->endpoint(), "w1");
  EXPECT_TRUE(worker.heartbeat({}).lost.empty());
}

TEST(Listening, loopback_is_told_from_what_others_can_reach) {
  for (const char* endpoint :
       {"tcp://127.0.0.1:1", "tcp://127.1.2.3:*", "tcp://localhost:1", "tcp://[::1]:1", "tcp://lo:1"}) {
    EXPECT_TRUE(broker::is_loopback(endpoint)) << endpoint;
  }
  for (const char* endpoint : {"tcp://*:1", "tcp://0.0.0.0:1", "tcp://10.0.0.1:1", "tcp://127.evil.example:1",
                               "tcp://[::]:1", "tcp://eth0:1", "tcp://127.0.0.1.evil:1", "ipc:///x", "tcp://"}) {
    EXPECT_FALSE(broker::is_loopback(endpoint)) << endpoint;
  }
}

std::string refusal_of(const broker::Options& options) {
  try {
    broker::require_safe_listening(options);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Listening, beyond_this_machine_needs_keys_and_says_which_commands_make_them) {
  broker::Options options;
  options.listen = {"tcp://127.0.0.1:7711", "tcp://*:7711"};
  EXPECT_NE(refusal_of(options).find("ns-client keys new"), std::string::npos);
  EXPECT_NE(refusal_of(options).find("'tcp://*:7711'"), std::string::npos);
  options.key = "k";
  EXPECT_NE(refusal_of(options).find("--authorized-keys"), std::string::npos);
  options.authorized_keys = "a";
  EXPECT_EQ(refusal_of(options), "");
  options.key = options.authorized_keys = "";
  options.insecure = true;
  EXPECT_EQ(refusal_of(options), "");
}

TEST(Listening, a_socket_in_a_folder_where_others_may_write_is_refused) {
  const TempFolder folder;
  broker::Options options;
  options.listen = {"ipc://" + (folder.path() / "broker.sock").string()};
  EXPECT_EQ(refusal_of(options), "");
  ::chmod(folder.path().c_str(), 0777);
  EXPECT_NE(refusal_of(options).find("chmod go-w"), std::string::npos);
  options.listen = {"ipc://@abstract"};
  EXPECT_NE(refusal_of(options).find("abstract"), std::string::npos);
  options.insecure = true;
  EXPECT_EQ(refusal_of(options), "");
}

TEST(Roles, each_may_send_what_it_needs_and_a_local_peer_everything) {
  using broker::may_send;
  using broker::Senders;
  using net::Role;
  const std::map<Senders, std::vector<Role>> table{{Senders::anyone, {Role::client, Role::worker, Role::admin}},
                                                   {Senders::clients, {Role::client, Role::admin}},
                                                   {Senders::workers, {Role::worker}},
                                                   {Senders::operators, {Role::admin}}};
  for (const auto& [senders, roles] : table) {
    EXPECT_TRUE(may_send(Role::local, senders));
    EXPECT_FALSE(may_send(Role::none, senders));
    for (const Role role : {Role::client, Role::worker, Role::admin}) {
      EXPECT_EQ(may_send(role, senders), std::count(roles.begin(), roles.end(), role) == 1);
    }
  }
}

}  // namespace
}  // namespace ns::test
