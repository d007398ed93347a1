#include "common/log.h"

#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <mutex>

#include "common/clock.h"
#include "common/error.h"

namespace ns {

const Clock& steady_clock() {
  static const SteadyClock clock;
  return clock;
}

}  // namespace ns

namespace ns::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      break;
  }
  return spdlog::level::off;
}

// A pipe that poll() calls writable takes PIPE_BUF bytes without blocking; files and terminals always do.
bool write_now(std::string_view text) {
  while (!text.empty()) {
    pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&standard_error, 1, 0) <= 0 || standard_error.revents != POLLOUT) return false;  // or nobody reads
    const ssize_t count = ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Its mutex (base_sink's) keeps lines whole; those of other processes at the same pipe too, up to PIPE_BUF bytes.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void pass_on(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    write(bytes);
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    write({line.data(), line.size()});
  }
  void flush_() override {}

  void write(std::string_view text) {
    if (lost_ > 0 && write_now("[" + std::to_string(lost_) + " bytes were not read in time]\n")) lost_ = 0;
    if (lost_ > 0 || !write_now(text)) lost_ += text.size();
  }

  std::size_t lost_ = 0;
};

const std::shared_ptr<StandardError>& standard_error() {
  static const auto instance = std::make_shared<StandardError>();
  return instance;
}

spdlog::logger& logger() {
  static const auto instance = std::make_shared<spdlog::logger>("ns", standard_error());
  return *instance;
}

}  // namespace

Level level_from(const std::string& word) {
  if (word == "debug") return Level::debug;
  if (word == "info") return Level::info;
  if (word == "warning") return Level::warning;
  if (word == "error") return Level::error;
  if (word == "off") return Level::off;
  throw Error(ErrorCode::invalid, "log level '" + word + "': it must be debug, info, warning, error or off",
              "log-level");
}

void start(const std::string& program, Level level) {
  logger().set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l " + program + "[%P] %v");
  logger().set_level(to_spdlog(level));
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void pass_on(std::string_view bytes) { standard_error()->pass_on(bytes); }

}  // namespace ns::log
