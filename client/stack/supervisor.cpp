#include "client/stack/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/stack/cpu_shares.h"
#include "common/error.h"

namespace ns::client::stack {

using namespace std::chrono_literals;

namespace {

constexpr auto kWorkerGrace = 40s;  // a worker's own drain takes up to 30 s
constexpr auto kBrokerGrace = 5s;
constexpr auto kRedisGrace = 30s;  // it writes its log to the disk

std::optional<std::filesystem::path> in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string folders = path ? path : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t start = 0; start <= folders.size();) {
    const std::size_t colon = std::min(folders.find(':', start), folders.size());
    const std::filesystem::path candidate = std::filesystem::path(folders.substr(start, colon - start)) / program;
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    start = colon + 1;
  }
  return std::nullopt;
}

std::filesystem::path sibling_or_in_path(const std::string& program) {
  std::error_code problem;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (!problem) {
    const std::filesystem::path sibling = self.parent_path() / program;
    if (::access(sibling.c_str(), X_OK) == 0) return sibling;
  }
  if (const auto found = in_path(program)) return *found;
  throw Error(ErrorCode::unavailable,
              fmt::format("{} was found neither beside {} nor in PATH; build or install it", program, self.string()));
}

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%F %T", &local);
  return text;
}

// To the supervisor's log, which its standard output leads to.
void say(const std::string& sentence) {
  fmt::print("{} {}\n", time_text(), sentence);
  std::fflush(stdout);
}

// Whether the redis-server behind the socket answers and has read its data.
bool redis_answers(const std::filesystem::path& socket_path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const FileLock closes(fd);
  const timeval patience{0, 500'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
  constexpr std::string_view ping = "PING\r\n", pong = "+PONG";
  if (::send(fd, ping.data(), ping.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ping.size())) return false;
  char answer[16];
  const ssize_t received = ::recv(fd, answer, sizeof answer, 0);
  return received >= static_cast<ssize_t>(pong.size()) && std::string_view(answer, pong.size()) == pong;
}

class Supervisor {
 public:
  Supervisor(const Layout& layout, std::size_t workers)
      : layout_(layout), parts_lock_(FileLock::try_take(layout.parts_lock())) {
    if (!parts_lock_.held()) throw Error(ErrorCode::conflict, "processes of an earlier stack are still there");
    for (PartPlan& plan : plan_parts(layout, find_programs(), workers)) parts_.emplace_back(std::move(plan));
  }

  void run() {
    open_signals();
    open_control();
    say(fmt::format("supervisor {} starts {} parts", ::getpid(), parts_.size()));
    while (!stopping_) {
      start_what_is_due();
      wait(pause());
    }
    stop_all();
    say("stopped");
  }

 private:
  // Children inherit nothing but the lock of the parts: every other descriptor closes on exec.
  void open_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = FileLock(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.held()) throw Error(ErrorCode::internal, "signalfd failed");
  }

  void open_control() {
    ::unlink(layout_.control().c_str());
    if (::mkfifo(layout_.control().c_str(), 0600) != 0) {
      throw Error(ErrorCode::internal, fmt::format("{}: {}", layout_.control().string(), std::strerror(errno)));
    }
    // For reading and writing, so that it never reports end of file between two writers.
    control_ = FileLock(::open(layout_.control().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!control_.held()) throw Error(ErrorCode::internal, layout_.control().string() + " cannot be opened");
  }

  // Parts start in order: redis first, and the rest once it answers.
  void start_what_is_due() {
    const auto now = Clock::now();
    bool changed = false;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (i > 0 && !redis_ready_) {
        redis_ready_ = parts_[0].is_alive() && redis_answers(layout_.redis_socket());
        if (!redis_ready_) break;
        say("redis answers");
      }
      Part& part = parts_[i];
      if (part.is_alive() || part.has_left() || now < part.due()) continue;
      part.start(parts_lock_.fd(), now);
      say(fmt::format("{} started, process {}", part.plan().name, part.pid()));
      changed = true;
    }
    if (changed) write_state();
  }

  std::chrono::milliseconds pause() const {
    if (!redis_ready_) return 20ms;
    std::chrono::milliseconds pause = 1h;
    const auto now = Clock::now();
    for (const Part& part : parts_) {
      if (part.is_alive() || part.has_left()) continue;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(part.due() - now);
      pause = std::clamp<std::chrono::milliseconds>(left, 1ms, pause);
    }
    return pause;
  }

  void wait(std::chrono::milliseconds at_most) {
    pollfd ready[] = {{signals_.fd(), POLLIN, 0}, {control_.fd(), POLLIN, 0}};
    ::poll(ready, 2, static_cast<int>(at_most.count()));
    signalfd_siginfo info{};
    while (::read(signals_.fd(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stop_asked();
    }
    char asked[64];
    const ssize_t count = ::read(control_.fd(), asked, sizeof asked);
    reap();  // who has left before it was asked to come back is called back
    if (count > 0) obey(std::string_view(asked, static_cast<std::size_t>(count)));
  }

  // Words of control.cpp, as many as came.
  void obey(std::string_view words) {
    if (words.find(kStop) != std::string_view::npos) return stop_asked();
    for (Part& part : parts_) part.call_back();
  }

  void stop_asked() {
    if (!stopping_) say("asked to stop");
    stopping_ = true;
  }

  void reap() {
    int status = 0;
    bool changed = false;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& one) { return one.pid() == pid; });
      if (part == parts_.end()) continue;
      part->ended(status, Clock::now());
      if (part == parts_.begin()) redis_ready_ = false;
      say(fmt::format("{} {}: {}", part->plan().name, part->has_left() ? "left" : "ended", part->last_end()));
      changed = true;
    }
    if (changed) write_state();
  }

  void stop_all() {
    // Workers hand back what they hold while the broker still listens, the broker goes before its store.
    stop_range(2, parts_.size(), kWorkerGrace);
    stop_range(1, 2, kBrokerGrace);
    stop_range(0, 1, kRedisGrace);
    for (const auto& leftover : {layout_.broker_socket(), layout_.redis_socket(), layout_.control(), layout_.state()}) {
      ::unlink(leftover.c_str());
    }
  }

  void stop_range(std::size_t first, std::size_t last, std::chrono::seconds grace) {
    const auto alive = [&] {
      return std::any_of(parts_.begin() + static_cast<std::ptrdiff_t>(first),
                         parts_.begin() + static_cast<std::ptrdiff_t>(last),
                         [](const Part& part) { return part.is_alive(); });
    };
    const auto signal_all = [&](int number) {
      for (std::size_t i = first; i < last; ++i) parts_[i].signal(number);
    };
    signal_all(SIGTERM);
    const auto deadline = Clock::now() + grace;
    while (alive() && Clock::now() < deadline) wait(100ms);
    if (!alive()) return;
    say("not ended in time: killed");
    signal_all(SIGKILL);
    while (alive()) wait(100ms);
  }

  // Through a temporary, so that whoever reads it sees one state whole.
  void write_state() const {
    nlohmann::json parts = nlohmann::json::array();
    for (const Part& part : parts_) {
      parts.push_back({{"name", part.plan().name},
                       {"pid", part.is_alive() ? part.pid() : 0},
                       {"restarts", part.restarts()},
                       {"last_end", part.last_end()},
                       {"log", part.plan().log.string()}});
    }
    const std::filesystem::path temporary = layout_.state().string() + ".new";
    std::ofstream(temporary) << nlohmann::json{{"supervisor", ::getpid()}, {"parts", parts}}.dump(1) << '\n';
    std::error_code ignored;
    std::filesystem::rename(temporary, layout_.state(), ignored);
  }

  const Layout& layout_;
  FileLock parts_lock_;
  FileLock signals_, control_;  // descriptors that close with us
  std::vector<Part> parts_;     // redis, broker, workers…
  bool redis_ready_ = false;
  bool stopping_ = false;
};

}  // namespace

