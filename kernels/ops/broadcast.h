// Numpy broadcasting: the common shape of several inputs, and loops over it in which sizes of one are repeated.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/ops/context.h"

namespace ns::ops {

// Error(invalid) names the shapes that do not fit together.
Shape broadcast_shape(const Node&, const Shape&, const Shape&);
Shape broadcast_shape(const InferContext&);  // of all inputs

// Steps through `shape` in elements along each axis of `output`; 0 where it is repeated. REQUIRES: it fits.
std::vector<std::int64_t> broadcast_strides(const Shape& shape, const Shape& output);

// Steps of a dense row-major tensor.
std::vector<std::int64_t> dense_strides(const Shape&);

// Rows of a loop over `sizes` with one set of strides for each of N operands; neighbouring axes that all operands walk
// evenly are merged, so that equal shapes make one long row.
template <std::size_t N>
class RowLoop {
 public:
  RowLoop(const Shape& sizes, std::array<std::vector<std::int64_t>, N> strides) {
    for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
      if (sizes[axis] == 0) empty_ = true;
      if (sizes[axis] == 1) continue;
      bool mergeable = !sizes_.empty();
      for (std::size_t k = 0; k < N && mergeable; ++k) {
        mergeable = strides_[k].back() == strides[k][axis] * sizes[axis];
      }
      if (mergeable) {
        sizes_.back() *= sizes[axis];
        for (std::size_t k = 0; k < N; ++k) strides_[k].back() = strides[k][axis];
      } else {
        sizes_.push_back(sizes[axis]);
        for (std::size_t k = 0; k < N; ++k) strides_[k].push_back(strides[k][axis]);
      }
    }
    if (sizes_.empty()) {
      sizes_.push_back(1);
      for (auto& operand : strides_) operand.push_back(0);
    }
  }

  // row(length, offsets of the first element, steps within the row), one of each a operand.
  template <typename Row>
  void run(Row&& row) const {
    if (empty_) return;
    const std::size_t last = sizes_.size() - 1;
    std::array<std::int64_t, N> steps{};
    for (std::size_t k = 0; k < N; ++k) steps[k] = strides_[k][last];
    std::vector<std::int64_t> position(last, 0);
    std::array<std::int64_t, N> offsets{};
    while (true) {
      row(sizes_[last], offsets, steps);
      std::size_t axis = last;
      while (axis > 0) {
        --axis;
        for (std::size_t k = 0; k < N; ++k) offsets[k] += strides_[k][axis];
        if (++position[axis] < sizes_[axis]) break;
        for (std::size_t k = 0; k < N; ++k) offsets[k] -= strides_[k][axis] * sizes_[axis];
        position[axis] = 0;
        if (axis == 0) return;
      }
      if (last == 0) return;
    }
  }

 private:
  Shape sizes_;
  std::array<std::vector<std::int64_t>, N> strides_;
  bool empty_ = false;
};

}  // namespace ns::ops
