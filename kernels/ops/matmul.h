// The shapes of a product of stacks of matrices, as numpy.matmul has them; shared by MatMul and its integer forms.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

struct MatMulShape {
  std::int64_t m, k, n;
  Shape batch;                       // the common leading sizes
  Shape output;                      // with the axes of size 1 dropped that a vector input brought
  std::vector<std::int64_t> a_step;  // elements to the next matrix along each batch axis; 0 where it is repeated
  std::vector<std::int64_t> b_step;
};

// Error(invalid) names the shapes that cannot be multiplied.
MatMulShape matmul_shape(const Node&, const Shape& a, const Shape& b);

// y[m, n] = a[m, k] * b[k, n] in numbers of A; store(row, sums) takes each row.
template <typename A, typename T, typename Store>
void multiply_matrices(const MatMulShape& shape, const T* a, const T* b, const Store& store) {
  std::vector<A> row(static_cast<std::size_t>(shape.n));
  for (std::int64_t i = 0; i < shape.m; ++i) {
    std::fill(row.begin(), row.end(), A(0));
    for (std::int64_t k = 0; k < shape.k; ++k) {
      const A factor = static_cast<A>(a[i * shape.k + k]);
      const T* from = b + k * shape.n;
      for (std::int64_t j = 0; j < shape.n; ++j) {
        A& sum = row[static_cast<std::size_t>(j)];
        sum = add(sum, multiply(factor, static_cast<A>(from[j])));
      }
    }
    store(i, row.data());
  }
}

// Calls function(offset in a, in b, number of the product) for every product of the batch.
template <typename Function>
void for_each_product(const MatMulShape& shape, const Function& function) {
  const RowLoop<3> loop(shape.batch, {shape.a_step, shape.b_step, dense_strides(shape.batch)});
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    for (std::int64_t i = 0; i < length; ++i) {
      function(offsets[0] + i * steps[0], offsets[1] + i * steps[1], offsets[2] + i * steps[2]);
    }
  });
}

}  // namespace ns::ops
