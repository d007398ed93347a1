// Inner loops over contiguous numbers, written so that a compiler makes vector instructions of them without being
// allowed to reorder a sum.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

// Four sums side by side: what one vector instruction adds to.
template <typename A>
struct LaneSums {
  A sums[4] = {};

  void add_products(const A* a, const A* b) {
    for (int lane = 0; lane < 4; ++lane) sums[lane] += a[lane] * b[lane];
  }
  A total() const { return (sums[0] + sums[1]) + (sums[2] + sums[3]); }
};

// Sum of products. Four groups of lanes, so that no addition waits for the one before it.
template <typename A>
A dot(const A* a, const A* b, std::int64_t count) {
  LaneSums<A> first, second, third, fourth;
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    first.add_products(a + i, b + i);
    second.add_products(a + i + 4, b + i + 4);
    third.add_products(a + i + 8, b + i + 8);
    fourth.add_products(a + i + 12, b + i + 12);
  }
  A sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum + (first.total() + second.total()) + (third.total() + fourth.total());
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
