// Three hosts: Redis and a broker on the first, a broker on the second, workers on all, and someone who submits from a
// fourth. The brokers share no folder. The second host is cut off in the middle, and returns.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "common/net/keys.h"
#include "common/sha256.h"
#include "tests/system/network.h"
#include "tests/system/stack.h"

namespace ns::testing {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kDigits = NS_SOURCE_DIR "/client/examples/digits";
constexpr int kVisitor = 4;

class Hosts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string obstacle = Network::obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
    network_ = std::make_unique<Network>(kVisitor);
    network_->enter(kVisitor);
    make_keys();
    start_redis();
    start_broker(1);
    start_broker(2);
  }

  static std::string endpoint(int host) { return "tcp://" + Network::address(host) + ":7711"; }
  std::filesystem::path folder(int host) const { return folder_.path() / ("host" + std::to_string(host)); }

  std::string path(const std::string& name) const { return folder_.path() / name; }

  // One key for the brokers, one for the workers, one for whoever submits.
  void make_keys() {
    std::ofstream list(path("authorized-keys"));
    for (const std::string name : {"broker", "worker", "client"}) {
      net::write_key_files(path(name + ".key"), net::make_key_pair());
      if (name != "broker") list << name << " " << net::read_public_key(path(name + ".key.pub")) << "\n";
    }
  }

  void start_redis() {
    std::filesystem::create_directories(folder(1) / "redis");
    redis_ = std::make_unique<Process>(
        network_->at(1, {"redis-server", "--bind", Network::address(1), "--protected-mode", "no", "--dir",
                         folder(1) / "redis", "--appendonly", "yes", "--save", "", "--logfile", ""}));
    while (redis_->wait_for_line("").find("Ready to accept connections") == std::string::npos) continue;
  }

  void start_broker(int host) {
    brokers_[host] = std::make_unique<Process>(
        network_->at(host, {binary("ns-broker"), "--redis", "tcp://" + Network::address(1) + ":6379", "--listen",
                            endpoint(host), "--advertise", endpoint(host), "--artifacts", folder(host) / "artifacts",
                            "--key", path("broker.key"), "--authorized-keys", path("authorized-keys"), "--lease",
                            "5000", "--heartbeat", "1000", "--log-level", "warning"}));
    brokers_[host]->wait_for_line("ns-broker ready");
  }

  // Tries the brokers in this order.
  Worker& start_worker(int host, const std::vector<int>& brokers) {
    std::vector<std::string> words = {binary("ns-worker"),
                                      "--cpus",
                                      "0",
                                      "--slots",
                                      "2",
                                      "--cache",
                                      folder(host) / "cache",
                                      "--log-level",
                                      "warning",
                                      "--key",
                                      path("worker.key"),
                                      "--broker-key",
                                      path("broker.key.pub")};
    for (const int broker : brokers) words.insert(words.end(), {"--broker", endpoint(broker)});
    return *(workers_[host] = std::make_unique<Worker>(network_->at(host, words)));
  }

  api::Client& client(int broker) {
    auto& client = clients_[broker];
    if (!client) {
      api::ClientOptions options;
      options.endpoints = {endpoint(broker)};
      options.keys = net::read_peer_keys(path("client.key"), path("broker.key.pub"));
      options.deadline = std::chrono::seconds(60);
      client = std::make_unique<api::Client>(options);
    }
    return *client;
  }

  bool holds(int broker, const std::string& artifact) const {
    const std::string digits = artifact.substr(artifact.find(':') + 1);
    return std::filesystem::exists(folder(broker) / "artifacts" / "sha256" / digits.substr(0, 2) / digits);
  }
  std::string fetch(int broker, const std::string& artifact) {
    const std::filesystem::path target = folder_.path() / "fetched";
    client(broker).get_artifact({artifact}, target);
    return artifact_id_of_file(target).text;
  }

  TempFolder folder_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Process> redis_;
  std::map<int, std::unique_ptr<Process>> brokers_;
  std::map<int, std::unique_ptr<Worker>> workers_;
  std::map<int, std::unique_ptr<api::Client>> clients_;
};

// The digits example, with fewer trials.
std::string quantize_file() {
  std::ifstream file(kDigits / "task.yaml");
  std::stringstream text;
  text << file.rdbuf();
  return std::regex_replace(text.str(), std::regex("max_trials: [0-9]+"), "max_trials: 6");
}

constexpr auto kSucceeded = [](const Event& event) { return event.type == "trial.succeeded"; };

TEST_F(Hosts, a_host_is_cut_off_in_mid_task_and_serves_again_when_it_returns) {
  // The model and its data are uploaded to the first host, and reach a worker through the second host's broker.
  const TaskId quantize = submit_file(client(1), quantize_file(), kDigits);
  const std::string model = Json::parse(client(1).get_task(quantize).spec).at("model");
  EXPECT_TRUE(holds(1, model));
  EXPECT_FALSE(holds(2, model));
  start_worker(3, {2, 1});
  wait_for_event(client(1), quantize, "a trial on the third host", kSucceeded);
  EXPECT_TRUE(holds(2, model));

  // More trials that wait than the others have slots for: the second host has one, and is cut off with it.
  start_worker(1, {1, 2});
  Worker& cut_off = start_worker(2, {2, 1});
  Gate gate(folder_.path() / "gate");
  const TaskId held = submit_file(
      client(1), experiment_file({"hold", gate.file()}, "workers: 6\nstop: {max_trials: 6}\n"), folder_.path());
  const Event lost = wait_for_event(client(1), held, "a trial on the second host", [&](const Event& event) {
    return event.type == "trial.metric" && event.worker == cut_off.id;
  });
  network_->cut(2);
  wait_for_event(client(1), held, "another attempt at it",
                 [&](const Event& event) { return event.type == "trial.retrying" && event.trial == lost.trial; });
  gate.open();

  const History experiment = wait_for_last_event(client(1), held);
  expect_every_trial_ended_once(experiment);
  EXPECT_EQ(experiment.task.trials_succeeded, 6u) << experiment.text();
  EXPECT_NE(experiment.trials.at(lost.trial).worker, cut_off.id) << experiment.text();
  const History search = wait_for_last_event(client(1), quantize);
  expect_every_trial_ended_once(search);
  EXPECT_EQ(search.task.state, TaskState::done) << search.text();

  // Back again, and alone: what is submitted now is its own to do, through whichever broker.
  network_->join(2);
  const Json result = Json::parse(search.task.result);
  for (const Json& artifact : result.at("artifacts")) {
    const std::string id = artifact;
    EXPECT_EQ(fetch(2, id), id);
  }
  for (const int host : {1, 3}) {
    workers_[host]->process.signal(SIGTERM);
    EXPECT_EQ(workers_[host]->process.wait(), 0);
  }
  const TaskId after = submit_file(client(2), experiment_file({"report"}, "stop: {max_trials: 2}\n"), folder_.path());
  const History served = wait_for_last_event(client(2), after);
  expect_every_trial_ended_once(served);
  EXPECT_EQ(served.task.trials_succeeded, 2u) << served.text();
  for (const TrialInfo& trial : served.trials) EXPECT_EQ(trial.worker, cut_off.id) << served.text();
}

}  // namespace
}  // namespace ns::testing
