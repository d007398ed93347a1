#include "worker/tasks/experiment/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/error.h"
#include "worker/runner/process_tree.h"
#include "worker/runner/self.h"

namespace ns::worker::tasks {
namespace {

constexpr int kTickMilliseconds = 100;
constexpr std::size_t kKeptOutput = 4096;                // of the end, for the error
constexpr std::size_t kMostLog = std::size_t{16} << 20;  // of the log file; what comes later is read and dropped

// What a keeper says when its command has ended. Fixed size, so that one write is whole.
struct Report {
  int exit_code = 0;
  int signal = 0;
  int start_error = 0;  // errno of exec
};

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      throw Error(ErrorCode::unavailable, fmt::format("no pipe for the command: {}", std::strerror(errno)));
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    close_end(read);
    close_end(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close_end(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    bool kept = true;
    for (const auto& [set, value] : command.environment) kept = kept && name != set;
    for (const std::string& unset : command.unset) kept = kept && name != unset;
    if (kept) entries.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

class Output {
 public:
  explicit Output(const std::filesystem::path& log)
      : log_(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {}
  ~Output() {
    if (log_ >= 0) ::close(log_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // False at the end of the stream.
  bool take(int descriptor) {
    char buffer[16384];
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0) return errno == EINTR || errno == EAGAIN;
    if (count == 0) return false;
    const auto size = static_cast<std::size_t>(count);
    if (log_ >= 0 && written_ + size <= kMostLog)
      written_ += static_cast<std::size_t>(std::max<ssize_t>(0, ::write(log_, buffer, size)));
    end_.append(buffer, size);
    if (end_.size() > 2 * kKeptOutput) end_.erase(0, end_.size() - kKeptOutput);
    return true;
  }

  std::string end() const { return end_.size() > kKeptOutput ? end_.substr(end_.size() - kKeptOutput) : end_; }

 private:
  int log_;
  std::size_t written_ = 0;
  std::string end_;
};

// Kills everything below this process and reaps it, until nothing is left.
void kill_descendants() {
  for (;;) {
    for (pid_t process : descendants_of(::getpid())) ::kill(process, SIGKILL);
    int status = 0;
    const pid_t reaped = ::waitpid(-1, &status, WNOHANG);
    if (reaped < 0 && errno == ECHILD) return;
    if (reaped == 0) ::usleep(1000);
  }
}

}  // namespace

int keep_command(int pipe, int status, char** arguments) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "ns-keeper");
  ::setsid();
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  Report report;
  Pipe started;
  const pid_t child = ::fork();
  if (child == 0) {
    ::sigprocmask(SIG_UNBLOCK, &child_ended, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);
    ::close(pipe);
    ::close(status);
    ::execvp(arguments[0], arguments);
    const int failure = errno;
    [[maybe_unused]] const ssize_t told = ::write(started.write, &failure, sizeof failure);
    ::_exit(127);
  }
  Pipe::close_end(started.write);
  // Ours stay open otherwise, and the reader would wait for us as well as for the command.
  ::close(STDOUT_FILENO);
  ::close(STDERR_FILENO);
  if (child < 0) {
    report.start_error = errno;
  } else {
    if (::read(started.read, &report.start_error, sizeof report.start_error) <= 0) report.start_error = 0;
    int ended = 0;
    for (;;) {
      const pid_t reaped = ::waitpid(child, &ended, WNOHANG);
      if (reaped == child) break;
      pollfd parent{pipe, POLLIN, 0};
      // Short waits: children that a subreaper adopts must be reaped too, and SIGCHLD may come between the two calls.
      if (::poll(&parent, 1, 20) > 0) {  // nothing is ever written: this is the end of our parent, or its wish
        kill_descendants();
        ended = SIGKILL;
        break;
      }
    }
    report.exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 0;
    report.signal = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
    kill_descendants();
  }
  [[maybe_unused]] const ssize_t told = ::write(status, &report, sizeof report);
  return 0;
}

CommandEnd run_command(const Command& command, const std::filesystem::path& log, const std::function<bool()>& tick) {
  Pipe life, status, output;
  const std::string program = path_of_this_program();
  std::vector<std::string> arguments{program, "keep-command", std::to_string(life.read), std::to_string(status.write)};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = environment_of(command);
  const std::vector<char*> argument_pointers = pointers(arguments), environment_pointers = pointers(environment);
  const std::string folder = command.folder.string();

  const pid_t keeper = ::fork();
  if (keeper < 0)
    throw Error(ErrorCode::unavailable, fmt::format("the command could not be started: {}", std::strerror(errno)));
  if (keeper == 0) {  // only what is safe between fork and exec of a program with threads
    ::fcntl(life.read, F_SETFD, 0);
    ::fcntl(status.write, F_SETFD, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(output.write, STDOUT_FILENO);
    ::dup2(output.write, STDERR_FILENO);
    if (::chdir(folder.c_str()) == 0) ::execve(program.c_str(), argument_pointers.data(), environment_pointers.data());
    ::_exit(127);
  }
  Pipe::close_end(life.read);
  Pipe::close_end(status.write);
  Pipe::close_end(output.write);

  Output kept(log);
  CommandEnd end;
  Report report;
  bool reported = false;
  while (!reported) {
    pollfd watched[2] = {{status.read, POLLIN, 0}, {output.read, POLLIN, 0}};
    ::poll(watched, 2, kTickMilliseconds);
    if (watched[1].revents != 0 && !kept.take(output.read)) Pipe::close_end(output.read);
    if (watched[0].revents != 0) {
      if (::read(status.read, &report, sizeof report) != sizeof report) {
        report = {};
        report.signal = SIGKILL;  // the keeper itself was killed; the command went with it
      }
      reported = true;
    }
    if (!end.stopped && !tick()) {
      end.stopped = true;
      Pipe::close_end(life.write);
    }
  }
  int ignored = 0;
  while (::waitpid(keeper, &ignored, 0) < 0 && errno == EINTR) {
  }
  while (output.read >= 0 && kept.take(output.read)) {  // everything that could write to it is dead: it ends
  }
  tick();
  end.exit_code = report.exit_code;
  end.signal = report.signal;
  if (report.start_error != 0) end.start_error = std::strerror(report.start_error);
  end.last_lines = kept.end();
  return end;
}

}  // namespace ns::worker::tasks
