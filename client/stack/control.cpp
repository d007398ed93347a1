#include "client/stack/control.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "client/interrupt.h"
#include "client/stack/supervisor.h"
#include "client/terminal/text.h"
#include "common/api/client.h"
#include "common/error.h"

namespace ns::client::stack {

using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr auto kStartPatience = 120s;  // Redis may have a long log to read
constexpr auto kStopPatience = 120s;   // longer than the supervisor's own patience with its parts
constexpr auto kLook = 20ms;
constexpr unsigned kHopeless = 4;  // a part that ended so often before it was ready will not become ready

void pause_or_stop() {
  if (interrupted()) throw Error(ErrorCode::cancelled, "interrupted");
  std::this_thread::sleep_for(kLook);
}

// The last lines of a log, for a message.
std::string end_of(const std::filesystem::path& log) {
  constexpr std::size_t kBytes = 1500;
  std::ifstream file(log, std::ios::binary);
  if (!file) return {};
  file.seekg(0, std::ios::end);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(0, file.tellg()));
  file.seekg(static_cast<std::streamoff>(size - std::min(size, kBytes)));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::string out;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    out += "\n  " + printable(std::string_view(text).substr(start, end - start));
    start = end + 1;
  }
  return out;
}

json read_state(const Layout& layout) {
  std::ifstream file(layout.state());
  json state = json::parse(file, nullptr, false);
  return state.is_object() && state.contains("parts") && state["parts"].is_array() ? state : json();
}

// A part that keeps dying, as a sentence; empty when there is none.
std::string failing_part(const Layout& layout) {
  const json state = read_state(layout);
  if (state.is_null()) return {};
  for (const json& part : state["parts"]) {
    if (part.value("restarts", 0u) < kHopeless) continue;
    return fmt::format("{} does not start ({}); the end of its log, {}:{}", part.value("name", "a part"),
                       part.value("last_end", ""), part.value("log", ""), end_of(part.value("log", "")));
  }
  return {};
}

// The processes of the workers that the supervisor runs now; 0 for one that is about to be started.
std::vector<std::uint32_t> worker_processes(const Layout& layout) {
  std::vector<std::uint32_t> processes;
  const json state = read_state(layout);
  if (state.is_null()) return processes;
  for (const json& part : state["parts"]) {
    if (part.value("name", "").compare(0, 7, "worker-") == 0) processes.push_back(part.value("pid", std::uint32_t{0}));
  }
  return processes;
}

// In the process that becomes the supervisor: exec of this very program, detached from terminal and folder.
[[noreturn]] void become_supervisor(char* const* arguments, int lock_fd, int log_fd, const char* directory) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);  // not a session leader, so no terminal can become its own
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, 0);
  ::dup2(log_fd, 1);
  ::dup2(log_fd, 2);
  ::fcntl(lock_fd, F_SETFD, 0);
  if (::chdir(directory) != 0) ::_exit(1);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

void launch_supervisor(const Layout& layout, const FileLock& lock, std::size_t workers) {
  std::vector<std::string> words = {"ns-client", "supervise",
                                    "--dir",     layout.directory().string(),
                                    "--workers", std::to_string(workers),
                                    "--lock-fd", std::to_string(lock.fd())};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::filesystem::path log = layout.log() / "supervisor.log";
  const int log_fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) {
    throw Error(ErrorCode::unavailable, fmt::format("{}: cannot be opened ({})", log.string(), std::strerror(errno)));
  }
  const FileLock closes(log_fd);
  const pid_t child = ::fork();
  if (child == 0) become_supervisor(arguments.data(), lock.fd(), log_fd, layout.directory().c_str());
  if (child < 0) throw Error(ErrorCode::unavailable, fmt::format("fork failed ({})", std::strerror(errno)));
  ::waitpid(child, nullptr, 0);
}

// Those that the supervisor's parts left behind when it was killed end by themselves; Redis takes a moment to save.
void wait_for_leftovers(const Layout& layout, const OnStep& on_step) {
  const auto deadline = Clock::now() + kStopPatience;
  if (has_parts(layout)) on_step("waiting for the processes of an earlier stack to end");
  while (has_parts(layout)) {
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::unavailable,
                  fmt::format("processes of an earlier stack are still there; see who has {} open with: fuser -v {}",
                              layout.parts_lock().string(), layout.parts_lock().string()));
    }
    pause_or_stop();
  }
}

// Only as long as one look takes: the supervisor is asked again and again, with a deadline of ours.
api::ClientOptions short_calls(const Layout& layout) {
  api::ClientOptions options;
  options.endpoints = {layout.endpoint()};
  options.deadline = 1s;
  options.attempt = 500ms;
  options.interrupted = interrupted;
  return options;
}

