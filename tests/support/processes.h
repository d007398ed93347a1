// Real processes for tests: each dies with the test (PR_SET_PDEATHSIG), and with the object that started it.
// One thread an object, the one that made it (the kernel's death signal follows the thread).
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace ns::test {

// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

int free_port();  // of TCP on loopback: that nobody listened on just now

class Process {
 public:
  // Standard output is read by wait_for_line; standard error goes to the test's own.
  explicit Process(const std::vector<std::string>& words);
  ~Process();  // SIGKILL, and waits
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The first line of output that begins so; throws after `most` (generous: only a broken program waits so long).
  std::string wait_for_line(const std::string& begin, std::chrono::seconds most = std::chrono::seconds(60));
  void signal(int number);
  int wait();  // its exit status; 128 + signal when one ended it
  int pid() const { return pid_; }

 private:
  int pid_ = -1;
  int output_ = -1;
  std::string unread_;
};

// redis-server on <folder>/redis.sock, without persistence unless asked for. Answers PING when the constructor returns.
class RedisServer {
 public:
  // `more_options` as on its command line: {"--maxmemory", "100mb"}; the last of a name counts.
  explicit RedisServer(const std::filesystem::path& folder, bool append_only = false,
                       std::vector<std::string> more_options = {});

  const std::filesystem::path& socket() const { return socket_; }
  std::string address() const { return "unix:" + socket_.string(); }
  int pid() const { return process_->pid(); }
  void kill();     // SIGKILL
  void restart();  // after kill()
  Process& process() { return *process_; }

 private:
  void start();

  const std::filesystem::path socket_;
  std::vector<std::string> words_;
  std::unique_ptr<Process> process_;
};

// ns-broker on ipc://<folder>/<name>.sock with artifacts in <folder>/artifacts; ready when the constructor returns.
// Content with a Redis that keeps nothing, unless the options say otherwise.
class BrokerProcess {
 public:
  BrokerProcess(const std::filesystem::path& folder, const std::string& redis_address,
                const std::vector<std::string>& more_options = {}, const std::string& name = "broker");

  const std::string& endpoint() const { return endpoint_; }
  const std::string& tcp_endpoint() const { return tcp_endpoint_; }  // with its port, when more_options listen on one
  void kill();                                                       // SIGKILL
  void restart();                                                    // after kill(), on the same endpoint
  Process& process() { return *process_; }

 private:
  void start();

  std::vector<std::string> words_;
  std::string endpoint_;
  std::string tcp_endpoint_;
  std::unique_ptr<Process> process_;
};

}  // namespace ns::test
