#include "broker/store/resolution.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "common/error.h"

namespace ns::broker::store {
namespace {

constexpr int kMostLookUps = 32;  // threads; name servers that are away hold each for many seconds
std::atomic<int> look_ups{0};

int look_up(const Address& address, int flags, addrinfo** list) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, list);
}

}  // namespace

Addresses numeric_addresses(const Address& address) {
  addrinfo* list = nullptr;
  return Addresses(look_up(address, AI_NUMERICHOST, &list) == 0 ? list : nullptr);
}

// Written by the thread before it says so, through `known` and then `event`; read after.
struct Resolution::Shared {
  explicit Shared(const Address& asked) : address(asked), event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Shared() {
    if (event >= 0) ::close(event);
    --look_ups;
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  const Address address;
  const int event;
  int failure = 0;
  Addresses list;
  std::atomic<bool> known{false};
};

Resolution::Resolution(const Address& address) {
  if (++look_ups > kMostLookUps) {
    --look_ups;
    throw Error(ErrorCode::unavailable, "host " + address.host + ": name servers do not answer");
  }
  shared_ = std::make_shared<Shared>(address);
  if (shared_->event < 0) throw Error(ErrorCode::unavailable, std::string("no eventfd: ") + std::strerror(errno));
  std::thread([shared = shared_] {
    addrinfo* list = nullptr;
    shared->failure = look_up(shared->address, 0, &list);
    shared->list.reset(shared->failure == 0 ? list : nullptr);
    shared->known.store(true, std::memory_order_release);
    ::eventfd_write(shared->event, 1);
  }).detach();
}

int Resolution::watched() const {
  const int own = ::fcntl(shared_->event, F_DUPFD_CLOEXEC, 0);
  if (own < 0) throw Error(ErrorCode::unavailable, std::string("no descriptor: ") + std::strerror(errno));
  return own;
}

Addresses Resolution::take() {
  if (!shared_->known.load(std::memory_order_acquire)) throw Error(ErrorCode::internal, "taken before it was known");
  if (shared_->failure == 0) return std::move(shared_->list);
  throw Error(ErrorCode::unavailable, "host " + shared_->address.host + ": " + ::gai_strerror(shared_->failure));
}

}  // namespace ns::broker::store
