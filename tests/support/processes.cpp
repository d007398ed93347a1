#include "tests/support/processes.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace ns::test {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string name = (fs::temp_directory_path() / "ns-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  const bool bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&name), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) == 0;
  ::close(socket);
  if (!bound) throw std::runtime_error("no port is left");
  return ntohs(name.sin_port);
}

Process::Process(const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe is left");
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process can be made");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  output_ = ends[0];
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait();
  }
  ::close(output_);
}

std::string Process::wait_for_line(const std::string& begin, std::chrono::seconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  for (;;) {
    for (std::size_t end; (end = unread_.find('\n')) != std::string::npos;) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.compare(0, begin.size(), begin) == 0) return line;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd item{output_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&item, 1, static_cast<int>(left.count())) == 0) {
      throw std::runtime_error("no line '" + begin + "…' came");
    }
    char buffer[4096];
    const ssize_t count = ::read(output_, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw std::runtime_error("the process ended before its line '" + begin + "…' came");
    unread_.append(buffer, static_cast<std::size_t>(count));
  }
}

void Process::signal(int number) { ::kill(pid_, number); }

int Process::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

RedisServer::RedisServer(const fs::path& folder, bool append_only, std::vector<std::string> more_options)
    : socket_(folder / "redis.sock") {
  words_ = {"redis-server",
            "--port",
            "0",
            "--unixsocket",
            socket_.string(),
            "--dir",
            folder.string(),
            "--save",
            "",
            "--appendonly",
            append_only ? "yes" : "no",
            "--hash-max-listpack-value",
            "1024",
            "--hash-max-listpack-entries",
            "64",
            "--logfile",
            "",
            "--loglevel",
            "notice"};
  words_.insert(words_.end(), more_options.begin(), more_options.end());
  start();
}

void RedisServer::start() {
  process_ = std::make_unique<Process>(words_);
  for (;;) {  // the log line names what it accepts; its words stand behind a prefix with the time
    const std::string line = process_->wait_for_line("");
    if (line.find("ready to accept connections") != std::string::npos) return;
  }
}

void RedisServer::kill() {
  process_->signal(SIGKILL);
  process_->wait();
}
void RedisServer::restart() { start(); }

BrokerProcess::BrokerProcess(const fs::path& folder, const std::string& redis_address,
                             const std::vector<std::string>& more_options, const std::string& name)
    : endpoint_("ipc://" + (folder / (name + ".sock")).string()) {
  words_ = {
      std::string(NS_BIN_DIR) + "/ns-broker", "--redis",     redis_address, "--listen",     endpoint_, "--artifacts",
      (folder / "artifacts").string(),        "--log-level", "warning",     "--durability", "none"};
  words_.insert(words_.end(), more_options.begin(), more_options.end());
  start();
}

void BrokerProcess::start() {
  process_ = std::make_unique<Process>(words_);
  const std::string line = process_->wait_for_line("ns-broker ready");
  const std::size_t tcp = line.find("tcp://");
  if (tcp != std::string::npos) tcp_endpoint_ = line.substr(tcp, line.find(' ', tcp) - tcp);
}

void BrokerProcess::kill() {
  process_->signal(SIGKILL);
  process_->wait();
}
void BrokerProcess::restart() { start(); }

}  // namespace ns::test
