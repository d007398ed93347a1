#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/terminal/table.h"

namespace ns::client {

namespace {

struct Values {
  std::string state;
  std::uint32_t limit = 20;
};

std::string trials_of(const TaskInfo& task) {
  const std::uint32_t ended =
      task.trials_succeeded + task.trials_failed + task.trials_early_stopped + task.trials_cancelled;
  return fmt::format("{}/{}", ended, ended + task.trials_running + task.trials_waiting);
}

std::string state_of(const TaskInfo& task, std::uint64_t now_ms) {
  std::string state(to_text(task.state));
  if (task.state == TaskState::pending && task.begins_ms > now_ms) {
    state += " (in " + duration_text(task.begins_ms - now_ms) + ")";
  }
  if (task.unserved) state += " (no worker can serve it)";
  return state;
}

int show(const Settings& settings, const Values& values) {
  const auto client = connect(settings);
  ListTasks request;
  request.state = values.state;
  request.limit = values.limit;
  const TaskList list = client->list_tasks(request);
  if (settings.json) {
    print_json(as_json(list));
    return 0;
  }
  if (list.tasks.empty()) {
    fmt::print("no tasks{}; submit one with: ns-client submit FILE\n",
               values.state.empty() ? "" : " that are " + values.state);
    return 0;
  }
  const std::uint64_t now_ms = client->ping().now_ms;
  Table table{{{"TASK"},
               {"NAME"},
               {"KIND"},
               {"STATE"},
               {"TRIALS", Align::right},
               {"AGE", Align::right},
               {"TOOK", Align::right}},
              {}};
  for (const TaskInfo& task : list.tasks) {
    const std::uint64_t end = task.finished_ms ? task.finished_ms : now_ms;
    table.rows.push_back({task.task.text, task.name, task.kind, state_of(task, now_ms), trials_of(task),
                          age_text(now_ms, task.submitted_ms), task.started_ms ? age_text(end, task.started_ms) : "-"});
  }
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(table, columns)) fmt::print("{}\n", line);
  if (list.total > list.tasks.size()) fmt::print("… and {} more (--limit)\n", list.total - list.tasks.size());
  return 0;
}

}  // namespace

void add_list(CommandLine& line) {
  Command& command = line.add("list", "List tasks, newest first");
  const auto values = std::make_shared<Values>();
  command.choice("--state", values->state, {"pending", "running", "done", "failed", "cancelled"},
                 "Only tasks in this state");
  command.number("--limit", values->limit, 1, 1024, "At most so many");
  command.run([values](const Settings& settings) { return show(settings, *values); });
}

}  // namespace ns::client
