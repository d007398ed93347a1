#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"

namespace ns::client {

namespace {

int cancel(const Settings& settings, const std::string& task) {
  const auto client = connect(settings);
  const TaskId id = find_task(*client, task);
  client->cancel_task(id);
  const TaskInfo now = client->get_task(id);
  if (settings.json) {
    print_json(as_json(now));
  } else {
    fmt::print("{}  {}\n", id.text, is_final(now.state) ? to_text(now.state) : "is being cancelled");
  }
  return 0;
}

}  // namespace

void add_cancel(CommandLine& line) {
  Command& command = line.add("cancel", "Cancel a task; running trials are stopped");
  const auto task = std::make_shared<std::string>();
  command.task_argument(*task);
  command.footer("Harmless on a task that has ended.");
  command.run([task](const Settings& settings) { return cancel(settings, *task); });
}

}  // namespace ns::client
