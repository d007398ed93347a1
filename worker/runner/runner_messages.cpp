#include "worker/runner/runner_messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ns::worker {

using nlohmann::json;

namespace {

json json_of(const RunnerSettings& settings) {
  return {{"name", settings.name},
          {"log_level", settings.log_level},
          {"endpoints", settings.endpoints},
          {"key", settings.key},
          {"broker_key", settings.broker_key},
          {"cache_folder", settings.cache_folder},
          {"cache_bytes", settings.cache_bytes},
          {"work_folder", settings.work_folder},
          {"cpus", settings.cpus}};
}

RunnerSettings settings_of(const json& value) {
  RunnerSettings settings;
  value.at("name").get_to(settings.name);
  value.at("log_level").get_to(settings.log_level);
  value.at("endpoints").get_to(settings.endpoints);
  value.at("key").get_to(settings.key);
  value.at("broker_key").get_to(settings.broker_key);
  value.at("cache_folder").get_to(settings.cache_folder);
  value.at("cache_bytes").get_to(settings.cache_bytes);
  value.at("work_folder").get_to(settings.work_folder);
  value.at("cpus").get_to(settings.cpus);
  return settings;
}

json json_of(const Job& job) {
  return {{"job", job.job.text},        {"kind", to_text(job.kind)},    {"task", job.task.text},
          {"task_kind", job.task_kind}, {"number", job.number},         {"attempt", job.attempt},
          {"token", job.token},         {"parameters", job.parameters}, {"spec", job.spec}};
}

Job job_of(const json& value) {
  Job job;
  value.at("job").get_to(job.job.text);
  from_text(value.at("kind").get_ref<const std::string&>(), job.kind);
  value.at("task").get_to(job.task.text);
  value.at("task_kind").get_to(job.task_kind);
  value.at("number").get_to(job.number);
  value.at("attempt").get_to(job.attempt);
  value.at("token").get_to(job.token);
  value.at("parameters").get_to(job.parameters);
  value.at("spec").get_to(job.spec);
  return job;
}

}  // namespace

std::string encode(const RunnerMessage& message) {
  json value = {{"type", message.type}};
  if (message.type == "settings") value["settings"] = json_of(message.settings);
  if (message.type == "job") value["job"] = json_of(message.job);
  if (message.type == "metric") value["body"] = message.body;
  if (message.type == "result") {
    value["outcome"] = to_text(message.result.outcome);
    value["result"] = message.result.result;
    value["error"] = message.result.error;
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);  // what a command prints need not be UTF-8
}

RunnerMessage decode_runner_message(std::string_view text) {
  try {
    const json value = json::parse(text);
    RunnerMessage message;
    value.at("type").get_to(message.type);
    if (message.type == "settings") message.settings = settings_of(value.at("settings"));
    if (message.type == "job") message.job = job_of(value.at("job"));
    if (message.type == "metric") value.at("body").get_to(message.body);
    if (message.type == "result") {
      from_text(value.at("outcome").get_ref<const std::string&>(), message.result.outcome);
      value.at("result").get_to(message.result.result);
      value.at("error").get_to(message.result.error);
    }
    return message;
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::invalid,
                fmt::format("a message between worker and runner cannot be read: {}", failure.what()));
  }
}

}  // namespace ns::worker
