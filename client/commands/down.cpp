#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/stack/control.h"

namespace ns::client {

namespace {

void print_stopped(const std::string& directory, bool was_running, bool json) {
  if (json) {
    print_json({{"directory", directory}, {"was_running", was_running}});
  } else if (was_running) {
    fmt::print("stopped; tasks and results are kept in {}\n", directory);
  } else {
    fmt::print("no private stack runs in {}\n", directory);
  }
}

}  // namespace

void add_down(CommandLine& line) {
  Command& command = line.add("down", "Stop the private stack; its tasks are kept");
  command.footer("Workers finish or hand back what they run. Returns when every process has gone.");
  command.run([](const Settings& settings) {
    const stack::Layout layout(stack_directory(settings));
    const bool quiet = settings.json || !terminal_of(2).live;
    const bool was_running = stack::stop(layout, [quiet](const std::string& step) {
      if (!quiet) fmt::print(stderr, "{}\n", step);
    });
    print_stopped(layout.directory().string(), was_running, settings.json);
    return 0;
  });
}

}  // namespace ns::client
