#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/terminal/table.h"

namespace ns::client {

namespace {

int show(const Settings& settings) {
  const auto client = connect(settings);
  const WorkerList list = client->list_workers();
  if (settings.json) {
    print_json(as_json(list));
    return 0;
  }
  if (list.workers.empty()) {
    fmt::print("no workers are connected; start one with: ns-worker --broker {} --socket 0\n",
               find_endpoints(settings).front());
    return 0;
  }
  Table table{{{"WORKER"},
               {"HOST"},
               {"CPUS"},
               {"ISA"},
               {"KINDS"},
               {"TRIALS", Align::right},
               {"TASKS", Align::right},
               {"UP", Align::right},
               {"SEEN", Align::right},
               {"VERSION"}},
              {}};
  for (const WorkerInfo& worker : list.workers) {
    table.rows.push_back({worker.worker.text, worker.host, worker.cpus, fmt::format("{}", fmt::join(worker.isa, " ")),
                          fmt::format("{}", fmt::join(worker.kinds, " ")),
                          fmt::format("{}/{}", worker.compute_busy, worker.compute_slots),
                          fmt::format("{}/{}", worker.control_busy, worker.control_slots),
                          age_text(list.now_ms, worker.started_ms), age_text(list.now_ms, worker.seen_ms) + " ago",
                          worker.version});
  }
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(table, columns)) fmt::print("{}\n", line);
  return 0;
}

}  // namespace

void add_workers(CommandLine& line) {
  Command& command = line.add("workers", "List the workers that are connected");
  command.footer("TRIALS and TASKS: how many run there, and how many could.");
  command.run(show);
}

}  // namespace ns::client
