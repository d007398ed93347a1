#include "common/net/authenticator.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/log.h"
#include "common/net/context_state.h"
#include "common/net/zap.h"

namespace ns::net {
namespace {

// Refusals that are told to people, each key once until the list is read again: a flood of keys is not a flood of log.
constexpr std::size_t kMostTold = 64;
constexpr std::size_t kMostParts = 16;

}  // namespace

// The thread's side: a ROUTER, so that a request that makes no sense can simply be dropped.
class Authenticator::Door {
 public:
  Door(zmq::context_t& context, const Authenticator& owner)
      : owner_(owner), socket_(context, zmq::socket_type::router), stop_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (stop_ < 0) throw Error(ErrorCode::unavailable, "no eventfd is left");
    socket_.set(zmq::sockopt::linger, 0);
    socket_.bind(zap::kEndpoint);
  }
  ~Door() { ::close(stop_); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void stop() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(stop_, &one, sizeof one);
  }

  void serve() {
    for (;;) {
      zmq_pollitem_t items[] = {{socket_.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, stop_, ZMQ_POLLIN, 0}};
      if (zmq_poll(items, 2, -1) < 0 && zmq_errno() != EINTR) return;  // the context is ending
      if (items[1].revents != 0) return;
      answer_one();
    }
  }

 private:
  void answer_one() {
    std::vector<std::string> parts;
    zmq::message_t part;
    do {
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) return;
      if (parts.size() <= kMostParts) parts.push_back(part.to_string());
    } while (part.more());
    const auto request = zap::parse(parts);
    if (!request) return;
    for (const std::string& one : zap::encode(*request, judge(*request))) {
      if (!socket_.send(zmq::buffer(one), zmq::send_flags::dontwait | zmq::send_flags::sndmore)) return;
    }
    socket_.send(zmq::message_t(), zmq::send_flags::dontwait);  // no metadata
  }

  zap::Verdict judge(const zap::Request& request) {
    // Only our own plain endpoints have this domain: the peer cannot choose it.
    if (request.domain == zap::kPlainDomain && request.mechanism == "NULL") return {true, zap::kPlainUser};
    if (request.domain != zap::kCurveDomain || request.public_key.empty()) return {false, {}};
    const auto keys = owner_.keys();
    const bool ours = request.public_key == owner_.own_.public_key;
    if (ours || keys->find(request.public_key) != nullptr) return {true, request.public_key};
    tell(request, keys);
    return {false, {}};
  }

  void tell(const zap::Request& request, const std::shared_ptr<const AuthorizedKeys>& keys) {
    if (told_of_ != keys) told_.clear();
    told_of_ = keys;
    if (told_.size() >= kMostTold || !told_.insert(request.public_key).second) return;
    log::warning("{} was refused: its key is not in {}; to let it in, add a line there and send SIGHUP: client {} NAME",
                 request.address, owner_.list_.string(), request.public_key);
  }

  const Authenticator& owner_;
  zmq::socket_t socket_;
  const int stop_;
  std::unordered_set<std::string> told_;
  std::shared_ptr<const AuthorizedKeys> told_of_;
};

Authenticator::Authenticator(Context& context, KeyPair own, std::filesystem::path list)
    : own_(std::move(own)),
      list_(std::move(list)),
      keys_(std::make_shared<AuthorizedKeys>(AuthorizedKeys::read(list_))),
      door_(std::make_unique<Door>(context.state_->context, *this)),
      thread_([this] { door_->serve(); }) {}

Authenticator::~Authenticator() {
  door_->stop();
  thread_.join();
}

void Authenticator::reload() {
  auto keys = std::make_shared<AuthorizedKeys>(AuthorizedKeys::read(list_));
  log::info("{} keys are authorized by {}", keys->size(), list_.string());
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
}

std::shared_ptr<const AuthorizedKeys> Authenticator::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Role Authenticator::role_of(const std::string& user) const {
  if (user == zap::kPlainUser) return Role::local;
  if (user == own_.public_key) return Role::broker;
  const auto keys = this->keys();
  const AuthorizedKeys::Entry* entry = keys->find(user);
  return entry == nullptr ? Role::none : entry->role;
}

std::string Authenticator::name_of(const std::string& user) const {
  const auto keys = this->keys();
  const AuthorizedKeys::Entry* entry = keys->find(user);
  return entry == nullptr || entry->name.empty() ? user : entry->name;
}

}  // namespace ns::net
