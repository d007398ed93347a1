// Shape (of some axes since opset 15) and Size.
#include <algorithm>
#include <array>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

Shape part_of(const Node& node, const Shape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto place = [&](std::string_view attribute, std::int64_t fallback) {
    const std::int64_t given = node.integer(attribute, fallback);
    return std::clamp<std::int64_t>(given < 0 && given >= -rank ? given + rank : given, 0, rank);
  };
  const std::int64_t start = place("start", 0);
  const std::int64_t end = std::max(start, place("end", rank));
  return {shape.begin() + start, shape.begin() + end};
}

std::vector<TensorType> infer_shape(const InferContext& context) {
  const auto length = static_cast<std::int64_t>(part_of(context.node, input(context, 0).shape).size());
  return types(context, {{ElementType::int64, {length}}});
}

void compute_shape(const ComputeContext& context) {
  const Shape part = part_of(context.node, input(context, 0).shape());
  std::copy(part.begin(), part.end(), context.outputs[0].values<std::int64_t>().begin());
}

std::vector<TensorType> infer_size(const InferContext& context) {
  input(context, 0);
  return types(context, {{ElementType::int64, {}}});
}

void compute_size(const ComputeContext& context) {
  context.outputs[0].values<std::int64_t>()[0] = input(context, 0).count();
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Shape", 1, 1, 1, 1, 1, infer_shape, compute_shape},
    OpDefinition{"", "Size", 1, 1, 1, 1, 1, infer_size, compute_size},
};

}  // namespace

std::span<const OpDefinition> shape_definitions() { return kDefinitions; }

}  // namespace ns::ops
