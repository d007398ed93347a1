// The limit on open files, raised for many connections. Any thread; children inherit it.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace ns::bench {

// Every connection needs a few descriptors, and ZeroMQ aborts a process that has none left.
inline void allow_open_files(std::uint32_t connections) {
  constexpr rlim_t kEach = 4, kBeside = 64;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = connections * kEach + kBeside;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (limit.rlim_cur < wanted || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::runtime_error(std::to_string(connections) + " workers need " + std::to_string(wanted) +
                             " open files; the limit here is " + std::to_string(limit.rlim_max) + " (ulimit -n)");
  }
}

}  // namespace ns::bench