class Readiness {
 public:
  explicit Readiness(const Layout& layout) : layout_(layout) {}

  // Whether broker and workers are there; says what is missing otherwise.
  bool look(std::string& step) {
    step = "starting redis-server and ns-broker";
    if (!std::filesystem::exists(layout_.broker_socket())) return false;
    const std::vector<std::uint32_t> wanted = worker_processes(layout_);
    try {
      if (!client_) client_ = std::make_unique<api::Client>(short_calls(layout_));
      client_->ping();
      const WorkerList list = client_->list_workers();
      // Redis may still remember workers of an earlier stack that had no time to say goodbye.
      connected_ = static_cast<std::size_t>(
          std::count_if(list.workers.begin(), list.workers.end(), [&](const WorkerInfo& worker) {
            return std::find(wanted.begin(), wanted.end(), worker.pid) != wanted.end();
          }));
    } catch (const Error& problem) {
      if (problem.code() == ErrorCode::cancelled) throw;
      client_.reset();
      return false;
    }
    step = fmt::format("waiting for workers ({} of {})", connected_, wanted.size());
    return !wanted.empty() && connected_ == wanted.size();
  }

  std::size_t connected() const { return connected_; }

 private:
  const Layout& layout_;
  std::unique_ptr<api::Client> client_;
  std::size_t connected_ = 0;
};

// The sentence that says why the stack does not come up, or nothing while it may still.
std::string problem_of(const Layout& layout) {
  if (!is_running(layout)) {
    return fmt::format("the supervisor ended; the end of its log, {}:{}", (layout.log() / "supervisor.log").string(),
                       end_of(layout.log() / "supervisor.log"));
  }
  return failing_part(layout);
}

std::size_t wait_until_ready(const Layout& layout, const OnStep& on_step) {
  Readiness readiness(layout);
  const auto deadline = Clock::now() + kStartPatience;
  std::string said;
  for (;;) {
    std::string step;
    if (readiness.look(step)) return readiness.connected();
    if (step != said) on_step(said = step);
    std::string problem = problem_of(layout);
    if (problem.empty() && Clock::now() > deadline) {
      problem = fmt::format("not ready in time: {}; the logs are in {}", step, layout.log().string());
    }
    if (!problem.empty()) throw Error(ErrorCode::unavailable, problem);
    pause_or_stop();
  }
}

// False when there is no FIFO yet, or no longer.
bool tell_supervisor(const Layout& layout, std::string_view word) {
  const FileLock control(::open(layout.control().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  return control.held() && ::write(control.fd(), word.data(), word.size()) == static_cast<ssize_t>(word.size());
}

Started start_once(const Layout& layout, std::size_t workers, const OnStep& on_step) {
  Started started;
  FileLock lock = FileLock::try_take(layout.lock());
  started.already_running = !lock.held();
  if (lock.held()) {
    wait_for_leftovers(layout, on_step);
    // What a killed supervisor left says nothing of the one that starts now.
    for (const auto& stale : {layout.state(), layout.broker_socket(), layout.redis_socket()}) ::unlink(stale.c_str());
    launch_supervisor(layout, lock, workers);
    lock = FileLock();
  } else {
    tell_supervisor(layout, kComeBack);
  }
  try {
    started.workers = wait_until_ready(layout, on_step);
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::cancelled && !started.already_running) stop(layout, on_step);
    throw;
  }
  return started;
}

}  // namespace

Started start(const Layout& layout, std::size_t workers, const OnStep& on_step) {
  find_programs();  // says what is missing before anything is started
  make_folders(layout);
  for (;;) {
    const Started started = start_once(layout, workers, on_step);
    // One that was found running may have been dying while it still answered.
    if (!started.already_running || is_running(layout)) return started;
  }
}

bool stop(const Layout& layout, const OnStep& on_step) {
  bool was_there = false;
  const auto deadline = Clock::now() + kStopPatience;
  while (is_running(layout) || has_parts(layout)) {
    if (!was_there) on_step("waiting for all processes to end");
    was_there = true;
    // Again and again: the one who starts the stack right now may not have made the FIFO yet.
    tell_supervisor(layout, kStop);
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::timeout,
                  fmt::format("not all processes ended in time; the supervisor's log is {}; see who is left with: "
                              "fuser -v {}",
                              (layout.log() / "supervisor.log").string(), layout.parts_lock().string()));
    }
    pause_or_stop();
  }
  return was_there;
}

}  // namespace ns::client::stack
