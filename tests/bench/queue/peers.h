// Other queues, run by the programs in tests/bench/peers with the same jobs, sizes and persistence. One thread.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/queue/measure.h"

namespace ns::bench {

std::vector<std::string> peer_names();

// Error(unsupported) says which command installs what a peer lacks here.
void require_peer(const std::string& name);

struct PeerRun {
  std::string version;
  std::string persistence;  // "memory only" where the peer has no other
  std::uint32_t workers = 0;
  Cost cost;                         // cpu: server, workers, client; nothing is known of Redis
  std::vector<double> milliseconds;  // round trips
};
// REQUIRES: require_peer() passed.
PeerRun run_peer(const std::string& name, Persistence, std::uint32_t jobs, std::uint32_t round_trips);

}  // namespace ns::bench
