// Runs a kernel once on given bytes.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

// Inputs and result in the kernel's own layouts.
inline graph::Tensor run_kernel(const Made& made, std::vector<graph::Tensor> inputs) {
  EXPECT_NE(made.kernel, nullptr) << made.declined;
  if (made.kernel == nullptr) return {};
  std::vector<void*> bytes;
  for (graph::Tensor& input : inputs) bytes.push_back(input.bytes());
  const auto size = static_cast<std::int64_t>(made.kernel->output.bytes());
  graph::Tensor output(graph::ElementType::uint8, {size});
  std::memset(output.bytes(), 0, output.byte_count());
  graph::Tensor scratchpad(graph::ElementType::uint8, {static_cast<std::int64_t>(made.kernel->scratchpad_bytes) + 1});
  set_threads(1);
  made.kernel->bind(bytes, output.bytes(), scratchpad.bytes())->run();
  return output;
}

inline std::vector<float> floats(const graph::Tensor& bytes, std::size_t count) {
  std::vector<float> result(count);
  std::memcpy(result.data(), bytes.bytes(), count * sizeof(float));
  return result;
}

}  // namespace ns::onednn
