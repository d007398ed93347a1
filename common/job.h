// States and outcomes of tasks, trials and jobs: the words that the wire, Redis, the documents and the screen share.
// Plain values; any thread. Text forms are what is stored and sent; never rename one.
#pragma once

#include <string_view>

namespace ns {

enum class TaskState { pending, running, done, failed, cancelled };
enum class TrialState { waiting, running, succeeded, failed, early_stopped, cancelled };
enum class JobKind { task, trial };  // a task job takes a control slot, a trial job a compute slot

// What a worker says of one attempt at a job.
enum class Outcome {
  succeeded,
  failed,         // final: trying again would fail the same way
  crashed,        // the attempt died (signal, memory, time limit): tried again until max_attempts
  early_stopped,  // the assessor said that it is hopeless
  cancelled,
  handed_back,  // not tried, or given up by a draining worker: back to the queue, does not count as an attempt
};

// What the broker says of a committed outcome.
enum class CommitStatus {
  committed,
  retrying,       // crashed, and will be tried again after a delay
  dead_lettered,  // crashed for the last time
  stale,          // the token is not the current one: nothing was written
};

std::string_view to_text(TaskState);
std::string_view to_text(TrialState);
std::string_view to_text(JobKind);
std::string_view to_text(Outcome);
std::string_view to_text(CommitStatus);

// Each throws Error(invalid) that lists the known words.
void from_text(std::string_view, TaskState&);
void from_text(std::string_view, TrialState&);
void from_text(std::string_view, JobKind&);
void from_text(std::string_view, Outcome&);
void from_text(std::string_view, CommitStatus&);

constexpr bool is_final(TaskState state) { return state != TaskState::pending && state != TaskState::running; }
constexpr bool is_final(TrialState state) { return state != TrialState::waiting && state != TrialState::running; }

}  // namespace ns
