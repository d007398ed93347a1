// Concat: inputs one behind the other along an axis.
#include <array>
#include <cstring>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_concat(const InferContext& context) {
  const Node& node = context.node;
  const TensorType& first = input(context, 0);
  require(node.has("axis") || context.opset < 4, node, "the attribute axis is missing");
  const std::size_t axis = normal_axis(node, node.integer("axis", 1), first.shape.size());
  Shape shape = first.shape;
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    const TensorType& next = input(context, i);
    require(next.element == first.element, node, "input {} holds {}, the first {}", i, graph::name_of(next.element),
            graph::name_of(first.element));
    Shape expected = first.shape;
    if (next.shape.size() == expected.size()) expected[axis] = next.shape[axis];
    require(next.shape == expected, node, "input {} of shape {} does not fit the first, {}", i,
            graph::to_string(next.shape), graph::to_string(first.shape));
    require(!__builtin_add_overflow(shape[axis], next.shape[axis], &shape[axis]), node, "the output is too large");
  }
  return types(context, {{first.element, shape}});
}

void compute_concat(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 1), y.shape().size());
  const auto outer = static_cast<std::size_t>(product(y.shape(), 0, axis));
  const std::size_t row = y.byte_count() / outer;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    const Tensor& x = input(context, i);
    const std::size_t part = x.byte_count() / outer;
    if (part == 0) continue;
    for (std::size_t j = 0; j < outer; ++j) {
      std::memcpy(static_cast<std::byte*>(y.bytes()) + j * row + offset,
                  static_cast<const std::byte*>(x.bytes()) + j * part, part);
    }
    offset += part;
  }
}

constexpr int kManyInputs = 1 << 20;

constexpr std::array kDefinitions{
    OpDefinition{"", "Concat", 1, 1, kManyInputs, 1, 1, infer_concat, compute_concat},
};

}  // namespace

std::span<const OpDefinition> concat_definitions() { return kDefinitions; }

}  // namespace ns::ops
