// Starts and stops a private stack from the outside: what `up` and `down` do. One thread; blocking, ends early with
// Error(cancelled) on Ctrl-C.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "client/stack/layout.h"

namespace ns::client::stack {

// Told what is being waited for, as a sentence, whenever that changes.
using OnStep = std::function<void(const std::string&)>;

struct Started {
  bool already_running = false;
  std::size_t workers = 0;  // connected
};

// Makes the folder, starts the supervisor unless one runs, and waits until the broker answers and all workers are
// connected. `workers` 0: one a socket. A stack that cannot start is taken down again, and Error(unavailable) says
// which part failed, with the end of its log.
Started start(const Layout&, std::size_t workers, const OnStep&);

// Asks the supervisor to stop and waits until every process has gone. False when none was there.
bool stop(const Layout&, const OnStep&);

}  // namespace ns::client::stack
