// Indices that come with the data: int64 or int32, counted from the end when negative, and never trusted.
#pragma once

#include <cstdint>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

using IndexTypes = Types<std::int64_t, std::int32_t>;

// 0..size-1. Error(invalid) when the index is not one of -size..size-1.
inline std::int64_t checked_index(const Node& node, std::int64_t index, std::int64_t size) {
  require(index >= -size && index < size, node, "the index {} is not one of {} elements", index, size);
  return index < 0 ? index + size : index;
}

inline std::int64_t index_at(const Tensor& indices, std::int64_t place) {
  return indices.type() == ElementType::int64 ? data<std::int64_t>(indices)[place] : data<std::int32_t>(indices)[place];
}

// Input and indices of one rank, and no index position outside the input along the axes that are not indexed.
// Returns the axis.
inline std::size_t check_element_indices(const Node& node, const Shape& x, const Shape& indices) {
  require(x.size() == indices.size(), node, "input and indices have {} and {} axes", x.size(), indices.size());
  const std::size_t axis = normal_axis(node, node.integer("axis", 0), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    require(i == axis || indices[i] <= x[i], node, "indices {} reach over the input {}", graph::to_string(indices),
            graph::to_string(x));
  }
  return axis;
}

// For GatherND and ScatterND: each row of `indices` names a slice of the tensor.
class SliceIndex {
 public:
  // `sizes`: of the axes that a row indexes, in order; the slice behind them has `slice` elements.
  SliceIndex(const Node& node, const Tensor& indices, Shape sizes, std::int64_t slice)
      : node_(node), indices_(indices), sizes_(std::move(sizes)), slice_(slice) {}

  // Where, in elements, the slice begins that row number `row` names.
  std::int64_t offset(std::int64_t row) const {
    const auto depth = static_cast<std::int64_t>(sizes_.size());
    std::int64_t place = 0;
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::int64_t size = sizes_[static_cast<std::size_t>(i)];
      place = place * size + checked_index(node_, index_at(indices_, row * depth + i), size);
    }
    return place * slice_;
  }

 private:
  const Node& node_;
  const Tensor& indices_;
  Shape sizes_;
  std::int64_t slice_;
};

}  // namespace ns::ops
