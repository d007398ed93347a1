#include "client/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/interrupt.h"
#include "client/stack/layout.h"
#include "common/limits.h"
#include "common/task_spec.h"

namespace ns::client {

using nlohmann::json;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::filesystem::path home() {
  const std::string folder = environment("HOME");
  if (folder.empty()) throw Error(ErrorCode::invalid, "HOME is not set; say the folder with --dir");
  return folder;
}

void check_endpoint(const std::string& endpoint, const std::string& source) {
  const bool known = endpoint.compare(0, 6, "tcp://") == 0 || endpoint.compare(0, 6, "ipc://") == 0;
  if (known && endpoint.size() > 6) return;
  throw Error(ErrorCode::invalid,
              fmt::format("{}: \"{}\" is not an endpoint; expected tcp://host:port or ipc:///path", source, endpoint),
              "broker");
}

std::vector<std::string> checked(std::vector<std::string> endpoints, const std::string& source) {
  for (const std::string& endpoint : endpoints) check_endpoint(endpoint, source);
  return endpoints;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    if (comma > start) parts.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return parts;
}

std::optional<std::filesystem::path> settings_file(const Settings& settings) {
  if (!settings.config.empty()) return settings.config;
  const std::string base = environment("XDG_CONFIG_HOME");
  if (base.empty() && environment("HOME").empty()) return std::nullopt;
  const std::filesystem::path file =
      (base.empty() ? home() / ".config" : std::filesystem::path(base)) / "ns/config.yaml";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  return file;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(limits::kMaxSpecBytes + 1, '\0');
  if (!stream || std::filesystem::is_directory(file)) {
    throw Error(ErrorCode::invalid, file.string() + ": cannot be read", "config");
  }
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

struct FileSettings {
  std::vector<std::string> brokers;
  std::string key;
  std::string broker_key;
};

FileSettings read_settings_file(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& what) -> Error {
    return Error(ErrorCode::invalid, fmt::format("{}: {}", file.string(), what), "config");
  };
  json content;
  try {
    content = json::parse(yaml_to_json(text_of(file)));
  } catch (const Error& problem) {
    throw refuse(problem.what());
  }
  if (content.is_null()) return {};
  if (!content.is_object()) throw refuse("expected fields, such as broker: tcp://host:port");
  for (const auto& [key, ignored] : content.items()) {
    if (key == "broker" || key == "key" || key == "broker_key") continue;
    throw refuse(fmt::format("no such field: {}; known here: broker, key, broker_key", key));
  }
  const auto text = [&](const char* field) {
    if (!content.contains(field)) return std::string();
    if (!content[field].is_string()) throw refuse(fmt::format("{}: expected the name of a file", field));
    return content[field].get<std::string>();
  };
  // A file's name is meant as seen from the settings file; a key is no name of a file there.
  const auto beside = [&](const std::string& name) {
    const std::filesystem::path path = file.parent_path() / name;
    std::error_code ignored;
    return name.empty() || (net::is_key(name) && !std::filesystem::exists(path, ignored)) ? name : path.string();
  };
  FileSettings settings{{}, beside(text("key")), beside(text("broker_key"))};
  if (!content.contains("broker")) return settings;
  json& broker = content["broker"];
  if (broker.is_string()) broker = json::array({broker});
  const bool texts =
      broker.is_array() && std::all_of(broker.begin(), broker.end(), [](const json& one) { return one.is_string(); });
  if (!texts) throw refuse("broker: expected an endpoint, such as tcp://host:port, or a list of them");
  settings.brokers = checked(broker.get<std::vector<std::string>>(), file.string());
  return settings;
}

// Ids begin with the time, so tasks of one day look alike at the front; the end tells them apart just as well.
bool begins_or_ends_with(const std::string& text, const std::string& part) {
  return text.compare(0, part.size(), part) == 0 || text.compare(text.size() - part.size(), part.size(), part) == 0;
}

TaskId only_match(api::Client& client, const std::string& part) {
  constexpr std::uint32_t kPage = 256;
  std::vector<TaskId> found;
  ListTasks request;
  request.limit = kPage;
  for (;; request.offset += kPage) {
    const TaskList page = client.list_tasks(request);
    for (const TaskInfo& task : page.tasks) {
      if (task.task.text.size() >= part.size() && begins_or_ends_with(task.task.text, part)) found.push_back(task.task);
    }
    if (page.tasks.empty() || request.offset + page.tasks.size() >= page.total) break;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.empty())
    throw Error(ErrorCode::not_found, fmt::format("no task's id begins or ends with {}", part), "task");
  if (found.size() > 1) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} tasks' ids begin or end with {}, such as {} and {}; give more of it", found.size(),
                            part, found[0].text, found[1].text),
                "task");
  }
  return found.front();
}

}  // namespace

