#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/terminal/table.h"

namespace ns::client {

namespace {

void print_table(const char* title, const Table& table, const Settings& settings) {
  if (table.rows.empty()) return;
  fmt::print("\n{}\n", settings.terminal.paint(Colour::bold, title));
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(table, columns)) fmt::print("{}\n", line);
}

// "quantize@default|isa=avx2" as the columns KIND, POOL, REQUIREMENTS.
std::vector<std::string> columns_of(const std::string& demands) {
  const std::size_t at = std::min(demands.find('@'), demands.size()), bar = std::min(demands.find('|'), demands.size());
  std::string requirements = bar < demands.size() ? demands.substr(bar + 1) : "";
  std::replace(requirements.begin(), requirements.end(), '|', ' ');
  return {demands.substr(0, at), at < bar ? demands.substr(at + 1, bar - at - 1) : "", requirements};
}

Table classes_of(const QueueInfo& queue) {
  Table table{{{"KIND"},
               {"POOL"},
               {"REQUIREMENTS"},
               {"PRIORITY", Align::right},
               {"TASKS WITH READY TRIALS", Align::right},
               {"COORDINATORS", Align::right}},
              {}};
  for (const ClassDepth& depth : queue.classes) {
    std::vector<std::string> row = columns_of(depth.demands);
    for (const std::uint64_t number : {std::uint64_t{depth.priority}, depth.tasks, depth.coordinators}) {
      row.push_back(std::to_string(number));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

// "12.3 leased, 11.9 ended, 0 crashed, 0 dead a second"
std::string rates_of(const QueueInfo& queue) {
  std::string text;
  for (const QueueCounter& counter : queue.counters) {
    const double rate = 1000.0 * static_cast<double>(counter.recent) / static_cast<double>(queue.recent_ms);
    text += fmt::format("{}{:.{}f} {}", text.empty() ? "" : ", ", rate, counter.recent == 0 || rate >= 100 ? 0 : 2,
                        counter.name);
  }
  return text + fmt::format(" a second (in the last {})", duration_text(queue.recent_ms));
}

std::uint64_t oldest_lease_of(const QueueInfo& queue) {
  std::uint64_t oldest = 0;
  for (const LeaseInfo& lease : queue.leases) oldest = std::max(oldest, lease.age_ms);
  return oldest;
}

Table depths_of(const QueueInfo& queue) {
  Table table{{{"JOBS"}, {"PRIORITY", Align::right}, {"READY", Align::right}}, {}};
  for (const QueueDepth& depth : queue.depths) {
    if (depth.ready == 0) continue;
    table.rows.push_back(
        {std::string(to_text(depth.kind)), std::to_string(depth.priority), std::to_string(depth.ready)});
  }
  return table;
}

Table leases_of(const QueueInfo& queue) {
  Table table{{{"JOB"},
               {"WORKER"},
               {"ATTEMPT", Align::right},
               {"TOKEN", Align::right},
               {"AGE", Align::right},
               {"EXPIRES IN", Align::right}},
              {}};
  for (const LeaseInfo& lease : queue.leases) {
    const std::string left =
        lease.expires_in_ms > 0 ? duration_text(static_cast<std::uint64_t>(lease.expires_in_ms)) : "now";
    table.rows.push_back({lease.job.text, lease.worker.text, std::to_string(lease.attempt), std::to_string(lease.token),
                          duration_text(lease.age_ms), left});
  }
  return table;
}

Table dead_of(const QueueInfo& queue, std::uint64_t now_ms) {
  Table table{{{"JOB"}, {"AGE", Align::right}, {"REASONS"}}, {}};
  for (const DeadLetter& letter : queue.dead_letters) {
    table.rows.push_back(
        {letter.job.text, age_text(now_ms, letter.time_ms), fmt::format("{}", fmt::join(letter.reasons, "; "))});
  }
  return table;
}

int show(const Settings& settings) {
  const auto client = connect(settings);
  const QueueInfo queue = client->get_queue();
  if (settings.json) {
    print_json(as_json(queue));
    return 0;
  }
  std::uint64_t ready = 0;
  for (const QueueDepth& depth : queue.depths) ready += depth.ready;
  fmt::print("{} ready, {} leased, {} waiting to be tried again, {} dead\n", ready, queue.leased, queue.delayed,
             queue.dead);
  if (queue.recent_ms > 0) fmt::print("{}\n", rates_of(queue));
  if (!queue.leases.empty()) fmt::print("the oldest lease is {} old\n", duration_text(oldest_lease_of(queue)));
  print_table("ready", depths_of(queue), settings);
  print_table("waiting for workers", classes_of(queue), settings);
  print_table("leased", leases_of(queue), settings);
  if (!queue.dead_letters.empty()) print_table("dead", dead_of(queue, client->ping().now_ms), settings);
  return 0;
}

}  // namespace

void add_queue(CommandLine& line) {
  Command& command = line.add("queue", "Show the queue: what is ready, who holds what, what was given up");
  command.footer("Dead letters: ns-client queue dead, ns-client queue requeue JOB, ns-client queue purge JOB.");
  add_dead_letters(command);
  command.run(show);
}

}  // namespace ns::client
