// Reshape: the same elements under another shape; 0 keeps a size (unless allowzero), -1 takes what is left.
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_reshape(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const Node& node = context.node;
  const auto wanted = integers_from(context, 1, "shape");
  require(wanted.has_value(), node, "the new shape is missing");
  const bool allow_zero = node.integer("allowzero", 0) != 0;
  Shape shape = *wanted;
  std::optional<std::size_t> free_axis;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      require(i < x.shape.size(), node, "size 0 at axis {} keeps a size that {} does not have", i,
              graph::to_string(x.shape));
      shape[i] = x.shape[i];
    } else if (shape[i] == -1) {
      require(!free_axis, node, "the shape {} has more than one -1", graph::to_string(*wanted));
      free_axis = i;
      shape[i] = 1;
    }
    require(shape[i] >= 0, node, "the shape {} has a negative size", graph::to_string(*wanted));
  }
  const std::int64_t count = graph::element_count(x.shape);
  const std::int64_t known = graph::element_count(shape);
  if (free_axis) {
    require(known != 0 && count % known == 0, node, "{} elements do not fit the shape {}", count,
            graph::to_string(*wanted));
    shape[*free_axis] = count / known;
  } else {
    require(known == count, node, "{} elements do not fit the shape {}", count, graph::to_string(*wanted));
  }
  return types(context, {{x.element, shape}});
}

void compute_reshape(const ComputeContext& context) { copy_bytes(input(context, 0), context.outputs[0]); }

constexpr std::array kDefinitions{
    OpDefinition{"", "Reshape", 1, 1, 2, 1, 1, infer_reshape, compute_reshape},
};

}  // namespace

std::span<const OpDefinition> reshape_definitions() { return kDefinitions; }

}  // namespace ns::ops
