#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/stack/control.h"

namespace ns::client {

namespace {

void print_started(const stack::Layout& layout, const stack::Started& started, bool json) {
  const std::string redis = layout.redis_socket().string();
  if (json) {
    print_json({{"endpoint", layout.endpoint()},
                {"directory", layout.directory().string()},
                {"already_running", started.already_running},
                {"workers", started.workers},
                {"redis", redis}});
    return;
  }
  fmt::print("{}: {} with {} worker{}\n", layout.endpoint(), started.already_running ? "already running" : "running",
             started.workers, started.workers == 1 ? "" : "s");
  fmt::print("look inside:  redis-cli -s {}\n", redis);
  fmt::print("logs:         {}\n", layout.log().string());
}

}  // namespace

void add_up(CommandLine& line) {
  constexpr std::uint32_t kMostWorkers = 1024;
  Command& command = line.add("up", "Start a private stack: Redis, a broker and workers, on this machine");
  const auto workers = std::make_shared<std::uint32_t>(0);
  command.number("--workers", *workers, 1, kMostWorkers,
                 "Workers, which share out the cores; without it, one a socket");
  command.footer("Harmless when it runs already. Everything lies in one folder (--dir), which survives down and up.");
  command.run([workers](const Settings& settings) {
    const stack::Layout layout(stack_directory(settings));
    const bool quiet = settings.json || !terminal_of(2).live;
    const stack::Started started = stack::start(layout, *workers, [quiet](const std::string& step) {
      if (!quiet) fmt::print(stderr, "{}\n", step);
    });
    print_started(layout, started, settings.json);
    return 0;
  });
}

}  // namespace ns::client
