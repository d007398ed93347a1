#include <fmt/format.h>

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
  Table table{{{"JOB"}, {"WORKER"}, {"ATTEMPT", Align::right}, {"TOKEN", Align::right}, {"EXPIRES IN", Align::right}},
              {}};
  for (const LeaseInfo& lease : queue.leases) {
    const std::string left =
        lease.expires_in_ms > 0 ? duration_text(static_cast<std::uint64_t>(lease.expires_in_ms)) : "now";
    table.rows.push_back(
        {lease.job.text, lease.worker.text, std::to_string(lease.attempt), std::to_string(lease.token), left});
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
  print_table("ready", depths_of(queue), settings);
  print_table("leased", leases_of(queue), settings);
  if (!queue.dead_letters.empty()) print_table("dead", dead_of(queue, client->ping().now_ms), settings);
  return 0;
}

}  // namespace

void add_queue(CommandLine& line) {
  line.add("queue", "Show the queue: what is ready, who holds what, what was given up").run(show);
}

}  // namespace ns::client
