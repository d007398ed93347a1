// What ns-worker does with a model by itself, without a broker: one verb a file, one line in command_line.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>

namespace ns::worker {

// Runs what was asked for once the command line is parsed; returns the exit status.
using Action = std::function<int()>;

// Each describes its arguments; the action owns what they are written to.
Action add_inspect(CLI::App&);
Action add_run(CLI::App&);
Action add_benchmark(CLI::App&);
Action add_evaluate(CLI::App&);

// The exit status when the first argument is one of the verbs; otherwise nothing.
std::optional<int> run_command(int count, char** arguments);

// One line a verb, for the help of ns-worker.
std::string list_of_commands();

}  // namespace ns::worker
