#include "broker/store/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

namespace ns::broker::store {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kReadsInTurn = 16;
// hiredis moves what is left of a piece after each reply: small pieces make that cheap.
constexpr std::size_t kFedBytes = 8 * 1024;

Error unavailable(const std::string& what, int error) {
  return Error(ErrorCode::unavailable, what + ": " + std::strerror(error));
}

// What a command gets when the connection is lost before its answer came.
Error lost_error() {
  return Error(ErrorCode::unavailable, "the connection to Redis was lost: the request may be repeated");
}

}  // namespace

Connection::Connection(net::PollLoop& loop, const Address& address, std::function<void(const std::string&)> on_closed)
    : loop_(loop), on_closed_(std::move(on_closed)), text_(text_of(address)) {
  if (!address.path.empty()) {
    connecting_ = !open_unix(address);
  } else if (const Addresses known = numeric_addresses(address)) {
    connecting_ = !open_tcp(*known);
  } else {
    resolution_.emplace(address);
    descriptor_ = resolution_->watched();
    connecting_ = true;
    watch({true, false});
    return;
  }
  watch({true, connecting_});
}

Connection::~Connection() {
  if (descriptor_ < 0) return;
  loop_.unwatch(descriptor_);
  ::close(descriptor_);
}

bool Connection::open_unix(const Address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  return connect_to(reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

bool Connection::open_tcp(const addrinfo& first) {
  for (const addrinfo* one = &first;; one = one->ai_next) {
    try {
      const bool done = connect_to(one->ai_addr, one->ai_addrlen);
      const int on = 1;
      ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(descriptor_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      return done;
    } catch (const Error&) {
      if (one->ai_next == nullptr) throw;  // a host may have an address that is not for us, such as ::1
    }
  }
}

// The descriptor was that of the resolution so far.
void Connection::resolved() {
  Resolution resolution = std::move(*resolution_);
  resolution_.reset();
  try {
    const Addresses addresses = resolution.take();
    const int waited_for = descriptor_;
    const bool done = open_tcp(*addresses);
    loop_.unwatch(waited_for);
    ::close(waited_for);
    watch({true, true});
    if (done) connected();
  } catch (const Error& error) {
    close(error.what());
  }
}

bool Connection::connect_to(const sockaddr* name, unsigned size) {
  const int socket = ::socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) throw unavailable("no socket for " + text_, errno);
  const bool done = ::connect(socket, name, size) == 0;
  if (done || errno == EINPROGRESS) {
    descriptor_ = socket;
    return done;
  }
  const int error = errno;
  ::close(socket);
  throw unavailable(text_, error);
}

void Connection::retire(net::PollLoop& loop, std::unique_ptr<Connection> connection) {
  connection->retired_ = true;
  loop.after(std::chrono::nanoseconds(0),
             [retired = std::shared_ptr<Connection>(std::move(connection))] { retired->close("it is not wanted"); });
}

void Connection::command(const Arguments& first, const Arguments& rest, Callback callback) {
  if (descriptor_ < 0) {
    callback(Reply(lost_error()));
    return;
  }
  char head[24] = {'*'};
  char* end = std::to_chars(head + 1, head + 21, first.count() + rest.count()).ptr;
  *end++ = '\r';
  *end++ = '\n';
  unwritten_.append(head, end).append(first.words()).append(rest.words());
  waiting_.push_back(std::move(callback));
}

void Connection::subscribe(const std::vector<std::string>& channels, MessageCallback callback) {
  on_message_ = std::move(callback);
  unsubscribed_ = channels.size();
  Arguments words("SUBSCRIBE");
  for (const std::string& channel : channels) words.add(channel);
  command(words, [this](const Reply& reply) {
    if (reply.is_error()) close(reply.error().what());
  });
  flush();
}

void Connection::flush() {
  if (!connecting_ && !blocked_) write();
}

void Connection::watch(net::PollLoop::Interest interest) {
  loop_.watch(descriptor_, interest, [this](net::PollLoop::Ready ready) { this->ready(ready); });
}

void Connection::ready(net::PollLoop::Ready ready) {
  if (resolution_) {
    resolved();
  } else if (connecting_) {
    connected();
  } else if (ready.writable) {
    write();
  }
  if (ready.readable && descriptor_ >= 0 && !connecting_) read();
}

void Connection::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    close(std::strerror(error));
    return;
  }
  connecting_ = false;
  blocked_ = true;  // so that the watch is set anew
  write();
}

void Connection::write() {
  while (written_ < unwritten_.size()) {
    const ssize_t count = ::send(descriptor_, unwritten_.data() + written_, unwritten_.size() - written_, MSG_NOSIGNAL);
    if (count >= 0) {
      written_ += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!std::exchange(blocked_, true)) watch({true, true});
      return;
    } else if (errno != EINTR) {
      close(std::strerror(errno));
      return;
    }
  }
  unwritten_.clear();
  written_ = 0;
  if (std::exchange(blocked_, false)) watch({true, false});
}

void Connection::read() {
  char buffer[kReadBytes];
  for (int i = 0; i < kReadsInTurn && descriptor_ >= 0; ++i) {
    const ssize_t count = ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (count <= 0) {
      close(count == 0 ? "it closed the connection" : std::strerror(errno));
      return;
    }
    const auto bytes = static_cast<std::size_t>(count);
    for (std::size_t fed = 0; fed < bytes; fed += kFedBytes) {
      reader_.feed(buffer + fed, std::min(kFedBytes, bytes - fed));
      while (const Reply* reply = next_reply()) {
        deliver(*reply);
        reader_.release();
      }
    }
    if (bytes < sizeof buffer) return;  // there is no more, or the loop will say so
  }
}

const Reply* Connection::next_reply() {
  try {
    return reader_.next();
  } catch (const Error& error) {
    close(error.what());
    return nullptr;
  }
}

void Connection::deliver(const Reply& reply) {
  if (on_message_ && reply.is_list()) {
    if (!retired_) receive_message(reply);
    return;
  }
  if (reply.is_error() && on_error_ && !retired_) on_error_(reply);
  if (waiting_.empty()) return;  // answered with an error before: this connection was closed
  ++answered_;
  const Callback callback = std::move(waiting_.front());
  waiting_.pop_front();
  callback(reply);
}

void Connection::receive_message(const Reply& reply) {
  const std::string_view kind = reply.at(0).text();
  if (kind == "subscribe" && unsubscribed_ > 0 && --unsubscribed_ == 0) {
    waiting_.clear();  // SUBSCRIBE has no other answer
    on_message_({}, {});
  }
  if (kind == "message") on_message_(reply.at(1).text(), reply.at(2).text());
}

void Connection::close(const std::string& why) {
  if (descriptor_ < 0) return;
  loop_.unwatch(descriptor_);
  ::close(std::exchange(descriptor_, -1));
  const Error lost = connecting_ ? Error(ErrorCode::unavailable, why) : lost_error();
  for (const Callback& callback : std::exchange(waiting_, {})) callback(Reply(lost));
  if (!retired_) on_closed_(why);
}

}  // namespace ns::broker::store