std::filesystem::path stack_directory(const Settings& settings) {
  std::filesystem::path directory = settings.directory;
  if (directory.empty()) directory = environment("NS_DIR");
  if (directory.empty()) {
    const std::string state = environment("XDG_STATE_HOME");
    directory = (state.empty() ? home() / ".local/state" : std::filesystem::path(state)) / "ns";
  }
  return std::filesystem::absolute(directory).lexically_normal();
}

std::vector<std::string> find_endpoints(const Settings& settings) {
  if (!settings.brokers.empty()) return checked(settings.brokers, "--broker");
  if (auto named = split_at_commas(environment("NS_BROKER")); !named.empty()) return checked(named, "NS_BROKER");
  // A folder that was asked for is meant; the settings file is only the usual place.
  const bool folder_named = !settings.directory.empty();
  if (!folder_named) {
    if (const auto file = settings_file(settings)) {
      if (auto named = read_settings_file(*file).brokers; !named.empty()) return named;
    }
  }
  const stack::Layout layout(stack_directory(settings));
  if (stack::is_running(layout)) return {layout.endpoint()};
  throw Error(
      ErrorCode::unavailable,
      fmt::format("no broker: none was named (--broker, NS_BROKER, settings file) and no private stack runs in "
                  "{}; start one with: ns-client up{}",
                  layout.directory().string(), folder_named ? " --dir " + layout.directory().string() : std::string()));
}

net::PeerKeys find_keys(const Settings& settings) {
  FileSettings named;
  if (const auto file = settings_file(settings)) named = read_settings_file(*file);
  const auto first = [](std::initializer_list<std::string> texts) {
    for (const std::string& text : texts) {
      if (!text.empty()) return text;
    }
    return std::string();
  };
  return net::read_peer_keys(first({settings.key, environment("NS_KEY"), named.key}),
                             first({settings.broker_key, environment("NS_BROKER_KEY"), named.broker_key}));
}

std::unique_ptr<api::Client> connect(const Settings& settings) {
  api::ClientOptions options;
  options.endpoints = find_endpoints(settings);
  const bool beyond_a_folder =
      std::any_of(options.endpoints.begin(), options.endpoints.end(),
                  [](const std::string& endpoint) { return endpoint.compare(0, 6, "tcp://") == 0; });
  if (beyond_a_folder) options.keys = find_keys(settings);
  options.interrupted = interrupted;
  return std::make_unique<api::Client>(std::move(options));
}

TaskId find_task(api::Client& client, const std::string& words) {
  constexpr std::size_t kShortest = 4;
  if (words == "last") {
    ListTasks request;
    request.limit = 1;
    const TaskList newest = client.list_tasks(request);
    if (newest.tasks.empty()) throw Error(ErrorCode::not_found, "no task has been submitted yet", "task");
    return newest.tasks.front().task;
  }
  std::string id = words;
  std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) { return std::toupper(c); });
  if (is_task_id(id)) return TaskId{id};
  const bool letters = std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c); });
  if (!letters || id.size() < kShortest || id.size() > 26) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("\"{}\" is not a task; expected its id, the first or last {} or more characters of it, or last",
                    words, kShortest),
        "task");
  }
  return only_match(client, id);
}

}  // namespace ns::client
