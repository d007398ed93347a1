// Where buffers lie in one arena, so that buffers that live at the same time never overlap. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ns::runtime {

inline constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector

struct Lifetime {
  std::size_t bytes = 0;
  std::int32_t first = 0;  // the step that writes it
  std::int32_t last = 0;   // the last step that reads it, included
};

struct ArenaLayout {
  std::vector<std::size_t> offsets;  // one a lifetime, multiples of kAlignment
  std::size_t bytes = 0;
};

// Largest first, each at the lowest place that is free for its whole life.
ArenaLayout lay_out(std::span<const Lifetime>);

}  // namespace ns::runtime
