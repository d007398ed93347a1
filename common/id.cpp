#include "common/id.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string_view>

namespace ns {
namespace {

// Crockford's base 32: no I, L, O, U, so that a person can read an id aloud.
constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kTimeDigits = 10;
constexpr std::size_t kRandomDigits = 16;
constexpr std::string_view kArtifactPrefix = "sha256:";

}  // namespace

TaskId make_task_id() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  std::uint64_t milliseconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
  std::string text(kTimeDigits + kRandomDigits, '0');
  for (std::size_t i = kTimeDigits; i-- > 0; milliseconds >>= 5) text[i] = kDigits[milliseconds & 31u];
  std::random_device random;
  for (std::size_t i = 0; i < kRandomDigits; ++i) text[kTimeDigits + i] = kDigits[random() & 31u];
  return {text};
}

bool is_task_id(const std::string& text) {
  return text.size() == kTimeDigits + kRandomDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return kDigits.find(c) != std::string_view::npos; });
}

bool is_artifact_id(const std::string& text) {
  constexpr std::string_view kHexadecimal = "0123456789abcdef";
  return text.size() == kArtifactPrefix.size() + 64 && text.compare(0, kArtifactPrefix.size(), kArtifactPrefix) == 0 &&
         text.find_first_not_of(kHexadecimal, kArtifactPrefix.size()) == std::string::npos;
}

JobId trial_job_id(const TaskId& task, unsigned number) { return {task.text + "/" + std::to_string(number)}; }

}  // namespace ns
