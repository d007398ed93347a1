#include "client/stack/part.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "common/error.h"

namespace ns::client::stack {

namespace {

// After fork, before exec: only what is safe there.
[[noreturn]] void become(const PartPlan& plan, char* const* arguments, pid_t parent, int lock_fd, int log_fd) {
  ::prctl(PR_SET_PDEATHSIG, plan.death_signal);
  if (::getppid() != parent) ::_exit(0);  // the supervisor died before the line above took hold
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, 0);
  ::dup2(log_fd, 1);
  ::dup2(log_fd, 2);
  ::fcntl(lock_fd, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  // Terminal-wide signals are for whoever sits there, not for the parts.
  ::setpgid(0, 0);
  ::execv(arguments[0], arguments);
  const char* problem = std::strerror(errno);
  [[maybe_unused]] ssize_t ignored = ::write(2, arguments[0], std::strlen(arguments[0]));
  ignored = ::write(2, ": ", 2);
  ignored = ::write(2, problem, std::strlen(problem));
  ignored = ::write(2, "\n", 1);
  ::_exit(127);
}

std::string end_text(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

void Part::start(int lock_fd, Clock::time_point now) {
  std::vector<char*> arguments;
  for (std::string& argument : plan_.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const int log_fd = ::open(plan_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) {
    throw Error(ErrorCode::internal,
                fmt::format("{}: cannot be opened ({})", plan_.log.string(), std::strerror(errno)));
  }
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(plan_, arguments.data(), parent, lock_fd, log_fd);
  ::close(log_fd);
  if (child < 0) throw Error(ErrorCode::internal, fmt::format("fork failed ({})", std::strerror(errno)));
  pid_ = child;
  started_ = now;
  if (!last_end_.empty()) ++restarts_;
}

void Part::ended(int status, Clock::time_point now) {
  constexpr auto kSettled = std::chrono::seconds(30);
  quick_failures_ = now - started_ >= kSettled ? 1 : quick_failures_ + 1;
  pid_ = -1;
  last_end_ = end_text(status);
  due_ = now + backoff(quick_failures_);
  left_ = plan_.may_leave && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Part::call_back() {
  if (!left_) return;
  left_ = false;
  due_ = {};
  last_end_.clear();  // it did not fail
}

void Part::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

std::chrono::milliseconds Part::backoff(unsigned failures) {
  constexpr unsigned kFirst = 100, kLongest = 10'000;
  return std::chrono::milliseconds(std::min(kLongest, kFirst << std::min(failures > 0 ? failures - 1 : 0, 10u)));
}

}  // namespace ns::client::stack
