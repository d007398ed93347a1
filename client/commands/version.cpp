#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"

namespace ns::client {

namespace {

int show(const Settings& settings) {
  nlohmann::json value = {{"client", NS_VERSION}, {"protocol", fmt::format("{}.{}", kProtocolMajor, kProtocolMinor)}};
  try {
    const Pong pong = connect(settings)->ping();
    value["broker"] = pong.version;
  } catch (const Error& problem) {
    // The client's own version is the answer; the broker's is an addition.
    if (!entry_of(problem.code()).retryable) throw;
    value["broker"] = nullptr;
  }
  if (settings.json) {
    print_json(value);
    return 0;
  }
  fmt::print("ns-client {} (protocol {})\n", NS_VERSION, value["protocol"].get<std::string>());
  if (value["broker"].is_string()) fmt::print("broker    {}\n", value["broker"].get<std::string>());
  return 0;
}

}  // namespace

void add_version(CommandLine& line) {
  line.add("version", "Print the version of the client, and of the broker if one answers").run(show);
}

}  // namespace ns::client
