// A small model made from a fuzzer's bytes: mostly well-formed, so that it gets deep into the engine, with every known
// operator, wrong attributes and types now and then, and the patterns that the plan fuses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/graph/graph.h"

namespace ns::fuzz {

graph::Graph graph_from(const std::uint8_t* bytes, std::size_t size);

}  // namespace ns::fuzz
