#include "tests/system/torture/losses.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <thread>

#include "common/api/client.h"
#include "common/error.h"
#include "tests/support/processes.h"
#include "tests/system/torture/network.h"
#include "tests/system/torture/plan.h"
#include "tests/system/torture/redis_view.h"

namespace ns::torture {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr auto kPatience = 60s;

void wait_until(const std::string& what, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    try {
      if (condition()) return;
    } catch (const std::runtime_error&) {
      // Not there yet.
    }
    std::this_thread::sleep_for(50ms);
  }
  throw std::runtime_error("in vain: " + what);
}

// Submits one task after the other until told that it is enough; what was acknowledged is read then.
class Submitter {
 public:
  explicit Submitter(const std::string& endpoint) : thread_([this, endpoint] { run(endpoint); }) {}
  ~Submitter() { stop(); }

  std::vector<std::string> stop() {
    enough_ = true;
    if (thread_.joinable()) thread_.join();
    return acknowledged_;
  }

 private:
  void run(const std::string& endpoint) {
    api::ClientOptions options;
    options.endpoints = {endpoint};
    options.deadline = 1s;
    api::Client client(options);
    while (!enough_) {
      SubmitTask submission;
      submission.task = make_task_id();
      submission.kind = kSimulatedKind;
      submission.spec = "{}";
      submission.name = "losses";
      try {
        client.submit(submission);
        acknowledged_.push_back(submission.task.text);
      } catch (const Error&) {
        // Nothing was promised.
      }
    }
  }

  std::atomic<bool> enough_{false};
  std::vector<std::string> acknowledged_;  // the thread's, until it has ended
  std::thread thread_;
};

std::uint64_t count_lost(const std::vector<std::string>& acknowledged, const std::string& redis_socket) {
  const std::vector<std::string> there = RedisView(redis_socket).tasks();
  const std::set<std::string> kept(there.begin(), there.end());
  return static_cast<std::uint64_t>(std::count_if(acknowledged.begin(), acknowledged.end(),
                                                  [&](const std::string& task) { return kept.count(task) == 0; }));
}

Loss redis_killed(const LossOptions& options, const std::string& durability) {
  const bool appends = durability != "none";
  const test::TempFolder folder;
  test::RedisServer redis(folder.path(), appends, {"--appendfsync", appends ? durability : "no"});
  test::BrokerProcess broker(folder.path(), redis.address(), {"--durability", durability});
  Submitter submitter(broker.endpoint());
  std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
  redis.kill();
  Loss loss{"redis-server killed", "--durability " + durability, 0, 0, appends};
  const auto acknowledged = submitter.stop();
  redis.restart();
  loss.acknowledged = acknowledged.size();
  loss.lost = count_lost(acknowledged, folder.path() / "redis.sock");
  return loss;
}

// A primary, a broker and a client on one side, its replica and two of three sentinels on the other.
class TwoSides {
 public:
  TwoSides(const Words& primary_options, const Words& broker_options) : network_({"here", "there", "beyond"}) {
    start_redis("here", primary_options);
    Words replica_options{"--replicaof", network_.address("here"), "6379"};
    replica_options.insert(replica_options.end(), primary_options.begin(), primary_options.end());
    start_redis("there", replica_options);
    wait_until("the replica follows", [&] { return says("there", "master_link_status:up"); });
    for (const std::string host : {"here", "there", "beyond"}) start_sentinel(host);
    for (const std::string host : {"here", "there", "beyond"}) {
      wait_until("the sentinels know each other", [&] {
        RedisView sentinel(socket_of("sentinel", host));
        return sentinel.text({"SENTINEL", "CKQUORUM", "ns"}).compare(0, 2, "OK") == 0 &&
               !sentinel.list({"SENTINEL", "REPLICAS", "ns"}).empty();
      });
    }
    Words broker{binary("ns-broker"),
                 "--redis",
                 "sentinel://" + network_.address("here") + ":26379," + network_.address("there") + ":26379/ns",
                 "--artifacts",
                 folder_.path() / "artifacts",
                 "--listen",
                 endpoint(),
                 "--log-level",
                 "error"};
    broker.insert(broker.end(), broker_options.begin(), broker_options.end());
    start("here", broker)->wait_for_line("ns-broker ready");
  }

  std::string endpoint() const { return "ipc://" + socket_of("broker", "here"); }
  std::string socket_of(const std::string& what, const std::string& host) const {
    return folder_.path() / (what + "-" + host + ".sock");
  }
  bool says(const std::string& host, const std::string& line) const {
    return RedisView(socket_of("redis", host)).text({"INFO", "replication"}).find(line) != std::string::npos;
  }
  void cut(bool it) {
    Link link;
    link.cut_in = link.cut_out = it;
    network_.set("here", link);
  }

 private:
  static std::string binary(const std::string& name) { return fs::read_symlink("/proc/self/exe").parent_path() / name; }

