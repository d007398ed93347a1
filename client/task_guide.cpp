#include "client/task_guide.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/schema/schema.h"
#include "common/task_spec.h"

namespace ns::client {

using nlohmann::json;

namespace {

bool is_required(const json& group, const std::string& key) {
  if (!group.contains("required")) return false;
  const json& required = group["required"];
  return std::find(required.begin(), required.end(), json(key)) != required.end();
}

std::string default_text(const json& group, const std::string& key, const json& field) {
  if (is_required(group, key)) return "required";
  if (!field.contains("default")) return "";
  return field["default"].is_structured() ? "" : "`" + field["default"].dump() + "`";
}

// A cell of a Markdown table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

void append_field(const json& root, const json& group, const std::string& path, const std::string& key,
                  const json& field, std::string& out);

void append_members(const json& root, const json& group, const std::string& path, std::string& out) {
  if (group.contains("properties")) {
    for (const auto& [key, part] : group["properties"].items()) {
      append_field(root, group, path, key, schema::resolved(root, part), out);
    }
  }
  if (group.contains("additionalProperties") && group["additionalProperties"].is_object()) {
    append_field(root, group, path, "<name>", schema::resolved(root, group["additionalProperties"]), out);
  }
}

void append_field(const json& root, const json& group, const std::string& path, const std::string& key,
                  const json& field, std::string& out) {
  const std::string full = path.empty() ? key : path + "." + key;
  out += fmt::format("| `{}` | {} | {} | {} |\n", full, cell(schema::expectation(field)),
                     cell(default_text(group, key, field)), cell(field.value("description", "")));
  if (field.value("type", json()) == "object") append_members(root, field, full, out);
}

}  // namespace

std::string task_guide(const std::string& kind) {
  const json& root = schema::schema_of_kind(kind);
  std::string out = fmt::format("## {}\n\n{}\n\n| field | value | default | meaning |\n| --- | --- | --- | --- |\n",
                                kind, root.value("description", ""));
  append_members(root, root, "", out);
  return out;
}

std::string task_guide() {
  std::string out =
      "# Task files\n\n"
      "What `ns-client submit` takes: YAML or JSON. Made from the schemas in `common/schema` by\n"
      "`ns-client schema --markdown`; change those, not this file.\n\n"
      "Every field that names a file takes a path, relative to the task file's folder, or the `sha256:…` of an "
      "artifact\n"
      "that the service has already. In YAML, `yes`, `no`, `on`, `off` and `010` are text; anchors, aliases, merge "
      "keys\n"
      "and tags are not read, and no field may be written twice.\n";
  for (const std::string& kind : task_kinds()) out += "\n" + task_guide(kind);
  return out;
}

}  // namespace ns::client
