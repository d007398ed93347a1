// DepthToSpace and SpaceToDepth: blocks of channels to blocks of places, and back.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::int64_t block_of(const Node& node, const Shape& shape) {
  const std::int64_t block = node.integer("blocksize", 0);
  require(block >= 1 && block < 65536, node, "blocksize is {}, wanted 1 or more", block);
  require(shape.size() == 4, node, "the input has the shape {}, wanted [batch, channels, height, width]",
          graph::to_string(shape));
  return block;
}

std::vector<TensorType> infer_depth_to_space(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const std::int64_t block = block_of(context.node, x.shape);
  require(x.shape[1] % (block * block) == 0, context.node, "{} channels do not divide into blocks of {}", x.shape[1],
          block * block);
  Shape shape = x.shape;
  shape[1] /= block * block;
  require(!__builtin_mul_overflow(shape[2], block, &shape[2]) && !__builtin_mul_overflow(shape[3], block, &shape[3]),
          context.node, "the output is too large");
  return types(context, {{x.element, shape}});
}

std::vector<TensorType> infer_space_to_depth(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const std::int64_t block = block_of(context.node, x.shape);
  require(x.shape[2] % block == 0 && x.shape[3] % block == 0, context.node, "{} does not divide into blocks of {}",
          graph::to_string(x.shape), block);
  Shape shape{x.shape[0], 0, x.shape[2] / block, x.shape[3] / block};
  require(!__builtin_mul_overflow(x.shape[1], block * block, &shape[1]), context.node, "the output is too large");
  return types(context, {{x.element, shape}});
}

// Copies `sizes` in row-major order to places given by their own strides.
void move(const Tensor& x, Tensor& y, const Shape& sizes, const std::vector<std::int64_t>& to_steps) {
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(sizes, {dense_strides(sizes), to_steps});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        data<T>(y)[offsets[1] + i * steps[1]] = data<T>(x)[offsets[0] + i * steps[0]];
      }
    });
  });
}

void compute_depth_to_space(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const std::int64_t b = context.node.integer("blocksize", 1);
  const std::int64_t height = x.shape()[2];
  const std::int64_t width = x.shape()[3];
  const std::int64_t channels = y.shape()[1];
  const std::int64_t row = width * b;
  const std::int64_t plane = height * b * row;
  if (context.node.text("mode", "DCR") == "CRD") {  // input channels are [channel, block row, block column]
    move(x, y, {x.shape()[0], channels, b, b, height, width}, {channels * plane, plane, row, 1, b * row, b});
  } else {  // [block row, block column, channel]
    move(x, y, {x.shape()[0], b, b, channels, height, width}, {channels * plane, row, 1, plane, b * row, b});
  }
}

void compute_space_to_depth(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const std::int64_t b = context.node.integer("blocksize", 1);
  const std::int64_t channels = x.shape()[1];
  const std::int64_t height = y.shape()[2];
  const std::int64_t width = y.shape()[3];
  const std::int64_t plane = height * width;
  // Input places are [row, row in block, column, column in block]; output channels [block row, block column, channel].
  move(x, y, {x.shape()[0], channels, height, b, width, b},
       {y.shape()[1] * plane, plane, width, b * channels * plane, 1, channels * plane});
}

constexpr std::array kDefinitions{
    OpDefinition{"", "DepthToSpace", 1, 1, 1, 1, 1, infer_depth_to_space, compute_depth_to_space},
    OpDefinition{"", "SpaceToDepth", 1, 1, 1, 1, 1, infer_space_to_depth, compute_space_to_depth},
};

}  // namespace

std::span<const OpDefinition> depth_to_space_definitions() { return kDefinitions; }

}  // namespace ns::ops
