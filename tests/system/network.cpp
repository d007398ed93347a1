#include "tests/system/network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace ns::testing {
namespace {

using test::Process;

int status_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

struct Network::Namespace {
  // Says so once it is in a namespace of its own, and holds it until it is killed.
  Namespace() : holder({"unshare", "--net", "--", "sh", "-c", "ip link set lo up && echo here; exec sleep infinity"}) {
    holder.wait_for_line("here");
  }
  std::string path() const { return "/proc/" + std::to_string(holder.pid()) + "/ns/net"; }
  void run(const std::string& command) const {
    const std::string words = "nsenter --net=" + path() + " " + command;
    if (status_of(words) != 0) throw std::runtime_error("failed: " + words);
  }

  Process holder;
};

std::string Network::obstacle() {
  if (::geteuid() != 0) return "making networks needs root";
  if (status_of("command -v ip nsenter unshare > /dev/null") != 0) return "ip, nsenter and unshare are needed";
  if (status_of("unshare --net -- sh -c 'ip link add switch type bridge && ip link add one type veth peer name other' "
                "> /dev/null 2>&1") != 0) {
    return "network namespaces, bridges or veth pairs cannot be made here";
  }
  return {};
}

Network::Network(int hosts) : home_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
  if (home_ < 0) throw std::runtime_error("/proc/self/ns/net cannot be opened");
  spaces_.push_back(std::make_unique<Namespace>());
  spaces_[0]->run("ip link add switch type bridge");
  spaces_[0]->run("ip link set switch up");
  for (int host = 1; host <= hosts; ++host) attach(host);
}

Network::~Network() {
  ::setns(home_, CLONE_NEWNET);
  ::close(home_);
}

void Network::attach(int host) {
  spaces_.push_back(std::make_unique<Namespace>());
  const Namespace& self = *spaces_.back();
  const std::string port = "port" + std::to_string(host);
  spaces_[0]->run("ip link add " + port + " type veth peer name eth0 netns " + std::to_string(self.holder.pid()));
  spaces_[0]->run("ip link set " + port + " master switch up");
  self.run("ip address add " + address(host) + "/24 dev eth0");
  self.run("ip link set eth0 up");
}

std::vector<std::string> Network::at(int host, const std::vector<std::string>& words) const {
  std::vector<std::string> there = {"nsenter", "--net=" + spaces_.at(host)->path(), "--"};
  there.insert(there.end(), words.begin(), words.end());
  return there;
}

void Network::enter(int host) const {
  const int space = ::open(spaces_.at(host)->path().c_str(), O_RDONLY | O_CLOEXEC);
  const bool entered = space >= 0 && ::setns(space, CLONE_NEWNET) == 0;
  const int failure = errno;
  if (space >= 0) ::close(space);
  if (!entered) throw std::runtime_error(std::string("a host cannot be entered: ") + std::strerror(failure));
}

// The switch forgets the port: both ends keep their addresses and routes, as when something on the way breaks.
void Network::cut(int host) { spaces_[0]->run("ip link set port" + std::to_string(host) + " nomaster"); }
void Network::join(int host) { spaces_[0]->run("ip link set port" + std::to_string(host) + " master switch"); }

}  // namespace ns::testing
