// OneHot: each index becomes a row of "off" values with one "on" value; an index outside the row leaves all of it off.
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::int64_t depth_of(const InferContext& context) {
  const Tensor* depth = shape_input(context, 1);
  require(depth != nullptr && depth->count() == 1, context.node, "depth must be one number");
  std::int64_t number = 0;
  dispatch(NumericTypes{}, context.node, depth->type(),
           [&](auto tag) { number = convert<std::int64_t>(*data<decltype(tag)>(*depth)); });
  require(number >= 1, context.node, "depth is {}, wanted 1 or more", number);
  return number;
}

std::size_t new_axis(const Node& node, std::size_t rank) {
  return normal_axis(node, node.integer("axis", -1), rank + 1);
}

std::vector<TensorType> infer_one_hot(const InferContext& context) {
  const TensorType& indices = input(context, 0);
  const TensorType& values = input(context, 2);
  require_type(NumericTypes{}, context.node, indices.element);
  require(values.shape == Shape{2}, context.node, "values have the shape {}, wanted [2]: off and on",
          graph::to_string(values.shape));
  Shape shape = indices.shape;
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(new_axis(context.node, shape.size())), depth_of(context));
  return types(context, {{values.element, shape}});
}

void compute_one_hot(const ComputeContext& context) {
  const Tensor& indices = input(context, 0);
  Tensor& y = context.outputs[0];
  const AxisView view = view_along(y.shape(), new_axis(context.node, indices.shape().size()));
  std::vector<std::int64_t> places(static_cast<std::size_t>(indices.count()));
  dispatch(NumericTypes{}, context.node, indices.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = convert<std::int64_t>(data<T>(indices)[i]);
  });
  dispatch_size(y.type(), [&](auto tag) {
    using T = decltype(tag);
    const T off = data<T>(input(context, 2))[0];
    const T on = data<T>(input(context, 2))[1];
    std::fill_n(data<T>(y), y.count(), off);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::int64_t place = places[i] < 0 ? places[i] + view.size : places[i];
      if (place < 0 || place >= view.size) continue;
      const auto at = static_cast<std::int64_t>(i);
      data<T>(y)[(at / view.inner * view.size + place) * view.inner + at % view.inner] = on;
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "OneHot", 9, 3, 3, 1, 1, infer_one_hot, compute_one_hot},
};

}  // namespace

std::span<const OpDefinition> one_hot_definitions() { return kDefinitions; }

}  // namespace ns::ops
