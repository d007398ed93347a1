#include "common/job.h"

#include <array>
#include <string>
#include <utility>

#include "common/error.h"

namespace ns {
namespace {

template <typename Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Words<TaskState, 5> kTaskStates{{{TaskState::pending, "pending"},
                                           {TaskState::running, "running"},
                                           {TaskState::done, "done"},
                                           {TaskState::failed, "failed"},
                                           {TaskState::cancelled, "cancelled"}}};
constexpr Words<TrialState, 6> kTrialStates{{{TrialState::waiting, "waiting"},
                                             {TrialState::running, "running"},
                                             {TrialState::succeeded, "succeeded"},
                                             {TrialState::failed, "failed"},
                                             {TrialState::early_stopped, "early_stopped"},
                                             {TrialState::cancelled, "cancelled"}}};
constexpr Words<JobKind, 2> kJobKinds{{{JobKind::task, "task"}, {JobKind::trial, "trial"}}};
constexpr Words<Outcome, 6> kOutcomes{{{Outcome::succeeded, "succeeded"},
                                       {Outcome::failed, "failed"},
                                       {Outcome::crashed, "crashed"},
                                       {Outcome::early_stopped, "early_stopped"},
                                       {Outcome::cancelled, "cancelled"},
                                       {Outcome::handed_back, "handed_back"}}};
constexpr Words<CommitStatus, 4> kCommitStatuses{{{CommitStatus::committed, "committed"},
                                                  {CommitStatus::retrying, "retrying"},
                                                  {CommitStatus::dead_lettered, "dead_lettered"},
                                                  {CommitStatus::stale, "stale"}}};

template <typename Enum, std::size_t N>
std::string_view word_of(const Words<Enum, N>& words, Enum value) {
  for (const auto& [known, word] : words) {
    if (known == value) return word;
  }
  return "unknown";
}

template <typename Enum, std::size_t N>
void read_word(const Words<Enum, N>& words, std::string_view text, std::string_view what, Enum& value) {
  std::string known_words;
  for (const auto& [known, word] : words) {
    if (word == text) {
      value = known;
      return;
    }
    known_words += known_words.empty() ? "" : ", ";
    known_words += word;
  }
  throw Error(ErrorCode::invalid,
              std::string(what) + " is '" + std::string(text.substr(0, 64)) + "': it must be one of " + known_words);
}

}  // namespace

std::string_view to_text(TaskState value) { return word_of(kTaskStates, value); }
std::string_view to_text(TrialState value) { return word_of(kTrialStates, value); }
std::string_view to_text(JobKind value) { return word_of(kJobKinds, value); }
std::string_view to_text(Outcome value) { return word_of(kOutcomes, value); }
std::string_view to_text(CommitStatus value) { return word_of(kCommitStatuses, value); }

void from_text(std::string_view text, TaskState& value) { read_word(kTaskStates, text, "task state", value); }
void from_text(std::string_view text, TrialState& value) { read_word(kTrialStates, text, "trial state", value); }
void from_text(std::string_view text, JobKind& value) { read_word(kJobKinds, text, "job kind", value); }
void from_text(std::string_view text, Outcome& value) { read_word(kOutcomes, text, "outcome", value); }
void from_text(std::string_view text, CommitStatus& value) { read_word(kCommitStatuses, text, "commit status", value); }

}  // namespace ns
