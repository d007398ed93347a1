#include "worker/runner/channel.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/error.h"
#include "common/limits.h"

namespace ns::worker {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMostBytes = 2 * limits::kMaxMessageBytes;  // a body of the protocol and its header
constexpr std::size_t kReadBytes = std::size_t{128} << 10;

std::size_t length_at(const std::string& bytes, std::size_t at) {
  std::size_t length = 0;
  for (std::size_t index = kLengthBytes; index-- > 0;)
    length = length << 8 | static_cast<unsigned char>(bytes[at + index]);
  return length;
}

}  // namespace

Channel::~Channel() { ::close(descriptor_); }

bool Channel::send(std::string_view message) {
  std::size_t length = message.size();
  for (std::size_t index = 0; index < kLengthBytes; ++index, length >>= 8) unsent_ += static_cast<char>(length & 0xff);
  unsent_ += message;
  return flush();
}

bool Channel::flush() {
  while (sent_ < unsent_.size()) {
    const ssize_t count = ::send(descriptor_, unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
  unsent_.clear();
  sent_ = 0;
  return true;
}

// Moves what has not been given out yet to the front, but only when that is less than what it makes room for: each byte
// is moved a bounded number of times, however much is waiting.
void Channel::make_room() {
  if (taken_ == filled_) taken_ = filled_ = 0;
  if (received_.size() - filled_ >= kReadBytes) return;
  const std::size_t waiting = filled_ - taken_;
  if (waiting <= taken_) {
    std::memmove(received_.data(), received_.data() + taken_, waiting);
    taken_ = 0;
    filled_ = waiting;
  }
  if (received_.size() - filled_ < kReadBytes) received_.resize(std::max(2 * received_.size(), filled_ + kReadBytes));
}

bool Channel::read() {
  if (closed_) return false;
  make_room();
  for (;;) {
    const ssize_t count = ::recv(descriptor_, received_.data() + filled_, received_.size() - filled_, 0);
    if (count > 0) {
      filled_ += static_cast<std::size_t>(count);
      return true;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    closed_ = true;
    return false;
  }
}

std::optional<std::string_view> Channel::next() {
  if (filled_ - taken_ < kLengthBytes) return std::nullopt;
  const std::size_t length = length_at(received_, taken_);
  if (length > kMostBytes) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("a message of {} bytes between worker and runner; at most {} are allowed", length, kMostBytes));
  }
  if (filled_ - taken_ < kLengthBytes + length) return std::nullopt;
  const std::string_view message(received_.data() + taken_ + kLengthBytes, length);
  taken_ += kLengthBytes + length;
  return message;
}

std::optional<std::string_view> Channel::receive() {
  for (;;) {
    if (const auto message = next()) return message;
    if (!read()) return std::nullopt;
  }
}

}  // namespace ns::worker
