// Squeeze and Unsqueeze: axes of size 1 taken away or put in. Axes are an attribute up to opset 12, an input since 13.
#include <algorithm>
#include <array>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

bool listed(const std::vector<std::size_t>& axes, std::size_t axis) {
  return std::binary_search(axes.begin(), axes.end(), axis);
}

std::vector<TensorType> infer_squeeze(const InferContext& context) {
  const TensorType& x = input(context, 0);
  std::vector<std::size_t> axes;
  if (const auto given = integers_from(context, 1, "axes")) {
    axes = normal_axes(context.node, *given, x.shape.size());
    for (const std::size_t axis : axes) {
      require(x.shape[axis] == 1, context.node, "axis {} of {} is not of size 1", axis, graph::to_string(x.shape));
    }
  } else {
    for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
      if (x.shape[axis] == 1) axes.push_back(axis);
    }
  }
  Shape shape;
  for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
    if (!listed(axes, axis)) shape.push_back(x.shape[axis]);
  }
  return types(context, {{x.element, shape}});
}

std::vector<TensorType> infer_unsqueeze(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const auto given = integers_from(context, 1, "axes");
  require(given.has_value(), context.node, "axes are missing");
  const std::size_t rank = x.shape.size() + given->size();
  const std::vector<std::size_t> axes = normal_axes(context.node, *given, rank);
  Shape shape;
  std::size_t next = 0;
  for (std::size_t axis = 0; axis < rank; ++axis) shape.push_back(listed(axes, axis) ? 1 : x.shape[next++]);
  return types(context, {{x.element, shape}});
}

void compute_copy(const ComputeContext& context) { copy_bytes(input(context, 0), context.outputs[0]); }

constexpr std::array kDefinitions{
    OpDefinition{"", "Squeeze", 1, 1, 2, 1, 1, infer_squeeze, compute_copy},
    OpDefinition{"", "Unsqueeze", 1, 1, 2, 1, 1, infer_unsqueeze, compute_copy},
};

}  // namespace

std::span<const OpDefinition> squeeze_definitions() { return kDefinitions; }

}  // namespace ns::ops
