// One run of a command as a child process that cannot outlive us, with the metrics that it writes and its last words.
//
// Between us and the command stands a keeper (keep_command): it adopts everything the command starts, and kills it all
// when the command has ended or when our end of its pipe closes, however we end. Linux only. One thread an object.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ns::worker::tasks {

struct Command {
  std::vector<std::string> arguments;                            // as they stand, no shell
  std::filesystem::path folder;                                  // where it runs
  std::vector<std::pair<std::string, std::string>> environment;  // set on top of ours
  std::vector<std::string> unset;
};

struct CommandEnd {
  int exit_code = 0;        // meaningful without a signal
  int signal = 0;           // that ended it; 0: none
  bool stopped = false;     // because the caller wanted so
  std::string start_error;  // why it could not be started; empty: it was
  std::string last_lines;   // of what it wrote to standard output and error
};

// Runs it to its end. `tick` is called several times a second and once after the end; returning false kills the
// command.
CommandEnd run_command(const Command&, const std::filesystem::path& log, const std::function<bool()>& tick);

// The sub-command of ns-worker that a keeper runs: arguments are those of the command. Returns the exit status.
int keep_command(int pipe, int status, char** arguments);

}  // namespace ns::worker::tasks
