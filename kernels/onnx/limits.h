// Every limit on a model file, each with its reason. Over one of them: Error(too_large).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ns::onnx::limits {

inline constexpr std::uint64_t kMaxFileBytes = (std::uint64_t{1} << 31) - 1;  // protobuf reads no more
inline constexpr int kMaxNodes = 1'000'000;                                   // of one graph
inline constexpr int kMaxValues = 4'000'000;        // of one graph; what nodes of a few outputs each may make
inline constexpr int kMaxNodeValues = 65'536;       // inputs or outputs of one node (a wide Concat)
inline constexpr int kMaxAttributes = 256;          // of one node; the largest operator has 15
inline constexpr int kMaxListEntries = 1 << 24;     // of one attribute list; longer ones are tensors
inline constexpr std::size_t kMaxNameBytes = 4096;  // of nodes, values, operators; some exporters write whole paths
inline constexpr int kMaxRank = 64;                 // of one tensor; numpy ends at 64 too
inline constexpr int kMaxSubgraphDepth = 8;         // If in Loop in If …
// A sub-graph costs three levels of messages (graph, node, attribute); a tensor or type within it a few more.
inline constexpr int kMaxMessageDepth = 3 * kMaxSubgraphDepth + 16;
inline constexpr std::int64_t kMinIrVersion = 3;   // the first with opset imports
inline constexpr std::int64_t kMaxIrVersion = 13;  // later ones may change what a field means
inline constexpr std::int64_t kMaxOpset = 1000;    // a number, not a version that exists

}  // namespace ns::onnx::limits
