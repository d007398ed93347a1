#include "kernels/runtime/memory.h"

#include <algorithm>
#include <numeric>

namespace ns::runtime {

namespace {

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

ArenaLayout lay_out(std::span<const Lifetime> lifetimes) {
  ArenaLayout result;
  result.offsets.assign(lifetimes.size(), 0);
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t one : order) {
    const std::size_t bytes = aligned(lifetimes[one].bytes);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      const bool together =
          lifetimes[other].first <= lifetimes[one].last && lifetimes[one].first <= lifetimes[other].last;
      if (!together) continue;
      if (offset + bytes <= result.offsets[other]) break;
      offset = std::max(offset, result.offsets[other] + aligned(lifetimes[other].bytes));
    }
    result.offsets[one] = offset;
    result.bytes = std::max(result.bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](std::size_t at, std::size_t other) { return at < result.offsets[other]; }),
                  one);
  }
  return result;
}

}  // namespace ns::runtime
