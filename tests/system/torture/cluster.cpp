#include "tests/system/torture/cluster.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <map>
#include <thread>

namespace ns::torture {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr const char* kRedisPort = "6379";
constexpr const char* kBrokerPort = "7400";

// Parents by process, of all processes of the machine.
std::multimap<int, int> children() {
  std::multimap<int, int> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int process = std::atoi(entry.path().filename().c_str());
    if (process <= 0) continue;
    std::ifstream stat(entry.path() / "stat");
    std::string text;
    std::getline(stat, text);
    const auto name_end = text.rfind(") ");  // the name may hold anything
    if (name_end == std::string::npos) continue;
    found.emplace(std::atoi(text.c_str() + name_end + 4), process);
  }
  return found;
}

std::vector<int> below(int process) {
  const std::multimap<int, int> all = children();
  std::vector<int> found{process};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = all.equal_range(found[i]);
    for (auto child = first; child != last; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

std::string binary(const std::string& name) { return fs::read_symlink("/proc/self/exe").parent_path() / name; }

std::string program_of(int process) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(process) + "/comm"), name);
  return name;
}

bool has_ended(int process, siginfo_t& how) {
  how = siginfo_t{};
  return ::waitid(P_PID, static_cast<id_t>(process), &how, WEXITED | WNOHANG | WNOWAIT) == 0 && how.si_pid == process;
}

}  // namespace

const char* name_of(PartKind kind) {
  switch (kind) {
    case PartKind::redis:
      return "redis";
    case PartKind::broker:
      return "broker";
    case PartKind::simulated_worker:
      return "simulated worker";
    case PartKind::real_worker:
      return "worker";
    case PartKind::client:
      return "client";
  }
  return "";
}

