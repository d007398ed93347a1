// What the command line of bench_queue asks for. Plain values; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/queue/scale.h"
#include "tests/bench/queue/service.h"

namespace ns::bench {

struct Settings {
  std::uint32_t jobs = 50'000;
  std::uint32_t runs = 3;
  std::uint32_t window = 4096;
  std::uint32_t round_trips = 2000;
  std::vector<std::uint32_t> workers{1};
  std::vector<std::uint32_t> credits{50, 256};
  std::vector<Persistence> persistence{Persistence::everysec};
  std::vector<Transport> transport{Transport::ipc};
  Crew::Kind worker = Crew::Kind::simulated;
  bool ceiling = false;
  std::vector<std::string> peers;
  ScaleSizes scale;
  bool json = false;
};

}  // namespace ns::bench
