// Task files: YAML or JSON in, one validated JSON text out. The JSON Schema of each task kind (common/schema/*.json) is
// the one description: it validates, fills in defaults, says which fields name files, and the documentation is made
// from it. The only user of yaml-cpp. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ns {

// A place in the spec that names a file on the submitter's machine; it is uploaded and replaced by its artifact id.
struct FileField {
  std::string pointer;  // JSON pointer, "/data/calibration/npz"
  std::filesystem::path file;
};

struct TaskFile {
  std::string spec;  // JSON text, valid, defaults filled in; the file fields still hold paths (or artifact ids)
  std::string kind;
  std::string name;
  std::uint32_t priority = 1;
  std::uint32_t workers = 1;
  std::uint32_t max_attempts = 3;
  std::chrono::milliseconds timeout{0};
  std::string pool = "default";  // which workers may get it, and
  std::vector<std::string> isa;  // what they must offer
  std::vector<std::string> tags;
  std::uint64_t memory_bytes = 0;
  std::chrono::milliseconds delay{0};     // from its submission until it begins
  std::chrono::milliseconds begin{0};     // since 1970: not before it; 0: at once
  std::chrono::milliseconds deadline{0};  // from its submission until it fails; 0: never
  std::vector<FileField> files;           // without those that are artifact ids already
};

// Reads and validates. Relative paths are taken from the file's folder; a missing file is refused. Error(invalid)
// carries the field's path ("stop.max_trials") and says value and what would be right.
TaskFile read_task_file(const std::filesystem::path&);
TaskFile parse_task(std::string_view yaml_or_json, const std::filesystem::path& folder);

// The spec with the file at each pointer replaced by the artifact id (same order as TaskFile::files).
std::string with_artifacts(const TaskFile&, const std::vector<std::string>& artifact_ids);

// For whoever receives a spec: the same check without touching files; file fields must be artifact ids.
void validate_spec(std::string_view json);
// The same, and the spec with its defaults filled in and durations and sizes as text: what a task kind reads.
std::string checked_spec(std::string_view json);

std::vector<std::string> task_kinds();
std::string schema_of(std::string_view kind);  // JSON text

// Any YAML or JSON text as JSON text, under the rules that task files obey (size, depth, no key twice, no aliases).
std::string yaml_to_json(std::string_view text);

// "250ms", "90s", "10m", "2h", or a plain number of seconds. Error(invalid) names `field`.
std::chrono::milliseconds parse_duration(std::string_view text, const std::string& field);
// "2027-01-31T22:00Z", with seconds and another zone than UTC too: milliseconds since 1970; "" is 0. Error(invalid) names
// `field`.
std::chrono::milliseconds parse_moment(std::string_view text, const std::string& field);
// "512MiB", "2GiB", "1000000". Error(invalid) names `field`.
std::uint64_t parse_bytes(std::string_view text, const std::string& field);

}  // namespace ns