Programs find_programs() {
  Programs programs;
  const auto redis = in_path("redis-server");
  if (!redis)
    throw Error(ErrorCode::unavailable, "redis-server was not found in PATH; get it with: apt install redis-server");
  programs.redis = *redis;
  programs.broker = sibling_or_in_path("ns-broker");
  programs.worker = sibling_or_in_path("ns-worker");
  return programs;
}

std::vector<PartPlan> plan_parts(const Layout& layout, const Programs& programs, std::size_t workers) {
  std::vector<PartPlan> plans;
  // SIGTERM makes Redis write what it has and leave, also when nobody supervises it any more. Small hashes stay in
  // their compact form up to the size of our task and trial records, but not the leases of a task, which are searched.
  plans.push_back({"redis",
                   {programs.redis.string(),
                    "--port",
                    "0",
                    "--unixsocket",
                    layout.redis_socket().string(),
                    "--unixsocketperm",
                    "700",
                    "--dir",
                    layout.redis().string(),
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                    "--save",
                    "",
                    "--maxmemory-policy",
                    "noeviction",
                    "--hash-max-listpack-value",
                    "1024",
                    "--hash-max-listpack-entries",
                    "64"},
                   layout.log() / "redis.log",
                   SIGTERM});
  plans.push_back({"broker",
                   {programs.broker.string(), "--redis", "unix:" + layout.redis_socket().string(), "--listen",
                    layout.endpoint(), "--artifacts", layout.artifacts().string()},
                   layout.log() / "broker.log",
                   SIGKILL});
  const std::vector<Cpu> cpus = usable_cpus();
  std::vector<std::vector<std::string>> places;
  if (workers == 0) {
    for (const int socket : sockets_of(cpus)) places.push_back({"--socket", std::to_string(socket)});
  } else {
    for (std::string& list : share_out(cpus, workers)) places.push_back({"--cpus", std::move(list)});
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::string name = fmt::format("worker-{}", i);
    plans.push_back({name,
                     {programs.worker.string(), "--broker", layout.endpoint(), places[i][0], places[i][1], "--cache",
                      layout.cache().string()},
                     layout.log() / (name + ".log"),
                     SIGKILL,
                     true});
  }
  return plans;
}

int supervise(const Layout& layout, std::size_t workers) {
  Supervisor(layout, workers).run();
  return 0;
}

}  // namespace ns::client::stack
