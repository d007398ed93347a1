// Expand: broadcast to a shape; Tile: repeated along each axis.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_expand(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const auto shape = integers_from(context, 1, "");
  require(shape.has_value(), context.node, "the shape is missing");
  for (const std::int64_t size : *shape) require(size >= 0, context.node, "the shape has the size {}", size);
  return types(context, {{x.element, broadcast_shape(context.node, x.shape, *shape)}});
}

void compute_expand(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(y.shape(), {broadcast_strides(x.shape(), y.shape()), dense_strides(y.shape())});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        data<T>(y)[offsets[1] + i * steps[1]] = data<T>(x)[offsets[0] + i * steps[0]];
      }
    });
  });
}

std::vector<TensorType> infer_tile(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const auto repeats = integers_from(context, 1, "");
  require(repeats && repeats->size() == x.shape.size(), context.node, "repeats must have one entry for each of {} axes",
          x.shape.size());
  Shape shape = x.shape;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    require((*repeats)[i] >= 0 && !__builtin_mul_overflow(shape[i], (*repeats)[i], &shape[i]), context.node,
            "cannot be repeated {} times", (*repeats)[i]);
  }
  return types(context, {{x.element, shape}});
}

void compute_tile(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  // Each axis of the output is [repeats, size]: the repeats walk nowhere in the input.
  Shape sizes;
  std::vector<std::int64_t> from_steps, to_steps;
  const std::vector<std::int64_t> dense_x = dense_strides(x.shape());
  const std::vector<std::int64_t> dense_y = dense_strides(y.shape());
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    sizes.insert(sizes.end(), {y.shape()[i] / x.shape()[i], x.shape()[i]});
    from_steps.insert(from_steps.end(), {0, dense_x[i]});
    to_steps.insert(to_steps.end(), {dense_y[i] * x.shape()[i], dense_y[i]});
  }
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(sizes, {from_steps, to_steps});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        data<T>(y)[offsets[1] + i * steps[1]] = data<T>(x)[offsets[0] + i * steps[0]];
      }
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Expand", 8, 2, 2, 1, 1, infer_expand, compute_expand},
    OpDefinition{"", "Tile", 6, 2, 2, 1, 1, infer_tile, compute_tile},
};

}  // namespace

std::span<const OpDefinition> expand_definitions() { return kDefinitions; }

}  // namespace ns::ops
