// The process that keeps a private stack alive: starts redis-server, the broker and the workers in this order, starts
// again what dies, and ends all of them, workers first, when it is asked to. A worker that was drained has not died: it
// stays away until the stack is told to come up once more.
//
// Runs as a process of its own (see control.h); one thread. Everything it starts dies with it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "client/stack/layout.h"
#include "client/stack/part.h"

namespace ns::client::stack {

struct Programs {
  std::filesystem::path redis;
  std::filesystem::path broker;
  std::filesystem::path worker;
};

// ns-broker and ns-worker beside this program, else in PATH; redis-server in PATH. Error(unavailable) names what is
// missing and how to get it.
Programs find_programs();

// In the order of starting. `workers` 0: one a socket.
std::vector<PartPlan> plan_parts(const Layout&, const Programs&, std::size_t workers);

// What is written to the control FIFO.
inline constexpr std::string_view kStop = "stop\n", kComeBack = "come back\n";

// Until asked to stop by the control FIFO, SIGTERM or SIGINT. REQUIRES: the caller holds layout.lock().
int supervise(const Layout&, std::size_t workers);

}  // namespace ns::client::stack
