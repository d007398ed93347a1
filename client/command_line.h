// The command line: the global flags, the list of commands, and what an error comes to. Used by main.
#pragma once

namespace ns::client {

// Parses, runs, and returns the exit status: 0 done, 1 failed or criterion not met, 2 wrong use or input, 3 service not
// reachable, 130 interrupted.
int run_command_line(int argc, char** argv);

}  // namespace ns::client
