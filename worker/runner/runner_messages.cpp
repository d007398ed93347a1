#include "worker/runner/runner_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/limits.h"

namespace ns::worker {

using nlohmann::json;

std::string encode_settings(const RunnerSettings& settings) {
  return json{{"name", settings.name},
              {"worker", settings.worker.text},
              {"log_level", settings.log_level},
              {"endpoints", settings.endpoints},
              {"key", settings.key},
              {"broker_key", settings.broker_key},
              {"cache_folder", settings.cache_folder},
              {"cache_bytes", settings.cache_bytes},
              {"work_folder", settings.work_folder},
              {"cpus", settings.cpus}}
      .dump();
}

RunnerSettings decode_settings(std::string_view text) {
  try {
    const json value = json::parse(text);
    RunnerSettings settings;
    value.at("name").get_to(settings.name);
    value.at("worker").get_to(settings.worker.text);
    value.at("log_level").get_to(settings.log_level);
    value.at("endpoints").get_to(settings.endpoints);
    value.at("key").get_to(settings.key);
    value.at("broker_key").get_to(settings.broker_key);
    value.at("cache_folder").get_to(settings.cache_folder);
    value.at("cache_bytes").get_to(settings.cache_bytes);
    value.at("work_folder").get_to(settings.work_folder);
    value.at("cpus").get_to(settings.cpus);
    return settings;
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::invalid, fmt::format("a runner's settings cannot be read: {}", failure.what()));
  }
}

RunnerMessage read_message(std::string_view message) {
  const wire::Header header = wire::decode_header(message.substr(0, wire::kHeaderBytes));
  return {header.type, message.substr(wire::kHeaderBytes)};
}

std::string as_error_text(std::string text) {
  const auto is_plain = [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; };
  if (text.size() > limits::kMaxTextBytes / 2) text.resize(limits::kMaxTextBytes / 2);  // room for what JSON escapes
  if (std::all_of(text.begin(), text.end(), is_plain)) return text;
  // A round trip through JSON puts the replacement character where something is no UTF-8, the cut at the end too.
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

}  // namespace ns::worker
