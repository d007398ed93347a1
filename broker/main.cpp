// ns-broker: flags, then a Broker until SIGTERM or SIGINT; SIGHUP makes it read the list of authorized keys again.
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>

#include "broker/broker.h"
#include "common/error.h"
#include "common/log.h"

namespace {

using ns::broker::store::Durability;

const std::map<std::string, Durability> kDurabilities{
    {"none", Durability::none}, {"everysec", Durability::everysec}, {"always", Durability::always}};

ns::broker::Broker* running = nullptr;

void end(int) {
  if (running != nullptr) running->stop();
}

void reload(int) {
  if (running != nullptr) running->reload();
}

void act_on_signals(ns::broker::Broker& broker) {
  running = &broker;
  struct sigaction action {};
  action.sa_handler = end;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = reload;
  sigaction(SIGHUP, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// A connection is a descriptor; the usual 1024 is there for programs that use select().
void use_all_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"ns-broker: accepts tasks, keeps them in Redis, leases their jobs to workers"};
  ns::broker::Options options;
  std::string redis_password_file;
  std::string log_level = "info";
  std::vector<std::string> keep_finished;
  std::uint32_t lease_ms = static_cast<std::uint32_t>(options.lease.count());
  std::uint32_t heartbeat_ms = static_cast<std::uint32_t>(options.heartbeat.count());
  app.add_option("--redis", options.redis.address,
                 "unix:/path/redis.sock, tcp://host:port or sentinel://host:port,host:port/name")
      ->required();
  app.add_option("--redis-user", options.redis.user, "user of Redis' ACL; broker/README.md has the rule");
  app.add_option("--redis-password-file", redis_password_file,
                 "file with the password; nobody but its owner may read it");
  app.add_option("--durability", options.redis.durability, "when a task is accepted: none, everysec, always")
      ->transform(CLI::CheckedTransformer(kDurabilities))
      ->default_str("everysec")
      ->take_last();
  app.add_option("--replicas", options.redis.replicas, "replicas of Redis that must have a task before it is accepted")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  app.add_option("--listen", options.listen, "ZeroMQ endpoint; may be repeated")->required()->take_all();
  app.add_option("--artifacts", options.artifacts, "folder of the artifacts, of this broker or of several")->required();
  app.add_option("--key", options.key,
                 "file of this broker's secret key (ns-client keys new FILE): tcp:// is encrypted, and only who is in "
                 "--authorized-keys is let in");
  app.add_option("--authorized-keys", options.authorized_keys,
                 "file with a line for each whom to let in: client, worker, admin or broker, the public key, a "
                 "name; read again at SIGHUP");
  app.add_flag("--insecure", options.insecure, "listen without a key beyond this machine too");
  app.add_option(
      "--advertise", options.advertise,
      "endpoint at which other brokers reach this one, tcp://host:port; needed where each has a folder of its "
      "own");
  app.add_option("--artifact-copies", options.artifact_copies,
                 "brokers that must hold an artifact before its upload is acknowledged")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  app.add_option("--lease", lease_ms, "how long a lease lasts without a heartbeat, in ms")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  app.add_option("--heartbeat", heartbeat_ms, "how often a worker should send one, in ms")
      ->check(CLI::Range(10, 600'000))
      ->capture_default_str();
  app.add_option("--submit-rate", options.admission.submissions_a_second,
                 "submissions a second of one key, or of one connection without a key; 0: unbounded")
      ->capture_default_str();
  app.add_option("--max-open-tasks", options.max_open_tasks,
                 "pending and running tasks, of all clients; more are refused with a retry time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-ready", options.max_ready,
                 "trials of one priority that wait for a worker; coordinators wait before they enqueue more")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--keep-finished", keep_finished,
                 "STATE=AGE[,COUNT], may be repeated: tasks that are done, failed or cancelled are forgotten after "
                 "AGE (7d, 12h, forever), and the oldest beyond COUNT; without it 30d,100000 of each state")
      ->type_name("STATE=AGE[,COUNT]")
      ->take_all();
  app.add_option("--log-level", log_level, "debug, info, warning, error or off")->capture_default_str();
  app.set_version_flag("--version", std::string(NS_VERSION));
  CLI11_PARSE(app, argc, argv);

  try {
    ns::log::start("ns-broker", ns::log::level_from(log_level));
    if (heartbeat_ms * 2 > lease_ms) {
      throw ns::Error(ns::ErrorCode::invalid,
                      "a heartbeat every " + std::to_string(heartbeat_ms) + " ms cannot keep a lease of " +
                          std::to_string(lease_ms) + " ms: give it at most half as many",
                      "heartbeat");
    }
    if (options.artifact_copies > 1 && options.advertise.empty()) {
      throw ns::Error(ns::ErrorCode::invalid,
                      "--artifact-copies " + std::to_string(options.artifact_copies) +
                          " needs --advertise: the endpoint at which other brokers reach this one",
                      "advertise");
    }
    options.keep_finished = ns::broker::parse_retention(keep_finished);
    if (!redis_password_file.empty()) options.redis.password = ns::broker::store::read_password(redis_password_file);
    if (!options.redis.user.empty() && options.redis.password.empty()) {
      throw ns::Error(ns::ErrorCode::invalid, "--redis-user needs --redis-password-file", "redis-user");
    }
    options.lease = std::chrono::milliseconds(lease_ms);
    options.heartbeat = std::chrono::milliseconds(heartbeat_ms);
    use_all_descriptors();
    ns::broker::Broker broker(options);
    act_on_signals(broker);
    broker.run([](const std::vector<std::string>& endpoints) {
      std::cout << "ns-broker ready";
      for (const std::string& endpoint : endpoints) std::cout << ' ' << endpoint;
      std::cout << std::endl;
    });
    running = nullptr;
    return 0;
  } catch (const ns::Error& error) {
    std::cerr << "ns-broker: " << error.what() << std::endl;
    return ns::entry_of(error.code()).exit_code;
  }
}
