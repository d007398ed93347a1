#include "worker/runner/self.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/error.h"
#include "worker/runner/runner.h"
#include "worker/tasks/experiment/command.h"

namespace ns::worker {

std::string path_of_this_program() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) throw Error(ErrorCode::unavailable, "/proc/self/exe cannot be read: is /proc mounted?");
  return std::string(path, static_cast<std::size_t>(length));
}

std::optional<int> run_as_child(int count, char** arguments) {
  if (count < 2) return std::nullopt;
  const std::string_view command = arguments[1];
  if (command == "runner" && count == 4) return run_runner(std::atoi(arguments[2]), std::atoi(arguments[3]));
  if (command == "keep-command" && count >= 5) {
    return tasks::keep_command(std::atoi(arguments[2]), std::atoi(arguments[3]), arguments + 4);
  }
  return std::nullopt;
}

}  // namespace ns::worker
