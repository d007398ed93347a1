// Split: parts along an axis. Sizes are an attribute up to opset 12 and an input since 13; without them the parts are
// equal, the last one smaller since opset 18 (num_outputs).
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

constexpr int kManyOutputs = 1 << 20;

std::vector<TensorType> infer_split(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const Node& node = context.node;
  const std::size_t axis = normal_axis(node, node.integer("axis", 0), x.shape.size());
  const auto parts = static_cast<std::int64_t>(node.outputs.size());
  const std::int64_t size = x.shape[axis];
  std::vector<std::int64_t> sizes;
  if (const auto given = integers_from(context, 1, "split")) {
    sizes = *given;
  } else {
    const std::int64_t declared = node.integer("num_outputs", parts);
    require(declared == parts, node, "num_outputs is {}, the node has {} outputs", declared, parts);
    require(context.opset >= 18 || size % parts == 0, node, "{} does not divide into {} equal parts", size, parts);
    const std::int64_t each = (size + parts - 1) / parts;
    for (std::int64_t i = 0; i < parts; ++i) sizes.push_back(std::clamp<std::int64_t>(size - i * each, 0, each));
  }
  require(static_cast<std::int64_t>(sizes.size()) == parts, node, "split has {} sizes, the node {} outputs",
          sizes.size(), parts);
  std::int64_t left = size;
  std::vector<TensorType> outputs;
  for (const std::int64_t part : sizes) {
    require(part >= 0 && part <= left, node, "the sizes of split do not add up to {}", size);
    left -= part;
    outputs.push_back(x);
    outputs.back().shape[axis] = part;
  }
  require(left == 0, node, "the sizes of split do not add up to {}", size);
  return outputs;
}

void compute_split(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape().size());
  if (x.count() == 0) return;
  const auto outer = static_cast<std::size_t>(product(x.shape(), 0, axis));
  const std::size_t row = x.byte_count() / outer;
  const std::size_t slice = row / static_cast<std::size_t>(x.shape()[axis]);
  const auto types_of_parts = [&] {
    const TensorType type{x.type(), x.shape()};
    std::vector<const TensorType*> inputs{&type};
    if (context.inputs.size() > 1) inputs.push_back(context.inputs[1] != nullptr ? &type : nullptr);
    return infer_split({context.node, context.opset, inputs, context.inputs});
  }();
  std::size_t offset = 0;
  for (std::size_t i = 0; i < context.outputs.size(); ++i) {
    const std::size_t part = static_cast<std::size_t>(types_of_parts[i].shape[axis]) * slice;
    if (has_output(context, i) && part > 0) {
      for (std::size_t j = 0; j < outer; ++j) {
        std::memcpy(static_cast<std::byte*>(context.outputs[i].bytes()) + j * part,
                    static_cast<const std::byte*>(x.bytes()) + j * row + offset, part);
      }
    }
    offset += part;
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Split", 1, 1, 2, 1, kManyOutputs, infer_split, compute_split},
};

}  // namespace

std::span<const OpDefinition> split_definitions() { return kDefinitions; }

}  // namespace ns::ops
