// NonZero: where the elements lie that are not zero, one column each: [rank, how many], in row-major order. Compress:
// the slices along an axis (or the elements) that a condition keeps.
#include <array>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<std::int64_t> places_of_non_zero(const Node& node, const Tensor& x) {
  std::vector<std::int64_t> places;
  dispatch(AllTypes{}, node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t i = 0; i < x.count(); ++i) {
      if (convert<bool>(data<T>(x)[i])) places.push_back(i);
    }
  });
  return places;
}

std::vector<Tensor> make_non_zero(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::vector<std::int64_t> places = places_of_non_zero(context.node, x);
  const auto count = static_cast<std::int64_t>(places.size());
  Tensor y(ElementType::int64, {static_cast<std::int64_t>(x.shape().size()), count});
  std::int64_t step = 1;
  for (std::size_t axis = x.shape().size(); axis-- > 0; step *= x.shape()[axis]) {
    std::int64_t* row = data<std::int64_t>(y) + static_cast<std::int64_t>(axis) * count;
    for (const std::int64_t place : places) *row++ = place / step % x.shape()[axis];
  }
  return {y};
}

std::vector<Tensor> make_compress(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& condition = input(context, 1);
  require(condition.type() == ElementType::boolean && condition.shape().size() == 1, context.node,
          "the condition must be a list of bool");
  // Without an axis the elements are taken one by one.
  const bool flat = !context.node.has("axis");
  const Shape seen = flat ? Shape{x.count()} : x.shape();
  const std::size_t axis = flat ? 0 : normal_axis(context.node, context.node.integer("axis", 0), seen.size());
  const AxisView view = view_along(seen, axis);
  require(condition.count() <= view.size, context.node, "the condition has {} entries, the axis {}", condition.count(),
          view.size);
  const std::vector<std::int64_t> kept = places_of_non_zero(context.node, condition);
  Shape shape = seen;
  shape[axis] = static_cast<std::int64_t>(kept.size());
  Tensor y(x.type(), shape);
  if (y.count() == 0) return {y};
  const std::size_t bytes = static_cast<std::size_t>(view.inner) * graph::size_of(x.type());
  auto* to = static_cast<std::byte*>(y.bytes());
  for (std::int64_t outer = 0; outer < view.outer; ++outer) {
    for (const std::int64_t i : kept) {
      std::memcpy(to,
                  static_cast<const std::byte*>(x.bytes()) + static_cast<std::size_t>(outer * view.size + i) * bytes,
                  bytes);
      to += bytes;
    }
  }
  return {y};
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Compress", 9, 2, 2, 1, 1, nullptr, nullptr, make_compress},
    OpDefinition{"", "NonZero", 9, 1, 1, 1, 1, nullptr, nullptr, make_non_zero},
};

}  // namespace

std::span<const OpDefinition> non_zero_definitions() { return kDefinitions; }

}  // namespace ns::ops
