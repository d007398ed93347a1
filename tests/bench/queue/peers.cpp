#include "tests/bench/queue/peers.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "common/clock.h"
#include "common/error.h"

namespace ns::bench {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const fs::path kPrograms = fs::path(NS_SOURCE_DIR) / "tests/bench/peers";
const fs::path kBuilt = NS_BENCH_BIN_DIR;
const std::string kPython = "/usr/bin/python3";     // the one that Debian's packages are for
const fs::path kNodePackages = NS_BENCH_PEERS_DIR;  // what peers/install filled

// ---- servers; each is there when its constructor returns

class Server {
 public:
  virtual ~Server() = default;
  virtual std::string address() const = 0;  // as the peer's program takes it
  virtual int pid() const = 0;
};

class RedisOfPeer : public Server {
 public:
  RedisOfPeer(const fs::path& folder, Persistence persistence) : redis_(folder, persistence) {}
  std::string address() const override { return redis_.socket().string(); }
  int pid() const override { return redis_.pid(); }

 private:
  PrivateRedis redis_;
};

// Neither server says when it listens, so it is asked.
void wait_for_listener(const std::function<bool()>& connects) {
  const auto deadline = steady_clock().now() + std::chrono::seconds(60);
  while (!connects()) {
    if (steady_clock().now() > deadline) throw std::runtime_error("the peer's server does not listen");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

template <typename Address>
bool connects(int family, const Address& address) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool there = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return there;
}

class Beanstalkd : public Server {
 public:
  Beanstalkd(const fs::path& folder, Persistence persistence) : socket_((folder / "beanstalkd.sock").string()) {
    Words words{"beanstalkd", "-l", "unix:" + socket_};
    if (persistence != Persistence::none) {
      words.insert(words.end(), {"-b", folder.string(), "-f", persistence == Persistence::always ? "0" : "1000"});
    }
    process_ = std::make_unique<test::Process>(words);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
    wait_for_listener([&] { return connects(AF_UNIX, address); });
  }
  std::string address() const override { return socket_; }
  int pid() const override { return process_->pid(); }

 private:
  const std::string socket_;
  std::unique_ptr<test::Process> process_;
};

// It has no unix socket, and cannot choose a port by itself.
class Gearmand : public Server {
 public:
  Gearmand(const fs::path&, Persistence) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;
    ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(probe);
    port_ = ntohs(address.sin_port);
    process_ = std::make_unique<test::Process>(
        Words{"gearmand", "--listen", "127.0.0.1", "--port", std::to_string(port_), "--log-file", "none"});
    wait_for_listener([&] { return connects(AF_INET, address); });
  }
  std::string address() const override { return std::to_string(port_); }
  int pid() const override { return process_->pid(); }

 private:
  int port_ = 0;
  std::unique_ptr<test::Process> process_;
};

template <typename Kind>
std::unique_ptr<Server> start(const fs::path& folder, Persistence persistence) {
  return std::make_unique<Kind>(folder, persistence);
}

// ---- the peers

bool runs(const Words& words) { return test::Process(words).wait() == 0; }
bool has_module(const std::string& module) {
  return runs({kPython, "-c", "import importlib.util as i, sys; sys.exit(i.find_spec('" + module + "') is None)"});
}

struct Peer {
  const char* name;
  std::uint32_t workers;  // as many as are fastest
  bool stores;
  std::unique_ptr<Server> (*server)(const fs::path& folder, Persistence);
  Words program;
  bool (*is_there)();
  std::string install;
};

const std::vector<Peer>& peers() {
  static const std::vector<Peer> all{
      {"celery",
       2,
       true,
       start<RedisOfPeer>,
       {kPython, "-B", (kPrograms / "celery_peer.py").string()},
       [] { return has_module("celery") && has_module("redis"); },
       "scripts/setup --peers (or: apt install python3-celery python3-redis)"},
      {"rq",
       2,
       true,
       start<RedisOfPeer>,
       {kPython, "-B", (kPrograms / "rq_peer.py").string()},
       [] { return has_module("rq"); },
       "scripts/setup --peers (or: apt install python3-rq)"},
      {"bullmq",
       1,
       true,
       start<RedisOfPeer>,
       {"env", "NODE_PATH=" + (kNodePackages / "node_modules").string(), "node",
        (kPrograms / "bullmq_peer.js").string()},
       [] { return fs::exists(kNodePackages / "node_modules/bullmq"); },
       "tests/bench/peers/install " + kNodePackages.string()},
      {"beanstalkd",
       2,
       true,
       start<Beanstalkd>,
       {(kBuilt / "beanstalkd_peer").string()},
       [] {
         return runs({"beanstalkd", "-v"});
       },
       "scripts/setup --peers (or: apt install beanstalkd)"},
      {"gearmand",
       4,
       false,
       start<Gearmand>,
       {(kBuilt / "gearmand_peer").string()},
       [] {
         return fs::exists(kBuilt / "gearmand_peer") && runs({"gearmand", "--version"});
       },
       "scripts/setup --peers (or: apt install gearman-job-server libgearman-dev), then configure and build again"},
  };
  return all;
}

const Peer& peer_named(const std::string& name) {
  const auto& all = peers();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Peer& peer) { return peer.name == name; });
  if (found == all.end()) throw std::invalid_argument("'" + name + "' is no peer");
  return *found;
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// What follows `begin` in the next line that begins so.
std::string next_word(test::Process& process, const std::string& begin) {
  constexpr std::chrono::seconds kMost{3600};  // the slowest peers take minutes
  return process.wait_for_line(begin, kMost).substr(begin.size());
}

}  // namespace

std::vector<std::string> peer_names() {
  std::vector<std::string> names;
  for (const Peer& peer : peers()) names.emplace_back(peer.name);
  return names;
}

void require_peer(const std::string& name) {
  const Peer& peer = peer_named(name);
  if (!peer.is_there()) {
    throw Error(ErrorCode::unsupported, "peer '" + name + "' is not installed here; install it with " + peer.install,
                "peer");
  }
}

PeerRun run_peer(const std::string& name, Persistence persistence, std::uint32_t jobs, std::uint32_t round_trips) {
  const Peer& peer = peer_named(name);
  test::TempFolder folder;
  const auto server = peer.server(folder.path(), persistence);
  std::vector<std::unique_ptr<test::Process>> workers;
  for (std::uint32_t i = 0; i < peer.workers; ++i) {
    workers.push_back(std::make_unique<test::Process>(with(peer.program, {"worker", server->address()})));
  }
  for (const auto& worker : workers) worker->wait_for_line("peer ready");
  test::Process client(
      with(peer.program, {"client", server->address(), std::to_string(jobs), std::to_string(round_trips)}));
  const auto cpu_times = [&] {
    CpuTimes times{{"server", cpu_time_of(server->pid())}, {"client", cpu_time_of(client.pid())}, {"workers", {}}};
    for (const auto& worker : workers) times["workers"] += cpu_time_of(worker->pid());
    return times;
  };

  PeerRun run;
  run.version = next_word(client, "peer version ");
  run.persistence = peer.stores ? to_text(persistence) : "memory only";
  run.workers = peer.workers;
  next_word(client, "peer begin");
  const CpuTimes before = cpu_times();
  run.cost.jobs = jobs;
  run.cost.seconds = std::stod(next_word(client, "peer end "));
  run.cost.cpu = cpu_times() - before;
  for (std::uint32_t i = 0; i < round_trips; ++i) {
    run.milliseconds.push_back(std::stod(next_word(client, "peer trip ")));
  }
  next_word(client, "peer done");
  return run;
}

}  // namespace ns::bench
