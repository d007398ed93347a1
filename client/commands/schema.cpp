#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/task_guide.h"
#include "common/task_spec.h"

namespace ns::client {

namespace {

struct Values {
  std::string kind;
  bool markdown = false;
};

nlohmann::json schemas() {
  nlohmann::json all;
  for (const std::string& kind : task_kinds()) all[kind] = nlohmann::json::parse(schema_of(kind));
  return all;
}

int show(const Settings& settings, const Values& values) {
  if (values.markdown && !settings.json) {
    fmt::print("{}", values.kind.empty() ? task_guide() : task_guide(values.kind));
    return 0;
  }
  const nlohmann::json schema = values.kind.empty() ? schemas() : nlohmann::json::parse(schema_of(values.kind));
  if (settings.json) {
    print_json(schema);
  } else {
    fmt::print("{}\n", schema.dump(2));
  }
  return 0;
}

}  // namespace

void add_schema(CommandLine& line) {
  Command& command = line.add("schema", "Print what a task file may hold, as JSON Schema or as Markdown");
  const auto values = std::make_shared<Values>();
  command.optional_argument("KIND", values->kind, "The kind of task; without it, all of them");
  command.flag("--markdown", values->markdown, "For reading");
  command.run([values](const Settings& settings) { return show(settings, *values); });
}

}  // namespace ns::client
