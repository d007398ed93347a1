// Whether what a broker is told to listen on is safe as it is: beyond this machine it needs a key, and a folder with
// its ipc:// socket must be the owner's alone. Pure but for looking at that folder; any thread.
#pragma once

#include <string>

#include "broker/parts.h"

namespace ns::broker {

// tcp:// of an address that other machines cannot reach.
bool is_loopback(const std::string& endpoint);

// Error(invalid) says which commands to type.
void require_safe_listening(const Options&);

}  // namespace ns::broker
