// Distinct types for the ids that travel through the system, so that one cannot be passed for another.
// Plain values; any thread.
#pragma once

#include <compare>
#include <functional>
#include <string>

namespace ns {

template <typename Tag>
struct Id {
  std::string text;

  bool empty() const { return text.empty(); }
  auto operator<=>(const Id&) const = default;
};

using TaskId = Id<struct TaskTag>;          // 26 characters, made by the client (see make_task_id)
using JobId = Id<struct JobTag>;            // "<task>" for the task job, "<task>/<number>" for a trial job
using WorkerId = Id<struct WorkerTag>;      // "<host>-<pid>-<random>"; a new one each start
using ArtifactId = Id<struct ArtifactTag>;  // "sha256:" and 64 lower-case hexadecimal digits

// A fresh task id: 26 characters of Crockford base 32 (48 bits of milliseconds, 80 random bits), so that ids sort by
// time.
TaskId make_task_id();

bool is_task_id(const std::string& text);
bool is_artifact_id(const std::string& text);

// The job that carries trial `number` of `task`.
JobId trial_job_id(const TaskId& task, unsigned number);

}  // namespace ns

template <typename Tag>
struct std::hash<ns::Id<Tag>> {
  std::size_t operator()(const ns::Id<Tag>& id) const { return std::hash<std::string>{}(id.text); }
};
