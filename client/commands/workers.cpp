#include <fmt/format.h>

#include <memory>
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
               {"POOL"},
               {"TAGS"},
               {"MEMORY", Align::right},
               {"TRIALS", Align::right},
               {"TASKS", Align::right},
               {"HELD", Align::right},
               {"UP", Align::right},
               {"SEEN", Align::right},
               {"VERSION"}},
              {}};
  for (const WorkerInfo& worker : list.workers) {
    table.rows.push_back(
        {worker.worker.text, worker.host, worker.cpus, fmt::format("{}", fmt::join(worker.isa, " ")),
         fmt::format("{}", fmt::join(worker.kinds, " ")), worker.pool, fmt::format("{}", fmt::join(worker.tags, " ")),
         worker.memory_bytes > 0 ? bytes_text(worker.memory_bytes) : "-",
         fmt::format("{}/{}", worker.compute_busy, worker.compute_slots),
         fmt::format("{}/{}", worker.control_busy, worker.control_slots),
         std::to_string(worker.jobs_held) + (worker.draining ? " (draining)" : ""),
         age_text(list.now_ms, worker.started_ms), age_text(list.now_ms, worker.seen_ms) + " ago", worker.version});
  }
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(table, columns)) fmt::print("{}\n", line);
  return 0;
}

// The worker that is meant: by its id, or by the first or last four or more characters of it.
WorkerId find_worker(api::Client& client, const std::string& words) {
  std::vector<WorkerId> found;
  for (const WorkerInfo& worker : client.list_workers().workers) {
    const std::string& id = worker.worker.text;
    if (id == words) return worker.worker;
    const bool part =
        words.size() >= 4 && id.size() >= words.size() &&
        (id.compare(0, words.size(), words) == 0 || id.compare(id.size() - words.size(), words.size(), words) == 0);
    if (part) found.push_back(worker.worker);
  }
  if (found.size() == 1) return found.front();
  throw Error(found.empty() ? ErrorCode::not_found : ErrorCode::invalid,
              fmt::format("{} worker is called \"{}\"; see: ns-client workers", found.empty() ? "no" : "more than one",
                          printable(words)),
              "worker");
}

int drain(const Settings& settings, const std::string& words) {
  const auto client = connect(settings);
  const WorkerId worker = find_worker(*client, words);
  client->drain_worker(worker);
  if (settings.json) {
    print_json({{"worker", worker.text}, {"draining", true}});
  } else {
    fmt::print("{}  takes nothing new, and leaves once its jobs have ended or gone back\n", worker.text);
  }
  return 0;
}

}  // namespace

void add_workers(CommandLine& line) {
  Command& command = line.add("workers", "List the workers that are connected");
  command.footer(
      "TRIALS and TASKS: how many run there, and how many could. HELD: jobs that it has leased.\n"
      "ns-client workers drain ID asks one to go.");
  Command& leave = command.add("drain", "Ask a worker to go: it takes nothing new, ends or hands back what it has");
  const auto worker = std::make_shared<std::string>();
  leave.argument("ID", *worker, "The worker: its id, or the first or last four or more characters of it");
  leave.run([worker](const Settings& settings) { return drain(settings, *worker); });
  command.run(show);
}

}  // namespace ns::client
