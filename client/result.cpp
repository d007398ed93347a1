#include "client/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/terminal/table.h"
#include "client/terminal/text.h"

namespace ns::client {

using nlohmann::json;

namespace {

// A member that may be missing or of another type than agreed: what a newer or broken worker sends is shown as far as
// it is understood.
std::string text_at(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

const json& member(const json& object, const char* key) {
  static const json none;
  return object.is_object() && object.contains(key) ? object[key] : none;
}

std::string cell_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  const bool plain =
      value.is_array() && std::all_of(value.begin(), value.end(), [](const json& one) { return one.is_primitive(); });
  if (!plain) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (value.empty()) return "none";
  std::string joined;
  for (const json& one : value) joined += (joined.empty() ? "" : ", ") + cell_text(one);
  return joined;
}

// A text from outside as one line without a ragged end.
std::string line_of(const std::string& text) {
  std::string line = printable(text);
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

Table result_table(const json& described) {
  Table table;
  if (!member(described, "columns").is_array() || !member(described, "rows").is_array()) return table;
  for (const json& title : described["columns"]) {
    // The first column names what the row is; the others hold numbers.
    table.columns.push_back({cell_text(title), table.columns.empty() ? Align::left : Align::right});
  }
  for (const json& row : described["rows"]) {
    if (!row.is_array()) continue;
    std::vector<std::string> cells;
    for (const json& cell : row) cells.push_back(cell_text(cell));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

void append_indented(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  for (const std::string& line : more) lines.push_back("  " + line);
}

std::string headline(const TaskInfo& task, const json& result, const Terminal& terminal) {
  const std::uint64_t from = task.started_ms ? task.started_ms : task.submitted_ms;
  const std::string took = task.finished_ms ? " after " + age_text(task.finished_ms, from) : "";
  std::string state(to_text(task.state));
  Colour colour = Colour::yellow;
  if (task.state == TaskState::done) {
    const bool met = member(result, "met") == json(true);
    colour = met ? Colour::green : Colour::yellow;
    if (!met) state += ", but the criterion was not met";
  }
  if (task.state == TaskState::failed) colour = Colour::red;
  const std::string name = task.name.empty() ? task.kind : task.name;
  return fmt::format("{}  {}{}", terminal.paint(Colour::bold, printable(name)), terminal.paint(colour, state), took);
}

void append_configuration(std::vector<std::string>& lines, const json& configuration, const Terminal& terminal) {
  if (!configuration.is_object() || configuration.empty()) return;
  Table table{{{"", Align::left}, {"", Align::left}}, {}};
  for (const auto& [key, value] : configuration.items()) table.rows.push_back({key, cell_text(value)});
  lines.insert(lines.end(), {"", terminal.paint(Colour::bold, "configuration")});
  append_indented(lines, render(table, 0, terminal.unicode));
}

void append_artifacts(std::vector<std::string>& lines, const std::vector<ResultArtifact>& artifacts,
                      const Terminal& terminal) {
  if (artifacts.empty()) return;
  Table table{{{"", Align::left}, {"", Align::left}}, {}};
  for (const ResultArtifact& artifact : artifacts) table.rows.push_back({artifact.name, artifact.id.text});
  lines.insert(lines.end(), {"", terminal.paint(Colour::bold, "artifacts")});
  append_indented(lines, render(table, 0, terminal.unicode));
}

void append_problem(std::vector<std::string>& lines, const TaskInfo& task, const Terminal& terminal) {
  const TaskProblem problem = problem_of(task.error);
  if (problem.message.empty() || problem.message == to_text(task.state)) return;
  const bool named = problem.field.empty() || problem.message.find(problem.field) != std::string::npos;
  lines.push_back(terminal.paint(Colour::red, line_of((named ? "" : problem.field + ": ") + problem.message)));
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." && name.find('/') == std::string::npos &&
         printable(name) == name;
}

}  // namespace

int exit_code_of(const TaskInfo& task) {
  if (task.state == TaskState::done) return member(parsed(task.result), "met") == json(true) ? 0 : 1;
  if (task.state == TaskState::failed && problem_of(task.error).code == entry_of(ErrorCode::invalid).name) {
    return entry_of(ErrorCode::invalid).exit_code;
  }
  return 1;
}

TaskProblem problem_of(const std::string& error_text) {
  const json value = parsed(error_text);
  if (!value.is_object()) return {"", error_text, ""};
  return {text_at(value, "code"), text_at(value, "message"), text_at(value, "field")};
}

std::vector<ResultArtifact> artifacts_of(const std::string& result_json) {
  std::vector<ResultArtifact> artifacts;
  const json result = parsed(result_json);
  const json& named = member(result, "artifacts");
  if (!named.is_object()) return artifacts;
  for (const auto& [name, id] : named.items()) {
    if (!is_file_name(name)) {
      throw Error(ErrorCode::invalid,
                  fmt::format("the result names an artifact \"{}\", which is not a plain file name", printable(name)));
    }
    if (!id.is_string() || !is_artifact_id(id.get<std::string>())) {
      throw Error(ErrorCode::invalid, fmt::format("the result's artifact {} has no valid id", name));
    }
    artifacts.push_back({name, ArtifactId{id.get<std::string>()}});
  }
  return artifacts;
}

std::vector<std::string> result_lines(const TaskInfo& task, const Terminal& terminal) {
  const json result = parsed(task.result);
  std::vector<std::string> lines = {headline(task, result, terminal)};
  append_problem(lines, task, terminal);
  if (const std::string summary = text_at(result, "summary"); !summary.empty()) lines.push_back(line_of(summary));
  const Table table = result_table(member(result, "table"));
  if (!table.rows.empty()) {
    lines.emplace_back();
    std::vector<std::string> rendered = render(table, 0, terminal.unicode);
    if (!rendered.empty()) rendered.front() = terminal.paint(Colour::bold, rendered.front());
    append_indented(lines, rendered);
  }
  append_configuration(lines, member(result, "configuration"), terminal);
  append_artifacts(lines, artifacts_of(task.result), terminal);
  return lines;
}

std::vector<std::filesystem::path> download(api::Client& client, const TaskInfo& task,
                                            const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::invalid, fmt::format("{}: cannot be made ({})", folder.string(), problem.message()),
                "output");
  }
  std::vector<std::filesystem::path> files;
  for (const ResultArtifact& artifact : artifacts_of(task.result)) {
    files.push_back(folder / artifact.name);
    client.get_artifact(artifact.id, files.back());
  }
  return files;
}

}  // namespace ns::client
