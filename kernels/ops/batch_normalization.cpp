// BatchNormalization as it is served, with the statistics that training left behind; and with training_mode (since
// opset 14) by those of the batch itself, which then move the running ones.
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

bool is_training(const Node& node, std::int64_t opset) { return opset >= 14 && node.integer("training_mode", 0) != 0; }

std::vector<TensorType> infer_batch_normalization(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  if (context.opset < 9 && node.integer("spatial", 1) == 0) unsupported(node, "spatial=0 is not supported");
  const bool training = is_training(node, context.opset);
  for (std::size_t i = 1; i < node.outputs.size() && !training; ++i) {
    if (node.outputs[i] != graph::kAbsent) unsupported(node, "outputs of training are not supported");
  }
  require(!x.shape.empty(), node, "the input is a scalar");
  const std::int64_t channels = x.shape.size() > 1 ? x.shape[1] : 1;
  for (std::size_t i = 1; i < 5; ++i) {
    require_type(FloatTypes{}, node, input(context, i).element);
    require(input(context, i).shape == Shape{channels}, node, "input {} has the shape {}, wanted [{}]", i,
            graph::to_string(input(context, i).shape), channels);
  }
  std::vector<TensorType> made(node.outputs.size(), x);
  for (std::size_t i = 1; i < made.size() && training; ++i) {
    require(i <= 2, node, "has {} outputs, training has 3", made.size());
    made[i] = input(context, i + 2);
  }
  return made;
}

struct Statistics {
  std::vector<double> means, variances;  // by channel
};

Statistics statistics_of(const Node& node, const Tensor& x, std::int64_t channels, std::int64_t plane) {
  Statistics statistics{std::vector<double>(static_cast<std::size_t>(channels), 0.0),
                        std::vector<double>(static_cast<std::size_t>(channels), 0.0)};
  const double count = static_cast<double>(x.shape()[0]) * static_cast<double>(plane);
  dispatch(FloatTypes{}, node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    const auto mean_of = [&](std::vector<double>& means, const auto& term) {
      for (std::int64_t i = 0; i < x.shape()[0] * channels; ++i) {
        const auto channel = static_cast<std::size_t>(i % channels);
        double sum = 0;
        for (std::int64_t j = 0; j < plane; ++j) {
          sum += term(channel, static_cast<double>(static_cast<Arithmetic<T>>(data<T>(x)[i * plane + j])));
        }
        means[channel] += sum / count;
      }
    };
    mean_of(statistics.means, [](std::size_t, double value) { return value; });
    mean_of(statistics.variances, [&](std::size_t channel, double value) {
      return (value - statistics.means[channel]) * (value - statistics.means[channel]);
    });
  });
  return statistics;
}

// running * momentum + current * (1 - momentum)
void write_running(const ComputeContext& context, std::size_t output, const Tensor& running,
                   const std::vector<double>& current) {
  if (!has_output(context, output)) return;
  const auto momentum = static_cast<double>(context.node.real("momentum", 0.9f));
  const std::vector<double> before = reals_of(context.node, running);
  dispatch(FloatTypes{}, context.node, running.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::size_t i = 0; i < before.size(); ++i) {
      data<T>(context.outputs[output])[i] = convert<T>(before[i] * momentum + current[i] * (1 - momentum));
    }
  });
}

void compute_batch_normalization(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const std::int64_t channels = x.shape().size() > 1 ? x.shape()[1] : 1;
  const std::int64_t plane = x.shape().size() > 2 ? product(x.shape(), 2, x.shape().size()) : 1;
  Statistics statistics{reals_of(context.node, input(context, 3)), reals_of(context.node, input(context, 4))};
  if (is_training(context.node, context.opset)) {
    statistics = statistics_of(context.node, x, channels, plane);
    write_running(context, 1, input(context, 3), statistics.means);
    write_running(context, 2, input(context, 4), statistics.variances);
  }
  const std::vector<double> scales = reals_of(context.node, input(context, 1));
  const std::vector<double> biases = reals_of(context.node, input(context, 2));
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t i = 0; i < x.shape()[0] * channels; ++i) {
      const auto channel = static_cast<std::size_t>(i % channels);
      const double scale = scales[channel] / std::sqrt(statistics.variances[channel] + epsilon);
      const double shift = biases[channel] - statistics.means[channel] * scale;
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
