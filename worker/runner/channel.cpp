#include "worker/runner/channel.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.h"
#include "common/limits.h"

namespace ns::worker {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMostBytes = 4 * limits::kMaxMessageBytes;  // a job's spec and parameters, escaped as JSON
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

std::size_t length_at(const std::string& bytes) {
  std::size_t length = 0;
  for (std::size_t index = kLengthBytes; index-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[index]);
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
  std::size_t sent = 0;
  while (sent < unsent_.size()) {
    const ssize_t count = ::send(descriptor_, unsent_.data() + sent, unsent_.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    unsent_.erase(0, sent);
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
  unsent_.clear();
  return true;
}

std::optional<std::string> Channel::receive() {
  for (;;) {
    if (received_.size() >= kLengthBytes) {
      const std::size_t length = length_at(received_);
      if (length > kMostBytes) {
        throw Error(
            ErrorCode::invalid,
            fmt::format("a message of {} bytes between worker and runner; at most {} are allowed", length, kMostBytes));
      }
      if (received_.size() >= kLengthBytes + length) {
        std::string message = received_.substr(kLengthBytes, length);
        received_.erase(0, kLengthBytes + length);
        return message;
      }
    }
    if (closed_) return std::nullopt;
    const std::size_t before = received_.size();
    received_.resize(before + kReadBytes);
    const ssize_t count = ::recv(descriptor_, received_.data() + before, kReadBytes, 0);
    const int failure = errno;
    received_.resize(before + static_cast<std::size_t>(count > 0 ? count : 0));
    if (count > 0 || (count < 0 && failure == EINTR)) continue;
    if (count < 0 && (failure == EAGAIN || failure == EWOULDBLOCK)) return std::nullopt;
    closed_ = true;
  }
}

}  // namespace ns::worker
