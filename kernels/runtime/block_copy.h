// Slice and Pad as one copy of a block: where it begins in the input and in the output, and how it steps.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "kernels/runtime/resolved.h"

namespace ns::runtime {

// By axis of the tensor: `count` numbers from `from` on, every `step`-th, to `to` on.
struct Region {
  std::vector<std::int64_t> from, step, to, count;
};

// Of a Slice with positive steps or a Pad with a constant, when everything is known before the run.
std::optional<Region> region_of(Resolved&, const graph::Node&);

struct BlockCopy {
  struct Axis {
    std::size_t count, from_stride, to_stride;  // strides in bytes
  };
  std::vector<Axis> axes;     // outermost first; the innermost run of bytes is not among them
  std::size_t run_bytes = 0;  // copied at once
  std::size_t from = 0, to = 0, to_bytes = 0;
  std::vector<std::byte> fill;  // one element; empty: nothing is left to fill

  void run(const void* source, void* target) const;
};

// `fill` is one element and gives the element's size.
BlockCopy block_copy(const Region&, const graph::Shape& from, const graph::Shape& to, bool channels_last,
                     std::vector<std::byte> fill);

}  // namespace ns::runtime
