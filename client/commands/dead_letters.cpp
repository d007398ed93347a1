#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/terminal/table.h"
#include "common/task_spec.h"

namespace ns::client {

namespace {

struct Values {
  std::string job;
  std::string older;
  bool all = false;
};

int list(const Settings& settings) {
  const auto client = connect(settings);
  DeadList dead;
  dead.letters = client->all_dead();
  dead.total = dead.letters.size();
  dead.now_ms = client->ping().now_ms;
  if (settings.json) {
    print_json(as_json(dead));
    return 0;
  }
  if (dead.letters.empty()) {
    fmt::print("no dead letters\n");
    return 0;
  }
  Table table{{{"JOB"}, {"AGE", Align::right}, {"REASONS"}}, {}};
  for (const DeadLetter& letter : dead.letters) {
    table.rows.push_back(
        {letter.job.text, age_text(dead.now_ms, letter.time_ms), fmt::format("{}", fmt::join(letter.reasons, "; "))});
  }
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(table, columns)) fmt::print("{}\n", line);
  fmt::print("try one again: ns-client queue requeue JOB    throw one away: ns-client queue purge JOB\n");
  return 0;
}

// The letters that are meant: one by its job, those older than a time, or all.
std::vector<JobId> chosen(api::Client& client, const Values& values) {
  const int ways = (values.job.empty() ? 0 : 1) + (values.older.empty() ? 0 : 1) + (values.all ? 1 : 0);
  if (ways != 1) {
    throw Error(ErrorCode::invalid, "which dead letters? Name one JOB as ns-client queue dead shows it, or say --all");
  }
  if (!values.job.empty()) return {JobId{values.job}};
  const auto least = values.all ? 0 : static_cast<std::uint64_t>(parse_duration(values.older, "--older").count());
  const std::uint64_t now_ms = client.ping().now_ms;
  std::vector<JobId> jobs;
  for (const DeadLetter& letter : client.all_dead()) {
    if (letter.time_ms + least <= now_ms || values.all) jobs.push_back(letter.job);
  }
  return jobs;
}

int tell(const Settings& settings, const DeadChanged& changed, const char* what) {
  std::size_t done = 0;
  for (const DeadChange& change : changed.changes) done += change.done ? 1 : 0;
  if (settings.json) {
    print_json(as_json(changed));
  } else {
    for (const DeadChange& change : changed.changes) {
      if (!change.done) fmt::print(stderr, "{}: {}\n", change.job.text, change.reason);
    }
    fmt::print("{} {}\n", done, what);
  }
  return done == changed.changes.size() ? 0 : 1;
}

}  // namespace

void add_dead_letters(Command& queue) {
  queue.add("dead", "List the jobs that were given up, newest first, with the reason of each attempt").run(list);

  const auto again = std::make_shared<Values>();
  Command& requeue = queue.add("requeue", "Try dead jobs again, from their first attempt");
  requeue.optional_argument("JOB", again->job, "The job, as ns-client queue dead shows it");
  requeue.flag("--all", again->all, "All of them");
  requeue.footer(
      "A trial can be requeued while its task runs; a task whose coordinator kept dying is pending again, and its\n"
      "trials that were cancelled by that wait again. Exit status 1 when some could not be requeued.");
  requeue.run([again](const Settings& settings) {
    const auto client = connect(settings);
    return tell(settings, client->requeue_dead(chosen(*client, *again)), "requeued");
  });

  const auto away = std::make_shared<Values>();
  Command& purge = queue.add("purge", "Throw dead letters away; the jobs stay as they ended");
  purge.optional_argument("JOB", away->job, "The job, as ns-client queue dead shows it");
  purge.flag("--all", away->all, "All of them");
  purge.option("--older", away->older, "Those that are older than this, such as 7d or 12h");
  purge.run([away](const Settings& settings) {
    const auto client = connect(settings);
    return tell(settings, client->purge_dead(chosen(*client, *away)), "purged");
  });
}

}  // namespace ns::client