  test::Process* start(const std::string& host, const Words& command) {
    Words words{binary("torture"),       "start", "--errors", folder_.path() / (host + ".log"), "--entrance",
                network_.entrance(host), "--"};
    words.insert(words.end(), command.begin(), command.end());
    processes_.push_back(std::make_unique<test::Process>(words));
    return processes_.back().get();
  }

  void start_redis(const std::string& host, const Words& options) {
    const fs::path data = folder_.path() / host;
    fs::create_directory(data);
    Words words{"redis-server",
                "--port",
                "6379",
                "--protected-mode",
                "no",
                "--unixsocket",
                socket_of("redis", host),
                "--dir",
                data,
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
                "--repl-diskless-sync-delay",
                "0",
                "--logfile",
                data / "log"};
    words.insert(words.end(), options.begin(), options.end());
    start(host, words);
    wait_until("redis-server answers", [&] { return RedisView(socket_of("redis", host)).text({"PING"}) == "PONG"; });
  }

  void start_sentinel(const std::string& host) {
    const fs::path file = folder_.path() / ("sentinel-" + host + ".conf");
    std::ofstream(file) << "port 26379\nprotected-mode no\nunixsocket " << socket_of("sentinel", host) << "\nlogfile "
                        << (folder_.path() / ("sentinel-" + host + ".log")).string() << "\ndir "
                        << folder_.path().string() << "\nsentinel monitor ns " << network_.address("here")
                        << " 6379 2\nsentinel down-after-milliseconds ns 1000\nsentinel failover-timeout ns 5000\n";
    start(host, {"redis-server", file, "--sentinel"});
    wait_until("a sentinel answers", [&] { return RedisView(socket_of("sentinel", host)).text({"PING"}) == "PONG"; });
  }

  test::TempFolder folder_;
  Network network_;
  std::vector<std::unique_ptr<test::Process>> processes_;
};

Loss primary_cut_off(const LossOptions& options, const std::string& name, const Words& redis_options,
                     const Words& broker_options, bool nothing_may_be_lost) {
  Loss loss{fmt::format("primary cut off for {} s", options.cut_off), name, 0, 0, nothing_may_be_lost};
  TwoSides sides(redis_options, broker_options);
  Submitter submitter(sides.endpoint());
  std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
  sides.cut(true);
  std::this_thread::sleep_for(std::chrono::seconds(options.cut_off));
  const auto acknowledged = submitter.stop();
  wait_until("the replica takes over", [&] { return sides.says("there", "role:master"); });
  sides.cut(false);
  wait_until("the old primary follows",
             [&] { return sides.says("here", "role:slave") && sides.says("here", "master_link_status:up"); });
  loss.acknowledged = acknowledged.size();
  loss.lost = count_lost(acknowledged, sides.socket_of("redis", "there"));
  return loss;
}

}  // namespace

std::vector<Loss> measure_losses(const LossOptions& options) {
  std::vector<Loss> all;
  for (const std::string durability : {"none", "everysec", "always"}) all.push_back(redis_killed(options, durability));
  if (!options.obstacle.empty()) return all;
  const Words bounded{"--min-replicas-to-write", "1", "--min-replicas-max-lag", "3"};
  all.push_back(primary_cut_off(options, "everysec", {}, {}, false));
  all.push_back(primary_cut_off(options, "everysec, min-replicas-max-lag 3", bounded, {}, false));
  all.push_back(primary_cut_off(options, "everysec, --replicas 1", {}, {"--replicas", "1"}, true));
  return all;
}

bool as_promised(const std::vector<Loss>& all) {
  return std::all_of(all.begin(), all.end(), [](const Loss& one) {
    return one.acknowledged > 0 && (one.lost == 0 || !one.nothing_may_be_lost);
  });
}

std::string as_table(const std::vector<Loss>& all) {
  std::string out = fmt::format("{:<28} {:<34} {:>12} {:>8} {:>7}\n", "harm", "kept", "acknowledged", "lost", "");
  for (const Loss& one : all) {
    const double part =
        one.acknowledged == 0 ? 0 : static_cast<double>(one.lost) / static_cast<double>(one.acknowledged);
    out += fmt::format("{:<28} {:<34} {:>12} {:>8} {:>5.1f} %{}\n", one.harm, one.kept, one.acknowledged, one.lost,
                       100 * part, one.nothing_may_be_lost && one.lost > 0 ? "  BROKEN: nothing may be lost" : "");
  }
  return out;
}

std::string as_json(const std::vector<Loss>& all) {
  Json out = Json::array();
  for (const Loss& one : all) {
    out.push_back({{"harm", one.harm},
                   {"kept", one.kept},
                   {"acknowledged", one.acknowledged},
                   {"lost", one.lost},
                   {"nothing_may_be_lost", one.nothing_may_be_lost}});
  }
  return out.dump() + "\n";
}

}  // namespace ns::torture
