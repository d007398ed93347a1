// One function a command: adds it to the command line. Adding a command: its file, its declaration here, and its line
// in the list of command_line.cpp.
#pragma once

namespace ns::client {

class Command;
class CommandLine;

void add_up(CommandLine&);
void add_down(CommandLine&);
void add_submit(CommandLine&);
void add_status(CommandLine&);
void add_watch(CommandLine&);
void add_result(CommandLine&);
void add_cancel(CommandLine&);
void add_list(CommandLine&);
void add_workers(CommandLine&);
void add_queue(CommandLine&);
void add_dead_letters(Command& queue);  // of the command `queue`
void add_keys(CommandLine&);
void add_schema(CommandLine&);
void add_version(CommandLine&);
void add_supervise(CommandLine&);

}  // namespace ns::client
