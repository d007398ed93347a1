// BatchNormalization as it is served: with the statistics that training left behind.
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_batch_normalization(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  if (node.integer("training_mode", 0) != 0) unsupported(node, "training is not supported");
  if (context.opset < 9 && node.integer("spatial", 1) == 0) unsupported(node, "spatial=0 is not supported");
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != graph::kAbsent) unsupported(node, "outputs of training are not supported");
  }
  require(!x.shape.empty(), node, "the input is a scalar");
  const std::int64_t channels = x.shape.size() > 1 ? x.shape[1] : 1;
  for (std::size_t i = 1; i < 5; ++i) {
    require_type(FloatTypes{}, node, input(context, i).element);
    require(input(context, i).shape == Shape{channels}, node, "input {} has the shape {}, wanted [{}]", i,
            graph::to_string(input(context, i).shape), channels);
  }
  return std::vector<TensorType>(node.outputs.size(), x);
}

double number_at(const Node& node, const Tensor& tensor, std::int64_t index) {
  double number = 0;
  dispatch(FloatTypes{}, node, tensor.type(), [&](auto tag) {
    using T = decltype(tag);
    number = static_cast<double>(static_cast<Arithmetic<T>>(data<T>(tensor)[index]));
  });
  return number;
}

void compute_batch_normalization(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const std::int64_t channels = x.shape().size() > 1 ? x.shape()[1] : 1;
  const std::int64_t plane = x.shape().size() > 2 ? product(x.shape(), 2, x.shape().size()) : 1;
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t i = 0; i < x.shape()[0] * channels; ++i) {
      const std::int64_t channel = i % channels;
      const double variance = number_at(context.node, input(context, 4), channel);
      const double scale = number_at(context.node, input(context, 1), channel) / std::sqrt(variance + epsilon);
      const double shift = number_at(context.node, input(context, 2), channel) -
                           number_at(context.node, input(context, 3), channel) * scale;
      const T* from = data<T>(x) + i * plane;
      T* to = data<T>(context.outputs[0]) + i * plane;
      for (std::int64_t j = 0; j < plane; ++j) {
        to[j] = T(static_cast<A>(static_cast<double>(static_cast<A>(from[j])) * scale + shift));
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "BatchNormalization", 1, 5, 5, 1, 5, infer_batch_normalization, compute_batch_normalization},
};

}  // namespace

std::span<const OpDefinition> batch_normalization_definitions() { return kDefinitions; }

}  // namespace ns::ops
