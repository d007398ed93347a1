// A task kind: what a configuration is, how a trial of it is run, and what is handed back. Everything else (queueing,
// leases, takeover, limits, cancelling, events) is the same for all kinds and knows none of them.
//
// One kind is one file or folder here and one line in kind_list.cpp. A Search lives in a coordinator, a Runner in a
// runner child; each belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/id.h"
#include "common/job.h"
#include "worker/artifact_cache.h"

namespace ns::worker::tasks {

// What a task kind may use of the world.
class Workplace {
 public:
  virtual ~Workplace() = default;
  virtual CachedFile artifact(const ArtifactId&) = 0;    // fetched and verified; readable while the handle lives
  virtual ArtifactId store(std::string_view bytes) = 0;  // uploaded
  virtual std::filesystem::path scratch(const std::string& name) = 0;  // an empty folder of this worker's, by that name
  virtual int threads() const = 0;                                     // cores of this slot
  virtual std::string cpus() const = 0;                                // the same as a list, "0-3"
  virtual void report(const std::string& json) = 0;                    // an intermediate metric of the running trial
  virtual bool stopped() const = 0;                                    // someone wants this job to end
};

struct FinishedTrial {
  std::uint32_t number = 0;
  TrialState state = TrialState::failed;
  std::string parameters;  // JSON text
  std::string result;      // JSON text; of a succeeded trial
  std::string error;
};

struct Standing {
  std::uint32_t trial = 0;
  std::string summary;
  std::string metrics;  // JSON text
};

// One task's search, as its coordinator drives it: next_round, all of the round told in order of number, next_round, …
// Given the same tells it gives the same rounds, which is what lets another worker take a task over.
class Search {
 public:
  virtual ~Search() = default;
  // Parameters (JSON text) of the next round's trials; empty: nothing more to run. `stop` says why the search should
  // come to its end now (time is up); what was found is still finished.
  virtual std::vector<std::string> next_round(const std::optional<std::string>& stop) = 0;
  // Error when the task cannot go on without this trial.
  virtual void tell(const FinishedTrial&) = 0;
  // Whether the round last given may be cut short when time is up (the search goes on to its end without it).
  virtual bool may_be_cut_short() const = 0;
  virtual std::uint32_t planned() const = 0;  // trials in all, as far as can be said now
  virtual std::optional<Standing> best() const = 0;
  virtual std::string result(Workplace&) = 0;  // the task's result, JSON text
};

struct CheckedTask {
  std::unique_ptr<Search> search;
  std::string summary;  // one sentence for task.checked
};

struct Trial {
  TaskId task;
  std::uint32_t number = 0;
  std::uint32_t attempt = 1;
  std::string spec;        // JSON text
  std::string parameters;  // JSON text
};

struct TrialResult {
  Outcome outcome = Outcome::succeeded;
  std::string result;  // JSON text
  std::string error;
};

// Runs trials one after the other and may keep warm what the next trial of the same task needs.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual TrialResult run(const Trial&, Workplace&) = 0;  // Error: the trial has failed with this reason
};

struct TaskKind {
  std::string_view name;
  // Everything that can be found wrong with a task before its first trial. Error(invalid) names the field.
  CheckedTask (*check)(const TaskId&, const std::string& spec, Workplace&);
  std::unique_ptr<Runner> (*make_runner)();
};

std::span<const TaskKind> all_kinds();
const TaskKind& find_kind(std::string_view name);  // Error(unsupported)

}  // namespace ns::worker::tasks
