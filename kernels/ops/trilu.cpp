// Trilu: the upper or lower triangle of each matrix, zeros elsewhere.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_trilu(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require(x.shape.size() >= 2, context.node, "the input has the shape {}, wanted matrices", graph::to_string(x.shape));
  if (const TensorType* k = optional_input(context, 1)) {
    require(k->element == ElementType::int64 && k->shape.size() <= 1 && graph::element_count(k->shape) == 1,
            context.node, "k must be one number of int64");
  }
  return infer_same(context);
}

void compute_trilu(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor* shift = optional_input(context, 1);
  const bool upper = context.node.integer("upper", 1) != 0;
  const std::int64_t rows = x.shape()[x.shape().size() - 2];
  const std::int64_t columns = x.shape().back();
  // Further off than the matrix reaches makes no difference, and keeps the sums below in range.
  const std::int64_t k = std::clamp(shift != nullptr ? *data<std::int64_t>(*shift) : 0, -rows - 1, columns + 1);
  const std::size_t element = graph::size_of(x.type());
  const std::size_t width = static_cast<std::size_t>(columns) * element;
  const auto* from = static_cast<const std::byte*>(x.bytes());
  auto* to = static_cast<std::byte*>(context.outputs[0].bytes());
  if (x.count() == 0) return;
  for (std::int64_t i = 0; i < x.count() / columns; ++i, from += width, to += width) {
    // Kept: [diagonal, columns) or [0, diagonal + 1).
    const std::int64_t diagonal = std::clamp<std::int64_t>(i % rows + k + (upper ? 0 : 1), 0, columns);
    const std::size_t split = static_cast<std::size_t>(diagonal) * element;
    const std::size_t first = upper ? split : 0;
    const std::size_t last = upper ? width : split;
    std::memset(to, 0, width);
    std::memcpy(to + first, from + first, last - first);
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Trilu", 14, 1, 2, 1, 1, infer_trilu, compute_trilu},
};

}  // namespace

std::span<const OpDefinition> trilu_definitions() { return kDefinitions; }

}  // namespace ns::ops
