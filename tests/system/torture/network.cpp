#include "tests/system/torture/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

namespace ns::torture {
namespace {

using Time = std::chrono::steady_clock::time_point;

constexpr const char* kSubnet = "10.77.0.";
constexpr std::size_t kLargestPacket = 64u << 10;
constexpr std::size_t kMostHosts = 250;
constexpr std::size_t kMostWaiting = 20'000;  // packets under way; a real queue is bounded too

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

Descriptor open_or_fail(const char* path, int flags) {
  const int number = ::open(path, flags | O_CLOEXEC);
  if (number < 0) fail(path);
  return Descriptor(number);
}

void control(int socket, unsigned long request, ifreq& interface, const char* what) {
  if (::ioctl(socket, request, &interface) != 0) fail(what);
}

ifreq interface_named(const char* name) {
  ifreq interface {};
  std::strncpy(interface.ifr_name, name, IFNAMSIZ - 1);
  return interface;
}

void set_address(int socket, unsigned long request, const std::string& address) {
  ifreq interface = interface_named("link");
  sockaddr_in in{};
  in.sin_family = AF_INET;
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  std::memcpy(&interface.ifr_addr, &in, sizeof in);
  control(socket, request, interface, "an address of a link");
}

void bring_up(int socket, const char* name) {
  ifreq interface = interface_named(name);
  interface.ifr_flags = IFF_UP;
  control(socket, SIOCSIFFLAGS, interface, "a link going up");
}

struct Host {
  std::string name;
  std::string address;
  Descriptor net_namespace;
  Descriptor device;
};

// REQUIRES: a thread that may be moved into another namespace and needs not come back.
Host make_host(const std::string& name, const std::string& address) {
  if (::unshare(CLONE_NEWNET) != 0) fail("a network namespace");
  Descriptor device = open_or_fail("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq interface = interface_named("link");
  interface.ifr_flags = IFF_TUN | IFF_NO_PI;
  control(device.get(), TUNSETIFF, interface, "a TUN device");
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  set_address(socket.get(), SIOCSIFADDR, address);
  set_address(socket.get(), SIOCSIFNETMASK, "255.255.255.0");
  bring_up(socket.get(), "link");
  bring_up(socket.get(), "lo");
  return {name, address, open_or_fail("/proc/thread-self/ns/net", O_RDONLY), std::move(device)};
}

std::vector<Host> make_hosts(const std::vector<std::string>& names) {
  if (names.size() > kMostHosts) throw std::runtime_error("too many hosts for one network");
  std::vector<Host> hosts;
  std::string trouble;
  std::thread([&] {
    try {
      for (const std::string& name : names) {
        hosts.push_back(make_host(name, kSubnet + std::to_string(hosts.size() + 1)));
      }
    } catch (const std::exception& error) {
      trouble = error.what();
    }
  }).join();
  if (!trouble.empty()) throw std::runtime_error(trouble);
  return hosts;
}

struct Packet {
  Time due;
  std::uint64_t order = 0;
  std::size_t to = 0;
  std::string bytes;

  bool operator>(const Packet& other) const { return due != other.due ? due > other.due : order > other.order; }
};

// Of an IPv4 packet between hosts of ours: the number of the receiver.
std::optional<std::size_t> receiver_of(const std::string& bytes, std::size_t hosts) {
  constexpr std::size_t kDestination = 16, kHeader = 20;
  if (bytes.size() < kHeader || (static_cast<unsigned char>(bytes[0]) >> 4) != 4) return std::nullopt;
  const std::size_t last = static_cast<unsigned char>(bytes[kDestination + 3]);
  if (bytes.compare(kDestination, 3, "\x0a\x4d\x00", 3) != 0 || last == 0 || last > hosts) return std::nullopt;
  return last - 1;
}

}  // namespace

struct Network::State {
  explicit State(const std::vector<std::string>& names)
      : hosts(make_hosts(names)),
        links(names.size()),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        carrier([this] { carry(); }) {}
  ~State() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    ::eventfd_write(wake.get(), 1);
    carrier.join();
  }

