// ReverseSequence: the first elements of each sequence of a batch in reverse, as many as its length says.
#include <array>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_reverse(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const std::int64_t batch_axis = context.node.integer("batch_axis", 1);
  const std::int64_t time_axis = context.node.integer("time_axis", 0);
  require((batch_axis == 0 && time_axis == 1) || (batch_axis == 1 && time_axis == 0), context.node,
          "batch_axis is {} and time_axis {}, wanted 0 and 1 or 1 and 0", batch_axis, time_axis);
  require(x.shape.size() >= 2, context.node, "the input has the shape {}, wanted two axes or more",
          graph::to_string(x.shape));
  const std::int64_t batch = x.shape[static_cast<std::size_t>(batch_axis)];
  const TensorType& lengths = input(context, 1);
  require(lengths.element == ElementType::int64 && lengths.shape == Shape{batch}, context.node,
          "sequence_lens are {} {}, wanted int64 [{}]", graph::name_of(lengths.element),
          graph::to_string(lengths.shape), batch);
  return infer_same(context);
}

void compute_reverse(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const bool batch_first = context.node.integer("batch_axis", 1) == 0;
  const std::int64_t batch = x.shape()[batch_first ? 0 : 1];
  const std::int64_t time = x.shape()[batch_first ? 1 : 0];
  const std::size_t bytes =
      static_cast<std::size_t>(product(x.shape(), 2, x.shape().size())) * graph::size_of(x.type());
  if (x.byte_count() == 0) return;
  const auto* from = static_cast<const std::byte*>(x.bytes());
  auto* to = static_cast<std::byte*>(context.outputs[0].bytes());
  const auto place = [&](std::int64_t b, std::int64_t t) {
    return static_cast<std::size_t>(batch_first ? b * time + t : t * batch + b) * bytes;
  };
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t length = data<std::int64_t>(input(context, 1))[b];
    require(length >= 0 && length <= time, context.node, "a sequence has the length {}, the input {}", length, time);
    for (std::int64_t t = 0; t < time; ++t) {
      std::memcpy(to + place(b, t), from + place(b, t < length ? length - 1 - t : t), bytes);
    }
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "ReverseSequence", 10, 2, 2, 1, 1, infer_reverse, compute_reverse},
};

}  // namespace

std::span<const OpDefinition> reverse_sequence_definitions() { return kDefinitions; }

}  // namespace ns::ops
