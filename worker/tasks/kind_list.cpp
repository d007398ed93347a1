// Every task kind: one line each here, one file or folder each beside it.
#include <fmt/format.h>

#include <array>

#include "common/error.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker::tasks {

CheckedTask check_quantize(const TaskId&, const std::string& spec, Workplace&);
std::unique_ptr<Runner> make_quantize_runner();
CheckedTask check_experiment(const TaskId&, const std::string& spec, Workplace&);
std::unique_ptr<Runner> make_experiment_runner();
CheckedTask check_nothing(const TaskId&, const std::string& spec, Workplace&);
std::unique_ptr<Runner> make_nothing_runner();

namespace {
constexpr std::array kKinds{
    TaskKind{"quantize", check_quantize, make_quantize_runner},
    TaskKind{"experiment", check_experiment, make_experiment_runner},
    TaskKind{"nothing", check_nothing, make_nothing_runner},
};
}  // namespace

std::span<const TaskKind> all_kinds() { return kKinds; }

const TaskKind& find_kind(std::string_view name) {
  for (const TaskKind& kind : kKinds) {
    if (kind.name == name) return kind;
  }
  throw Error(ErrorCode::unsupported, fmt::format("kind: this worker does not know tasks of kind \"{}\"", name),
              "kind");
}

}  // namespace ns::worker::tasks
