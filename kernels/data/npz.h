// .npz: a zip of .npy arrays. The only user of libzip; nothing of an archive is trusted.
//
// Pure functions; any thread. See read_npz in dataset.h for files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "kernels/graph/tensor.h"

namespace ns::data {

inline constexpr std::int64_t kMaxNpzArrays = 4096;     // a data set has a handful
inline constexpr std::size_t kMaxArrayNameBytes = 256;  // without ".npy"

// An .npz (or, told by its magic, one .npy, whose array has the name "array") held in memory.
std::map<std::string, graph::Tensor> parse_npz(std::span<const std::byte> file, std::uint64_t max_bytes);

}  // namespace ns::data
