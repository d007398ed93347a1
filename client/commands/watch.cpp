#include <memory>

#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/watch/follow.h"

namespace ns::client {

void add_watch(CommandLine& line) {
  Command& command = line.add("watch", "Follow a task until it ends, then show its result");
  const auto task = std::make_shared<std::string>();
  command.task_argument(*task);
  command.footer(
      "On a terminal: progress, trials as they end, the best so far. Into a pipe: one line an event.\n"
      "Ctrl-C stops watching, not the task.");
  command.run([task](const Settings& settings) {
    const auto client = connect(settings);
    return follow(*client, find_task(*client, *task), settings);
  });
}

}  // namespace ns::client
