// Retention: which tasks that have ended are kept, of each final state. Plain values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/job.h"

namespace ns::broker {

struct Retention {
  TaskState state = TaskState::done;
  std::optional<std::chrono::milliseconds> age;  // since they ended; nothing: however old
  std::optional<std::uint64_t> count;            // the newest so many; nothing: any number
};

// One for each final state: 30 days and 100,000 tasks, unless `texts` say otherwise, each "STATE=AGE[,COUNT]", as in
// "done=7d,10000" or "failed=forever". Error(invalid) names what is wrong with one.
std::vector<Retention> parse_retention(const std::vector<std::string>& texts);

}  // namespace ns::broker
