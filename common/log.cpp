#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

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

spdlog::logger& logger() {
  static const auto instance =
      std::make_shared<spdlog::logger>("ns", std::make_shared<spdlog::sinks::stderr_sink_mt>());
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
  logger().flush_on(spdlog::level::debug);
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace ns::log
