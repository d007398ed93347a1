// What the client part of a peer written in C++ does; README.md has what it prints. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

namespace ns::bench {

inline const std::string kPeerParameters(200, 'x');
inline const std::string kPeerResult(100, 'y');

// `run` submits so many jobs and returns when it has seen all their results.
inline void measure_peer(const std::string& version, std::uint32_t jobs, std::uint32_t trips,
                         const std::function<void(std::uint32_t)>& run) {
  constexpr std::uint32_t kWarmUp = 1000;
  const auto seconds_of = [&](std::uint32_t count) {
    const auto begin = std::chrono::steady_clock::now();
    run(count);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("peer version %s\n", version.c_str());
  run(kWarmUp);
  std::printf("peer begin\n");
  std::printf("peer end %.9f\n", seconds_of(jobs));
  for (std::uint32_t i = 0; i < trips; ++i) std::printf("peer trip %.6f\n", seconds_of(1) * 1000);
  std::printf("peer done\n");
}

}  // namespace ns::bench
