// Ctrl-C and SIGTERM as a flag that long waits look at. The second Ctrl-C ends the process the usual way.
#pragma once

namespace ns::client {

void catch_interrupts();  // once, in main
bool interrupted();       // any thread

}  // namespace ns::client
