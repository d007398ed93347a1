// A primary, a replica and three sentinels, as processes on loopback: brokers follow the primary, and what was
// acknowledged with --replicas outlives it.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <fstream>
#include <memory>
#include <optional>

#include "broker/store/sentinels.h"
#include "common/api/client.h"
#include "tests/broker/peers.h"
#include "tests/broker/redis_commands.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

std::string on_port(int port) { return "tcp://127.0.0.1:" + std::to_string(port); }

class SentinelTest : public ::testing::Test {
 protected:
  static constexpr int kSentinels = 3;

  struct Node {
    int port = free_port();
    TempFolder folder;
    std::unique_ptr<RedisServer> server;

    void start(int primary) {
      std::vector<std::string> options{"--port", std::to_string(port), "--repl-diskless-sync-delay", "0"};
      if (primary != port) options.insert(options.end(), {"--replicaof", "127.0.0.1", std::to_string(primary)});
      server = std::make_unique<RedisServer>(folder.path(), true, options);
    }
  };

  void start() {
    for (Node& node : nodes_) node.start(nodes_[0].port);
    for (int i = 0; i < kSentinels; ++i) start_sentinel(i);
    // Until each knows the replica and that enough others agree.
    for (const int port : sentinel_ports_) {
      RedisCommands sentinel(on_port(port));
      while (!is_ready(sentinel)) {
      }
    }
  }
  static bool is_ready(RedisCommands& sentinel) {
    try {
      sentinel({"SENTINEL", "CKQUORUM", "ns"});
    } catch (const Error&) {
      return false;
    }
    return !sentinel({"SENTINEL", "REPLICAS", "ns"}).list().empty();
  }
  void start_sentinel(int number) {
    const int port = free_port();
    const auto file = folder_.path() / ("sentinel-" + std::to_string(number) + ".conf");
    std::ofstream(file) << "port " << port << "\nlogfile \"\"\ndir " << folder_.path().string()
                        << "\nsentinel monitor ns 127.0.0.1 " << nodes_[0].port << " 2\n"
                        << "sentinel down-after-milliseconds ns 500\nsentinel failover-timeout ns 3000\n";
    sentinels_.push_back(
        std::make_unique<Process>(std::vector<std::string>{"redis-server", file.string(), "--sentinel"}));
    while (sentinels_.back()->wait_for_line("").find("Sentinel ID is") == std::string::npos) {
    }
    sentinel_ports_.push_back(port);
    // Sentinels look at things each second or more seldom, as is right between hosts.
    RedisCommands(on_port(port))({"SENTINEL", "DEBUG", "INFO-PERIOD", "200", "PUBLISH-PERIOD", "200", "PING-PERIOD",
                                  "100", "ASK-PERIOD", "100"});
  }
  std::string address() {
    std::string text = "sentinel://";
    for (const int port : sentinel_ports_) {
      text += (port == sentinel_ports_.front() ? "" : ",") + ("127.0.0.1:" + std::to_string(port));
    }
    return text + "/ns";
  }
  std::unique_ptr<api::Client> make_client(const BrokerProcess& broker) {
    api::ClientOptions options;
    options.endpoints = {broker.endpoint()};
    options.deadline = 150s;
    return std::make_unique<api::Client>(options);
  }

  TempFolder folder_;
  std::array<Node, 2> nodes_;
  std::vector<std::unique_ptr<Process>> sentinels_;
  std::vector<int> sentinel_ports_;
};

TEST_F(SentinelTest, nothing_that_was_acknowledged_is_lost_with_the_primary) {
  start();
  BrokerProcess broker(folder_.path(), address(), {"--replicas", "1", "--durability", "everysec"});
  const auto client = make_client(broker);
  FakeWorker worker(broker.endpoint(), "w1");
  std::vector<TaskId> acknowledged;
  const auto submit = [&] {
    const SubmitTask submission = make_submission();
    client->submit(submission);
    acknowledged.push_back(submission.task);
  };
  for (int i = 0; i < 50; ++i) submit();
  worker.pull(0, 1);
  const Job coordinator = worker.next_job();

  nodes_[0].server->kill();
  nodes_[0].start(nodes_[1].port);  // comes back as the replica of the one that takes over
  submit();                         // as soon as that one has a replica
  RedisCommands now_primary(on_port(nodes_[1].port));
  EXPECT_EQ(now_primary.info("role"), "master");
  for (const TaskId& task : acknowledged) EXPECT_EQ(client->get_task(task).task, task);
  EXPECT_EQ(worker.report(coordinator, Outcome::succeeded), CommitStatus::committed) << "under the same token";
}

TEST_F(SentinelTest, a_primary_that_hangs_is_left_for_the_one_that_takes_over) {
  start();
  BrokerProcess broker(folder_.path(), address());
  const auto client = make_client(broker);
  client->submit(make_submission());
  nodes_[0].server->process().signal(SIGSTOP);
  const SubmitTask submission = make_submission();
  client->submit(submission);
  EXPECT_EQ(RedisCommands(on_port(nodes_[1].port))({"EXISTS", "ns:task:" + submission.task.text}).number(), 1u);
  nodes_[0].server->process().signal(SIGCONT);
}

TEST_F(SentinelTest, is_found_through_any_that_answers) {
  start();
  std::vector<broker::store::Address> sentinels{{"", "127.0.0.1", 1}};
  sentinels_[0]->signal(SIGSTOP);
  for (const int port : sentinel_ports_) sentinels.push_back({"", "127.0.0.1", port});
  net::PollLoop loop;
  broker::store::Sentinels finder(loop, sentinels, "ns");
  std::optional<broker::store::Address> found;
  std::optional<Error> unknown;
  const auto ask = [&](broker::store::Sentinels& asked) {
    found.reset();
    unknown.reset();
    asked.find_primary([&](const broker::store::Address& address) { found = address; },
                       [&](const Error& error) { unknown = error; });
    while (!found && !unknown) loop.turn(100ms);
  };
  ask(finder);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (broker::store::Address{"", "127.0.0.1", nodes_[0].port}));
  broker::store::Sentinels stranger(loop, sentinels, "another");
  ask(stranger);
  ASSERT_TRUE(unknown);
  EXPECT_NE(std::string(unknown->what()).find("'another'"), std::string::npos) << unknown->what();
  sentinels_[0]->signal(SIGCONT);
}

}  // namespace
}  // namespace ns::test
