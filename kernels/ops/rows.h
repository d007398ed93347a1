// Inner loops over contiguous numbers, written so that a compiler makes vector instructions of them without being
// allowed to reorder a sum.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

// Sum of products. Several sums side by side: a single one would wait for each addition.
template <typename A>
A dot(const A* a, const A* b, std::int64_t count) {
  constexpr std::int64_t kLanes = 16;
  A sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  A sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  for (const A lane : sums) sum += lane;
  return sum;
}

// y[r] += dot(row r of the matrix, x): a row-major matrix of rows x columns.
template <typename A>
void add_product(const A* matrix, const A* x, std::int64_t rows, std::int64_t columns, A* y) {
  for (std::int64_t r = 0; r < rows; ++r) y[r] += dot(matrix + r * columns, x, columns);
}

// A tensor's numbers in the type they are computed with: in place where they are stored in it, else converted.
template <typename T>
class Numbers {
 public:
  using A = Arithmetic<T>;
  Numbers() = default;
  explicit Numbers(const Tensor* tensor) {
    if (tensor == nullptr) return;
    if constexpr (std::is_same_v<T, A>) {
      begin_ = data<T>(*tensor);
    } else {
      converted_.resize(static_cast<std::size_t>(tensor->count()));
      for (std::size_t i = 0; i < converted_.size(); ++i) converted_[i] = static_cast<A>(data<T>(*tensor)[i]);
      begin_ = converted_.data();
    }
  }
  // Null for a tensor that is not there.
  const A* at(std::int64_t offset) const { return begin_ == nullptr ? nullptr : begin_ + offset; }

 private:
  const A* begin_ = nullptr;
  std::vector<A> converted_;
};

}  // namespace ns::ops
