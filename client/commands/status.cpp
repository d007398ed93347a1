#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/result.h"
#include "client/terminal/table.h"

namespace ns::client {

namespace {

// "ns-worker --pool night --tag fast": what would serve the task.
std::string missing_worker(const std::string& demands) {
  const std::size_t at = std::min(demands.find('@'), demands.size());
  const std::string kind = demands.substr(0, at), rest = at < demands.size() ? demands.substr(at + 1) : "";
  const std::size_t bar = std::min(rest.find('|'), rest.size());
  std::string command = "ns-worker";
  if (rest.substr(0, bar) != "default") command += " --pool " + rest.substr(0, bar);
  std::vector<std::string> machine;
  std::istringstream parts(rest.substr(std::min(bar + 1, rest.size())));
  for (std::string part; std::getline(parts, part, '|');) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string name = part.substr(0, equals), value = part.substr(std::min(equals + 1, part.size()));
    std::istringstream words(value);
    for (std::string word; name == "tags" && std::getline(words, word, ',');) command += " --tag " + word;
    if (name == "isa") machine.push_back("a CPU with " + value);
    if (name == "memory") machine.push_back(bytes_text(std::strtoull(value.c_str(), nullptr, 10)) + " of memory");
  }
  return fmt::format("no connected worker can serve it: it needs one that runs {}{}{}; start one with: {} …", kind,
                     machine.empty() ? "" : ", on ", fmt::join(machine, " and "), command);
}

Table facts_of(const TaskInfo& task, std::uint64_t now_ms) {
  const std::uint32_t ended =
      task.trials_succeeded + task.trials_failed + task.trials_early_stopped + task.trials_cancelled;
  Table facts{{{"", Align::left}, {"", Align::left}}, {}};
  facts.rows = {{"task", task.task.text},
                {"name", task.name},
                {"kind", task.kind},
                {"state", fmt::format("{}{}", to_text(task.state), task.cancel_requested ? " (cancel asked for)" : "")},
                {"priority", std::to_string(task.priority)},
                {"workers", fmt::format("at most {}", task.workers)},
                {"submitted", age_text(now_ms, task.submitted_ms) + " ago"}};
  if (task.begins_ms > now_ms && !is_final(task.state)) {
    facts.rows.push_back(
        {"begins", fmt::format("in {} ({})", duration_text(task.begins_ms - now_ms), clock_text(task.begins_ms))});
  }
  if (task.deadline_ms > 0 && !is_final(task.state)) {
    facts.rows.push_back({"deadline", task.deadline_ms > now_ms ? "in " + duration_text(task.deadline_ms - now_ms)
                                                                : std::string("now")});
  }
  if (task.unserved) facts.rows.push_back({"waits", missing_worker(task.demands)});
  if (task.started_ms) facts.rows.push_back({"started", age_text(now_ms, task.started_ms) + " ago"});
  if (task.finished_ms) {
    facts.rows.push_back({"ended", fmt::format("{} ago, after {}", age_text(now_ms, task.finished_ms),
                                               age_text(task.finished_ms, task.started_ms))});
  }
  facts.rows.push_back(
      {"trials", fmt::format("{} ended ({} succeeded, {} failed, {} stopped early, {} cancelled), "
                             "{} running, {} waiting",
                             ended, task.trials_succeeded, task.trials_failed, task.trials_early_stopped,
                             task.trials_cancelled, task.trials_running, task.trials_waiting)});
  if (!task.coordinator.empty() && !is_final(task.state)) facts.rows.push_back({"coordinator", task.coordinator});
  if (task.attempt > 1) facts.rows.push_back({"attempt", std::to_string(task.attempt)});
  if (!task.error.empty()) facts.rows.push_back({"error", problem_of(task.error).message});
  return facts;
}

std::string trial_detail(const TrialInfo& trial) {
  const nlohmann::json result = parsed(trial.result);
  if (result.is_object() && result.contains("summary") && result["summary"].is_string()) return result["summary"];
  return trial.error;
}

Table trials_table(const std::vector<TrialInfo>& trials, std::uint64_t now_ms) {
  Table table{{{"TRIAL", Align::right}, {"STATE"}, {"TIME", Align::right}, {"WORKER"}, {"RESULT"}}, {}};
  for (const TrialInfo& trial : trials) {
    const std::uint64_t end = trial.finished_ms ? trial.finished_ms : now_ms;
    table.rows.push_back(
        {std::to_string(trial.number),
         std::string(to_text(trial.state)) + (trial.attempt > 1 ? fmt::format(" ({})", trial.attempt) : ""),
         trial.started_ms ? age_text(end, trial.started_ms) : "-", trial.worker, trial_detail(trial)});
  }
  return table;
}

int show(const Settings& settings, const std::string& words, bool with_trials) {
  const auto client = connect(settings);
  const TaskInfo task = client->get_task(find_task(*client, words));
  std::vector<TrialInfo> trials;
  if (with_trials) trials = client->all_trials(task.task);
  if (settings.json) {
    nlohmann::json value = as_json(task);
    if (with_trials) {
      value["trial_list"] = nlohmann::json::array();
      for (const TrialInfo& trial : trials) value["trial_list"].push_back(as_json(trial));
    }
    print_json(value);
    return 0;
  }
  const std::uint64_t now_ms = client->ping().now_ms;
  const std::size_t columns = settings.terminal.live ? settings.terminal.columns() : 0;
  for (const std::string& line : render(facts_of(task, now_ms), columns)) fmt::print("{}\n", line);
  if (trials.empty()) return 0;
  fmt::print("\n");
  for (const std::string& line : render(trials_table(trials, now_ms), columns)) fmt::print("{}\n", line);
  return 0;
}

}  // namespace

void add_status(CommandLine& line) {
  struct Values {
    std::string task;
    bool trials = false;
  };
  Command& command = line.add("status", "Show how a task stands");
  const auto values = std::make_shared<Values>();
  command.task_argument(values->task);
  command.flag("--trials", values->trials, "List its trials too");
  command.run([values](const Settings& settings) { return show(settings, values->task, values->trials); });
}

}  // namespace ns::client
