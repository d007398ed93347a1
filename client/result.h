// What a task that has ended came to: as text, as exit status, and its artifacts on the disk. Knows no task kind: a
// result says itself what its table, configuration and artifacts are.
// Pure, but for download(); any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "client/terminal/screen.h"
#include "common/api/client.h"

namespace ns::client {

struct ResultArtifact {
  std::string name;  // a plain file name; others are refused
  ArtifactId id;
};

// 0: done, and the criterion met. 2: refused, because the input was wrong. 1: everything else that has ended.
int exit_code_of(const TaskInfo&);

// A task's error field: a sentence, or JSON {"code", "message", "field"}.
struct TaskProblem {
  std::string code;
  std::string message;
  std::string field;
};
TaskProblem problem_of(const std::string& error_text);

// Error(invalid) when a name would lead out of the folder that it is put in.
std::vector<ResultArtifact> artifacts_of(const std::string& result_json);

// The lines that `result`, and `watch` at its end, show.
std::vector<std::string> result_lines(const TaskInfo&, const Terminal&);

// Writes every artifact to the folder, which is made; returns the files.
std::vector<std::filesystem::path> download(api::Client&, const TaskInfo&, const std::filesystem::path& folder);

}  // namespace ns::client