bool wait_for_redis(const std::string& socket) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < end) {
    redisContext* context = redisConnectUnixWithTimeout(socket.c_str(), {1, 0});
    bool answers = false;
    if (context != nullptr && context->err == 0) {
      auto* reply = static_cast<redisReply*>(redisCommand(context, "PING"));
      answers = reply != nullptr && reply->type == REDIS_REPLY_STATUS;
      if (reply != nullptr) freeReplyObject(reply);
    }
    if (context != nullptr) redisFree(context);
    if (answers) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {
  fs::create_directories(options_.folder / "artifacts");
  const auto add = [&](PartKind kind, const std::string& name, int count) {
    for (int i = 0; i < count; ++i) {
      Part part;
      part.kind = kind;
      part.name = name + "-" + std::to_string(i + 1);
      parts_.push_back(std::move(part));
    }
  };
  add(PartKind::redis, "redis", 1);
  add(PartKind::broker, "broker", options_.brokers);
  add(PartKind::simulated_worker, "simulated", options_.simulated_workers);
  add(PartKind::real_worker, "real", options_.real_workers);
  add(PartKind::client, "client", options_.clients);
  if (options_.network) {
    std::vector<std::string> hosts;
    for (const Part& part : parts_) hosts.push_back(part.name);
    network_ = std::make_unique<Network>(hosts);
  }
  for (Part& part : parts_) {
    start(part);
    if (part.kind == PartKind::redis && !wait_for_redis(redis_socket())) {
      throw std::runtime_error("redis-server does not answer");
    }
    if (part.kind == PartKind::broker) part.process->wait_for_line("ns-broker ready");
  }
}

std::string Cluster::redis_address() const {
  return network_ ? "tcp://" + network_->address("redis-1") + ":" + kRedisPort : "unix:" + redis_socket();
}

std::vector<std::string> Cluster::endpoints() const {
  if (!network_) return control_endpoints();
  std::vector<std::string> found;
  for (const Part& part : parts_) {
    if (part.kind == PartKind::broker) found.push_back("tcp://" + network_->address(part.name) + ":" + kBrokerPort);
  }
  return found;
}

std::vector<std::string> Cluster::control_endpoints() const {
  std::vector<std::string> found;
  for (const Part& part : parts_) {
    if (part.kind == PartKind::broker) found.push_back("ipc://" + socket_of(part.name).string());
  }
  return found;
}

fs::path Cluster::journal_of(const Part& part) const {
  return options_.folder / (part.name + "-" + std::to_string(part.starts) + ".journal");
}

std::vector<fs::path> Cluster::journals(PartKind kind) const {
  std::vector<fs::path> found;
  for (const Part& part : parts_) {
    if (part.kind != kind) continue;
    for (int start = 1; start <= part.starts; ++start) {
      found.push_back(options_.folder / (part.name + "-" + std::to_string(start) + ".journal"));
    }
  }
  return found;
}

std::vector<std::string> Cluster::words_of(const Part& part) const {
  const std::string self = binary("torture");
  std::vector<std::string> words = {self, "start", "--errors", options_.folder / (part.name + ".log")};
  if (network_) words.insert(words.end(), {"--entrance", network_->entrance(part.name)});
  words.push_back("--");
  const auto add = [&](const std::vector<std::string>& more) { words.insert(words.end(), more.begin(), more.end()); };
  const auto add_brokers = [&] {
    for (const std::string& endpoint : endpoints()) add({"--broker", endpoint});
  };
  const std::string seed = std::to_string(options_.seed * 1000 + static_cast<std::uint64_t>(part.starts));
  switch (part.kind) {
    case PartKind::redis:
      add({"redis-server", "--port", network_ ? kRedisPort : "0", "--protected-mode", "no", "--unixsocket",
           redis_socket(), "--dir", options_.folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
           "--logfile", options_.folder / "redis.log"});
      break;
    case PartKind::broker:
      add({binary(options_.broker), "--redis", redis_address(), "--artifacts", options_.folder / "artifacts", "--lease",
           std::to_string(options_.lease_ms), "--heartbeat", std::to_string(options_.heartbeat_ms), "--log-level",
           "warning", "--listen", "ipc://" + socket_of(part.name).string()});
      if (network_) add({"--insecure", "--listen", "tcp://" + network_->address(part.name) + ":" + kBrokerPort});
      break;
    case PartKind::simulated_worker:
      add({self, "worker", "--name", part.name + "-" + std::to_string(part.starts), "--journal", journal_of(part),
           "--seed", seed});
      add_brokers();
      break;
    case PartKind::real_worker:
      add({binary("ns-worker"), "--cpus", "0", "--slots", "2", "--cache", options_.folder / (part.name + ".cache"),
           "--log-level", "warning"});
      add_brokers();
      break;
    case PartKind::client:
      add({self, "client", "--journal", journal_of(part), "--seed", seed, "--real",
           std::to_string(options_.real_tasks)});
      add_brokers();
      break;
  }
  return words;
}

void Cluster::start(Part& part) {
  ++part.starts;
  part.told_to_end = false;
  part.process = std::make_unique<test::Process>(words_of(part));
}

void Cluster::signal(Part& part, int number) {
  part.told_to_end = part.told_to_end || number == SIGTERM;
  if (part.process) part.process->signal(number);
}

void Cluster::signal_all(Part& part, int number) {
  if (!part.process) return;
  part.process->signal(number);
  for (const int child : below(part.process->pid())) ::kill(child, number);
}

void Cluster::kill(Part& part) {
  if (!part.process) return;
  signal_all(part, SIGKILL);
  part.process.reset();
}

int Cluster::child_of(const Part& part, std::uint64_t pick) const {
  if (!part.process) return 0;
  const std::vector<int> found = below(part.process->pid());
  return found.empty() ? 0 : found[pick % found.size()];
}

int Cluster::child_that_runs(const Part& part, const std::string& program) const {
  if (!part.process) return 0;
  const std::multimap<int, int> all = children();
  const auto [first, last] = all.equal_range(part.process->pid());
  for (auto child = first; child != last; ++child) {
    for (const int process : below(child->second)) {
      if (program_of(process) == program) return child->second;
    }
  }
  return 0;
}

std::vector<std::string> Cluster::revive() {
  std::vector<std::string> defects;
  for (Part& part : parts_) {
    siginfo_t how;
    if (!part.process || !has_ended(part.process->pid(), how)) continue;
    part.process.reset();
    if (how.si_code != CLD_EXITED && !(how.si_status == SIGTERM && part.told_to_end)) {
      defects.push_back(part.name + " died of signal " + std::to_string(how.si_status) + ", and nobody sent it");
    }
    if (!part.faulty) start(part);
  }
  return defects;
}

}  // namespace ns::torture
