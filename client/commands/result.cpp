#include "client/result.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"

namespace ns::client {

namespace {

struct Values {
  std::string task;
  std::string output;
};

void print_result(const TaskInfo& task, const std::vector<std::filesystem::path>& files, const Settings& settings) {
  if (settings.json) {
    nlohmann::json value = as_json(task);
    value["files"] = nlohmann::json::array();
    for (const auto& file : files) value["files"].push_back(std::filesystem::absolute(file).string());
    print_json(value);
    return;
  }
  for (const std::string& line : result_lines(task, settings.terminal)) fmt::print("{}\n", line);
  if (!files.empty()) fmt::print("\n");
  for (const auto& file : files) fmt::print("written: {}\n", file.string());
}

int show(const Settings& settings, const Values& values) {
  const auto client = connect(settings);
  const TaskInfo task = client->get_task(find_task(*client, values.task));
  if (!is_final(task.state)) {
    throw Error(ErrorCode::conflict, fmt::format("task {} is still {}; follow it with: ns-client watch {}",
                                                 task.task.text, to_text(task.state), task.task.text));
  }
  std::vector<std::filesystem::path> files;
  if (!values.output.empty()) files = download(*client, task, values.output);
  print_result(task, files, settings);
  return exit_code_of(task);
}

}  // namespace

void add_result(CommandLine& line) {
  Command& command = line.add("result", "Show what a task came to, and fetch its artifacts");
  const auto values = std::make_shared<Values>();
  command.task_argument(values->task);
  command.option("-o,--output", values->output, "Write the artifacts (the optimized model, the report) to this folder");
  command.footer("Example: ns-client result last -o optimized");
  command.run([values](const Settings& settings) { return show(settings, *values); });
}

}  // namespace ns::client
