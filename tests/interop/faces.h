// Faces that a detector found, and how far two detectors agree.
#pragma once

#include <vector>

#include "kernels/graph/tensor.h"

namespace ns::interop {

struct Box {
  float left, top, right, bottom, score;
};

// Of one picture, from scores [1, N, 2] and boxes [1, N, 4]: score above 0.7, of those that overlap (IoU over 0.3) the
// best.
std::vector<Box> faces(const graph::Tensor& scores, const graph::Tensor& boxes);

struct Matches {
  std::int64_t right = 0, found = 0, expected = 0;
  // Each expected face counts once, when one that was found overlaps it by half (IoU).
  void add(const std::vector<Box>& actual, const std::vector<Box>& wanted);
  double f1() const {
    return found + expected == 0 ? 1 : 2.0 * static_cast<double>(right) / static_cast<double>(found + expected);
  }
};

}  // namespace ns::interop
