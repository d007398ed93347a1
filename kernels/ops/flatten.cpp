// Flatten: a matrix, cut in two at `axis`.
#include <array>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_flatten(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  const std::int64_t given = context.node.integer("axis", 1);
  require(given >= -rank && given <= rank, context.node, "there is no axis {} in {} dimensions", given, rank);
  const auto axis = static_cast<std::size_t>(given < 0 ? given + rank : given);
  return types(context, {{x.element, {product(x.shape, 0, axis), product(x.shape, axis, x.shape.size())}}});
}

void compute_flatten(const ComputeContext& context) { copy_bytes(input(context, 0), context.outputs[0]); }

constexpr std::array kDefinitions{
    OpDefinition{"", "Flatten", 1, 1, 1, 1, 1, infer_flatten, compute_flatten},
};

}  // namespace

std::span<const OpDefinition> flatten_definitions() { return kDefinitions; }

}  // namespace ns::ops
