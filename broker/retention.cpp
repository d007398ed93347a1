#include "broker/retention.h"

#include <algorithm>
#include <charconv>

#include "common/error.h"
#include "common/task_spec.h"

namespace ns::broker {
namespace {

constexpr std::chrono::hours kAge{30 * 24};
constexpr std::uint64_t kCount = 100'000;
constexpr const char* kField = "keep-finished";

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid,
              "--keep-finished " + text +
                  ": it must be done, failed or cancelled, '=', an age such as 7d or forever, and, if need be, ',' and "
                  "how many, as in done=7d,10000",
              kField);
}

std::uint64_t count_from(const std::string& digits, const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (problem != std::errc() || end != digits.data() + digits.size()) refuse(text);
  return count;
}

}  // namespace

std::vector<Retention> parse_retention(const std::vector<std::string>& texts) {
  std::vector<Retention> kept;
  for (const TaskState state : {TaskState::done, TaskState::failed, TaskState::cancelled}) {
    kept.push_back({state, kAge, kCount});
  }
  for (const std::string& text : texts) {
    const std::size_t equals = std::min(text.find('='), text.size()), comma = text.find(',', equals);
    const auto found = std::find_if(kept.begin(), kept.end(),
                                    [&](const Retention& one) { return to_text(one.state) == text.substr(0, equals); });
    if (found == kept.end() || equals == text.size()) refuse(text);
    const std::string age = text.substr(equals + 1, comma == std::string::npos ? comma : comma - equals - 1);
    found->age.reset();
    found->count.reset();
    if (age != "forever") found->age = parse_duration(age, kField);
    if (comma != std::string::npos) found->count = count_from(text.substr(comma + 1), text);
  }
  return kept;
}

}  // namespace ns::broker