  std::size_t number_of(const std::string& name) const {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      if (hosts[i].name == name) return i;
    }
    throw std::runtime_error("no host " + name);
  }

  void carry() {
    for (;;) {
      std::vector<pollfd> items{{wake.get(), POLLIN, 0}};
      for (const Host& host : hosts) items.push_back({host.device.get(), POLLIN, 0});
      ::poll(items.data(), items.size(), until_next());
      const std::lock_guard lock(mutex);
      if (ending) return;
      for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (items[i + 1].revents != 0) take_from(i);
      }
      deliver();
    }
  }

  int until_next() const {
    if (under_way.empty()) return -1;
    const auto left = under_way.top().due - std::chrono::steady_clock::now();
    return static_cast<int>(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }

  void take_from(std::size_t from) {
    std::string bytes(kLargestPacket, '\0');
    for (int most = 64; most > 0; --most) {
      bytes.resize(kLargestPacket);
      const ssize_t size = ::read(hosts[from].device.get(), bytes.data(), bytes.size());
      if (size <= 0) return;
      bytes.resize(static_cast<std::size_t>(size));
      if (const auto to = receiver_of(bytes, hosts.size())) send(from, *to, bytes);
    }
  }

  bool happens(double part) { return part > 0 && std::uniform_real_distribution<>(0, 1)(random) < part; }

  std::chrono::microseconds delay_of(const Link& link) {
    if (link.jitter.count() == 0) return link.delay;
    return link.delay +
           std::chrono::microseconds(std::uniform_int_distribution<std::int64_t>(0, link.jitter.count())(random));
  }

  void send(std::size_t from, std::size_t to, const std::string& bytes) {
    const Link &out = links[from], &in = links[to];
    if (out.cut_out || in.cut_in || happens(out.lost) || happens(in.lost) || under_way.size() >= kMostWaiting) {
      ++counts.lost;
      return;
    }
    const int copies = 1 + happens(out.doubled) + happens(in.doubled);
    counts.doubled += static_cast<std::uint64_t>(copies - 1);
    for (int i = 0; i < copies; ++i) {
      const auto delay = delay_of(out) + delay_of(in);
      counts.delayed += delay.count() > 0;
      under_way.push({std::chrono::steady_clock::now() + delay, ++last_order, to, bytes});
    }
  }

  void deliver() {
    const Time now = std::chrono::steady_clock::now();
    while (!under_way.empty() && under_way.top().due <= now) {
      const Packet& packet = under_way.top();
      // A full device drops, as a real one would.
      const bool arrived = ::write(hosts[packet.to].device.get(), packet.bytes.data(), packet.bytes.size()) > 0;
      ++(arrived ? counts.carried : counts.lost);
      under_way.pop();
    }
  }

  const std::vector<Host> hosts;
  mutable std::mutex mutex;  // guards all below
  std::vector<Link> links;
  PacketCounts counts;
  bool ending = false;
  std::priority_queue<Packet, std::vector<Packet>, std::greater<>> under_way;
  std::uint64_t last_order = 0;
  std::mt19937_64 random{1};
  const Descriptor wake;
  std::thread carrier;  // last: it uses the others
};

std::string Network::obstacle() {
  if (::geteuid() != 0) return "network namespaces need root";
  try {
    make_hosts({"probe"});
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

Network::Network(const std::vector<std::string>& hosts) : state_(std::make_unique<State>(hosts)) {}
Network::~Network() = default;

std::string Network::address(const std::string& host) const { return state_->hosts[state_->number_of(host)].address; }

std::string Network::entrance(const std::string& host) const {
  const int number = state_->hosts[state_->number_of(host)].net_namespace.get();
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(number);
}

void Network::set(const std::string& host, const Link& link) {
  const std::size_t number = state_->number_of(host);
  const std::lock_guard lock(state_->mutex);
  state_->links[number] = link;
}

PacketCounts Network::counts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->counts;
}

void Network::enter(const std::string& entrance) {
  const Descriptor there = open_or_fail(entrance.c_str(), O_RDONLY);
  if (::setns(there.get(), CLONE_NEWNET) != 0) fail(entrance);
}

}  // namespace ns::torture
