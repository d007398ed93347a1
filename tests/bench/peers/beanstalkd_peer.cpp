// beanstalkd for bench_queue; README.md has the command line. Speaks its text protocol over a unix socket: jobs go
// through the tube "jobs", results come back through the tube "results".
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "tests/bench/peers/measured_client.h"

namespace {

using namespace ns::bench;

class Connection {
 public:
  explicit Connection(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::runtime_error("the path is too long: " + path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("no connection to " + path);
    }
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void write(const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t count = ::write(socket_, text.data() + done, text.size() - done);
      if (count <= 0) throw std::runtime_error("beanstalkd has gone");
      done += static_cast<std::size_t>(count);
    }
  }
  std::string line() {
    for (;;) {
      const auto end = unread_.find("\r\n", first_);
      if (end != std::string::npos) {
        std::string found = unread_.substr(first_, end - first_);
        first_ = end + 2;
        return found;
      }
      more();
    }
  }
  void expect(const std::string& begin) {
    const std::string found = line();
    if (found.compare(0, begin.size(), begin) != 0) throw std::runtime_error("beanstalkd answered: " + found);
  }
  // The id of the job that a reserve brought; its body is checked.
  std::string reserved(const std::string& body) {
    const std::string found = line();  // RESERVED <id> <bytes>
    if (found.compare(0, 9, "RESERVED ") != 0) throw std::runtime_error("beanstalkd answered: " + found);
    if (line() != body) throw std::runtime_error("a job has another body");
    return found.substr(9, found.find(' ', 9) - 9);
  }

 private:
  void more() {
    unread_.erase(0, first_);
    first_ = 0;
    char buffer[1 << 16];
    const ssize_t count = ::read(socket_, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("beanstalkd has gone");
    unread_.append(buffer, static_cast<std::size_t>(count));
  }

  int socket_;
  std::string unread_;
  std::size_t first_ = 0;
};

std::string put(const std::string& body) {
  return "put 0 0 60 " + std::to_string(body.size()) + "\r\n" + body + "\r\n";
}

void work(const std::string& path) {
  Connection jobs(path);
  jobs.write("watch jobs\r\nignore default\r\nuse results\r\n");
  jobs.expect("WATCHING");
  jobs.expect("WATCHING");
  jobs.expect("USING");
  std::puts("peer ready");
  std::fflush(stdout);
  jobs.write("reserve\r\n");
  for (;;) {
    const std::string id = jobs.reserved(kPeerParameters);
    jobs.write(put(kPeerResult) + "delete " + id + "\r\nreserve\r\n");
    jobs.expect("INSERTED");
    jobs.expect("DELETED");
  }
}

class Client {
 public:
  explicit Client(const std::string& path) : jobs_(path), results_(path) {
    jobs_.write("use jobs\r\n");
    jobs_.expect("USING");
    results_.write("watch results\r\nignore default\r\n");
    results_.expect("WATCHING");
    results_.expect("WATCHING");
  }

  void run(std::uint32_t count) {
    std::thread sender([&] { send(count); });
    results_.write("reserve\r\n");
    for (std::uint32_t seen = 1; seen <= count; ++seen) {
      const std::string id = results_.reserved(kPeerResult);
      results_.write("delete " + id + (seen < count ? "\r\nreserve\r\n" : "\r\n"));
      results_.expect("DELETED");
    }
    sender.join();
  }

 private:
  void send(std::uint32_t count) {
    constexpr std::uint32_t kAtOnce = 100;
    for (std::uint32_t left = count; left > 0;) {
      const std::uint32_t some = std::min(left, kAtOnce);
      std::string text;
      for (std::uint32_t i = 0; i < some; ++i) text += put(kPeerParameters);
      jobs_.write(text);
      for (std::uint32_t i = 0; i < some; ++i) jobs_.expect("INSERTED");
      left -= some;
    }
  }

  Connection jobs_, results_;
};

std::string version_of(const std::string& path) {
  Connection server(path);
  server.write("stats\r\n");
  server.expect("OK");
  const std::string stats = server.line();  // YAML, whose lines end without a carriage return
  const std::string name = "\nversion: ";
  const auto begin = stats.find(name);
  if (begin == std::string::npos) throw std::runtime_error("beanstalkd does not say its version");
  std::string version = stats.substr(begin + name.size(), stats.find('\n', begin + 1) - begin - name.size());
  std::erase(version, '"');
  return version;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::strcmp(argv[1], "worker") == 0) work(argv[2]);
    if (argc != 5) throw std::runtime_error("usage: beanstalkd_peer worker SOCKET | client SOCKET JOBS ROUND_TRIPS");
    Client client(argv[2]);
    measure_peer("beanstalkd " + version_of(argv[2]), static_cast<std::uint32_t>(std::stoul(argv[3])),
                 static_cast<std::uint32_t>(std::stoul(argv[4])), [&](std::uint32_t count) { client.run(count); });
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "beanstalkd_peer: %s\n", error.what());
    return 1;
  }
}
