#include "worker/runner/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "common/error.h"
#include "common/log.h"
#include "kernels/runtime/spinning.h"
#include "worker/runner/self.h"

namespace ns::worker {
namespace {

constexpr std::size_t kKeptOutput = 4096;  // of the end, for the error of a runner that dies
constexpr int kReadsAtOnce = 16;

[[noreturn]] void cannot_start() {
  throw Error(ErrorCode::unavailable, fmt::format("a runner cannot be started: {}", std::strerror(errno)));
}

// The environment of this process, with a bound on spinning for the runner.
std::vector<char*> environment_of_runner() {
  std::vector<char*> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.push_back(*entry);
  if (!runtime::spinning_is_chosen()) entries.push_back(const_cast<char*>(runtime::kBoundedSpinning));
  entries.push_back(nullptr);
  return entries;
}

}  // namespace

Child::Child() : channel_(start()) {}

int Child::start() {
  const std::string program = path_of_this_program();
  int talk[2], output[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) != 0) cannot_start();
  if (::pipe2(output, O_CLOEXEC) != 0) cannot_start();
  const std::string descriptor = std::to_string(talk[1]), progress = std::to_string(progress_.descriptor());
  char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>("runner"),
                             const_cast<char*>(descriptor.c_str()), const_cast<char*>(progress.c_str()), nullptr};
  const std::vector<char*> environment = environment_of_runner();
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ < 0) cannot_start();
  if (process_ == 0) {  // only what is safe between fork and exec of a program with threads
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::fcntl(talk[1], F_SETFD, 0);
    ::fcntl(progress_.descriptor(), F_SETFD, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(output[1], STDOUT_FILENO);
    ::dup2(output[1], STDERR_FILENO);
    ::execve(program.c_str(), arguments, environment.data());
    ::_exit(127);
  }
  ::setpgid(process_, process_);  // by whoever comes first, so that kill() always finds the group
  ::close(talk[1]);
  ::close(output[1]);
  output_ = output[0];
  ::fcntl(output_, F_SETFL, O_NONBLOCK);
  ::fcntl(talk[0], F_SETFL, O_NONBLOCK);
  return talk[0];
}

Child::~Child() {
  if (!reaped_) {
    kill();
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(output_);
}

bool Child::take_output() {
  char buffer[16384];
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const ssize_t count = ::read(output_, buffer, sizeof buffer);
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    const auto size = static_cast<std::size_t>(count);
    log::pass_on({buffer, size});
    printed_.append(buffer, size);
    if (printed_.size() > 2 * kKeptOutput) printed_.erase(0, printed_.size() - kKeptOutput);
  }
  return true;
}

std::string Child::last_lines() const {
  return printed_.size() > kKeptOutput ? printed_.substr(printed_.size() - kKeptOutput) : printed_;
}

void Child::kill() {
  if (!reaped_) ::kill(-process_, SIGKILL);
}

std::string Child::reap() {
  int status = 0;
  if (reaped_ || ::waitpid(process_, &status, WNOHANG) != process_) return {};
  ::kill(-process_, SIGKILL);  // whatever else is in its group
  reaped_ = true;
  if (WIFEXITED(status)) return fmt::format("ended with status {}", WEXITSTATUS(status));
  const char* name = ::sigabbrev_np(WTERMSIG(status));
  return fmt::format("ended by signal {} (SIG{})", WTERMSIG(status), name == nullptr ? "?" : name);
}

}  // namespace ns::worker
