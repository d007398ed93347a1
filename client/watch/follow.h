// Follows a task to its end: draws on a terminal, prints a line an event into a pipe, an object an event with --json.
// One thread; blocking.
#pragma once

#include "client/settings.h"
#include "common/api/client.h"

namespace ns::client {

// Returns the exit status after showing the result. A broker that goes away is waited for; Error(unavailable) when it
// stays away. Ctrl-C ends with Error(cancelled), which says how to go on.
int follow(api::Client&, const TaskId&, const Settings&);

}  // namespace ns::client
