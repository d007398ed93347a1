// Clip: between two limits; attributes up to opset 10, inputs since 11. When they cross, the upper one counts.
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_clip(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(NumericTypes{}, context.node, x.element);
  for (const std::size_t index : {std::size_t{1}, std::size_t{2}}) {
    const TensorType* limit = optional_input(context, index);
    require(limit == nullptr || (limit->element == x.element && graph::element_count(limit->shape) == 1), context.node,
            "input {} must be one number of the input's type", index);
  }
  return infer_same(context);
}

template <typename T>
std::optional<Arithmetic<T>> limit_of(const ComputeContext& context, std::size_t index, std::string_view attribute) {
  if (const Tensor* limit = optional_input(context, index)) return static_cast<Arithmetic<T>>(*data<T>(*limit));
  if (!context.node.has(attribute)) return std::nullopt;
  return convert<Arithmetic<T>>(context.node.real(attribute, 0));
}

void compute_clip(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    const auto low = limit_of<T>(context, 1, "min");
    const auto high = limit_of<T>(context, 2, "max");
    for (std::int64_t i = 0; i < x.count(); ++i) {
      auto value = static_cast<Arithmetic<T>>(data<T>(x)[i]);
      if (low && value < *low) value = *low;
      if (high && value > *high) value = *high;
      data<T>(context.outputs[0])[i] = T(value);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Clip", 1, 1, 3, 1, 1, infer_clip, compute_clip},
};

}  // namespace

std::span<const OpDefinition> clip_definitions() { return kDefinitions; }

}  // namespace ns::ops
