// Real processes that speak over tcp:// with keys, made and given as a person would.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/system/stack.h"

namespace ns::testing {
namespace {

using Json = nlohmann::json;

class Secured : public ::testing::Test {
 protected:
  struct Finished {
    int status = 0;
    std::string output;  // of both kinds
  };
  Finished run(const std::string& command) const {
    FILE* pipe = popen(("cd " + folder_.path().string() + " && export PATH=" + binary("").string() +
                        ":$PATH NS_BROKER= NS_KEY= NS_BROKER_KEY= && (" + command + ") 2>&1")
                           .c_str(),
                       "r");
    if (pipe == nullptr) throw std::runtime_error("no process can be made");
    Finished finished;
    char buffer[4096];
    for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) finished.output.append(buffer, count);
    finished.status = WEXITSTATUS(pclose(pipe));
    return finished;
  }
  std::string path(const std::string& name) const { return folder_.path() / name; }

  TempFolder folder_;
};

TEST_F(Secured, a_task_runs_over_tcp_and_an_unlisted_key_is_refused) {
  Finished finished =
      run("set -e; for name in broker node alice mallory; do ns-client keys new $name.key; done;"
          "echo \"worker $(cat node.key.pub) node\" >> authorized-keys;"
          "echo \"client $(cat alice.key.pub) alice\" >> authorized-keys");
  ASSERT_EQ(finished.status, 0) << finished.output;

  RedisServer redis(folder_.path());
  BrokerProcess broker(
      folder_.path(), redis.address(),
      {"--listen", "tcp://127.0.0.1:*", "--key", path("broker.key"), "--authorized-keys", path("authorized-keys")});
  Worker worker({binary("ns-worker"), "--cpus", "0", "--cache", path("cache"), "--log-level", "warning", "--broker",
                 broker.tcp_endpoint(), "--key", path("node.key"), "--broker-key", path("broker.key.pub")});

  std::ofstream(path("task.yaml")) << "kind: experiment\ncommand: "
                                   << Json({binary("trial_program").string(), "report"}).dump()
                                   << "\nsearch_space: {x: {_type: uniform, _value: [0, 1]}}\nseed: 3\n"
                                      "stop: {max_trials: 2}\n";
  const std::string keys = " --broker " + broker.tcp_endpoint() + " --broker-key broker.key.pub --key ";
  finished = run("ns-client submit task.yaml --wait" + keys + "alice.key");
  ASSERT_EQ(finished.status, 0) << finished.output;
  finished = run("ns-client result last --json" + keys + "alice.key");
  ASSERT_EQ(finished.status, 0) << finished.output;

  // By the environment and by the settings file as well.
  finished =
      run("NS_BROKER=" + broker.tcp_endpoint() + " NS_KEY=alice.key NS_BROKER_KEY=broker.key.pub ns-client list");
  EXPECT_EQ(finished.status, 0) << finished.output;
  std::ofstream(path("config.yaml")) << "broker: " << broker.tcp_endpoint()
                                     << "\nkey: alice.key\nbroker_key: broker.key.pub\n";
  finished = run("cd / && ns-client list --config " + path("config.yaml"));
  EXPECT_EQ(finished.status, 0) << finished.output;

  finished = run("ns-client list --json" + keys + "mallory.key");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_EQ(Json::parse(finished.output)["error"]["code"], "forbidden") << finished.output;
  finished = run("ns-client list --json --broker " + broker.tcp_endpoint());
  EXPECT_EQ(Json::parse(finished.output)["error"]["code"], "forbidden") << finished.output;
  finished = run("ns-client submit task.yaml" + keys + "node.key");
  EXPECT_NE(finished.status, 0) << "a worker's key may not submit: " << finished.output;
}

TEST_F(Secured, a_broker_refuses_to_listen_beyond_this_machine_without_keys) {
  const std::string command = "ns-broker --redis unix:/nowhere --artifacts . --listen 'tcp://*:1' ";
  Finished finished = run(command);
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("ns-client keys new broker.key"), std::string::npos) << finished.output;
  finished = run("ns-client keys new a.key && chmod 644 a.key && : > list && " + command +
                 "--key a.key --authorized-keys list");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("chmod 600 a.key"), std::string::npos) << finished.output;
}

}  // namespace
}  // namespace ns::testing
