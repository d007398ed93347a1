// One .npy array: bytes -> tensor, nothing trusted.
//
//   magic    "\x93NUMPY" major:u8 minor:u8          versions 1.0, 2.0, 3.0
//   length   u16 LE (version 1) or u32 LE           bytes of the header that follow
//   header   {'descr': '<f4', 'fortran_order': False, 'shape': (10, 3), }   spaces, newline
//   data     the elements, little-endian, in C or Fortran order
//
// Pure functions; any thread. All errors are Error(invalid) with the array's name, or Error(too_large).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/graph/tensor.h"

namespace ns::data {

inline constexpr std::size_t kMaxNpyHeaderBytes = 64 << 10;  // numpy writes about 100; its own limit is 10,000
inline constexpr std::size_t kMaxNpyRank = 32;               // numpy's own limit

struct NpyHeader {
  graph::ElementType type = graph::ElementType::undefined;
  bool fortran_order = false;
  graph::Shape shape;
  std::size_t data_offset = 0;   // from the start of the file
  std::uint64_t data_bytes = 0;  // that the shape asks for
};

inline constexpr std::size_t kNpyPreambleBytes = 12;  // enough to know how long the header is

// Bytes from the start of the file to the data, read from its first kNpyPreambleBytes (10 are enough for version 1).
std::size_t npy_data_offset(std::string_view array, std::span<const std::byte> preamble);

// The header, from at least the first npy_data_offset() bytes.
NpyHeader parse_npy_header(std::string_view array, std::span<const std::byte> bytes);

// The elements as a tensor in C order. REQUIRES: data.size() == header.data_bytes, checked.
graph::Tensor npy_tensor(std::string_view array, const NpyHeader&, std::span<const std::byte> data);

// A whole file. Bytes after the data are refused.
graph::Tensor parse_npy(std::string_view array, std::span<const std::byte> file, std::uint64_t max_bytes);

// A .npy file (version 1.0, C order) up to its data. Error(unsupported) for an element type that numpy has not.
std::string npy_header(std::string_view array, const graph::Tensor&);

}  // namespace ns::data
