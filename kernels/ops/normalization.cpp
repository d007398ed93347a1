// Normalizations by statistics of the input itself: InstanceNormalization,
// GroupNormalization, LayerNormalization, LpNormalization, LRN.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Moments {
  double mean, variance;
};

template <typename T>
Moments moments_of(const T* values, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(static_cast<Arithmetic<T>>(values[i]));
  const double mean = sum / static_cast<double>(count);
  double squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double distance = static_cast<double>(static_cast<Arithmetic<T>>(values[i])) - mean;
    squares += distance * distance;
  }
  return {mean, squares / static_cast<double>(count)};
}

std::vector<TensorType> infer_instance(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() >= 3, context.node, "the input has the shape {}, wanted [batch, channels, sizes ...]",
          graph::to_string(x.shape));
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    require(input(context, i).element == x.element && input(context, i).shape == Shape{x.shape[1]}, context.node,
            "input {} must have the shape [{}] and the input's type", i, x.shape[1]);
  }
  return infer_same(context);
}

void compute_instance(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const std::int64_t channels = x.shape()[1];
  const std::int64_t plane = product(x.shape(), 2, x.shape().size());
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t i = 0; i < x.shape()[0] * channels; ++i) {
      const T* from = data<T>(x) + i * plane;
      T* to = data<T>(context.outputs[0]) + i * plane;
      const Moments moments = moments_of(from, plane);
      const auto scale = static_cast<double>(static_cast<A>(data<T>(input(context, 1))[i % channels]));
      const auto shift = static_cast<double>(static_cast<A>(data<T>(input(context, 2))[i % channels]));
      const double factor = scale / std::sqrt(moments.variance + epsilon);
      for (std::int64_t j = 0; j < plane; ++j) {
        to[j] = T(static_cast<A>((static_cast<double>(static_cast<A>(from[j])) - moments.mean) * factor + shift));
      }
    }
  });
}

std::int64_t groups_of(const Node& node, const Shape& x) {
  require(x.size() >= 2, node, "the input has the shape {}, wanted [batch, channels, ...]", graph::to_string(x));
  const std::int64_t groups = node.integer("num_groups", 0);
  require(groups >= 1 && x[1] % groups == 0, node, "{} channels do not divide into num_groups = {}", x[1], groups);
  return groups;
}

// Scale and bias: one a group at first, one a channel since opset 21.
std::vector<TensorType> infer_group(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  const std::int64_t groups = groups_of(context.node, x.shape);
  const Shape wanted{context.opset >= 21 ? x.shape[1] : groups};
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    require(input(context, i).element == x.element && input(context, i).shape == wanted, context.node,
            "input {} must have the shape {} and the input's type", i, graph::to_string(wanted));
  }
  return infer_same(context);
}

void compute_group(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::int64_t groups = groups_of(context.node, x.shape());
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const std::int64_t channels = x.shape()[1] / groups;
  const std::int64_t plane = product(x.shape(), 2, x.shape().size());
  const std::vector<double> scale = reals_of(context.node, input(context, 1));
  const std::vector<double> bias = reals_of(context.node, input(context, 2));
  const bool by_channel = context.opset >= 21;
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t i = 0; i < x.shape()[0] * groups; ++i) {
      const T* from = data<T>(x) + i * channels * plane;
      T* to = data<T>(context.outputs[0]) + i * channels * plane;
      const Moments moments = moments_of(from, channels * plane);
      for (std::int64_t j = 0; j < channels * plane; ++j) {
        const std::int64_t group = i % groups;
        const auto parameter = static_cast<std::size_t>(by_channel ? group * channels + j / plane : group);
        const double factor = scale[parameter] / std::sqrt(moments.variance + epsilon);
        const double normal = (static_cast<double>(static_cast<A>(from[j])) - moments.mean) * factor;
        to[j] = T(static_cast<A>(normal + bias[parameter]));
      }
    }
  });
}

std::vector<std::int64_t> mean_variance_axes(const Node& node) { return node.integers("axes", {0, 2, 3}); }

std::vector<TensorType> infer_mean_variance(const InferContext& context) {
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  normal_axes(context.node, mean_variance_axes(context.node), input(context, 0).shape.size());
  return infer_same(context);
}

// (x - mean) / deviation over the axes: the shape is seen as [kept axes, normalized axes].
void compute_mean_variance(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Shape& shape = x.shape();
  const auto axes = normal_axes(context.node, mean_variance_axes(context.node), shape.size());
  const std::vector<std::int64_t> dense = dense_strides(shape);
  Shape kept = shape;
  for (const std::size_t axis : axes) kept[axis] = 1;
  const std::vector<std::int64_t> statistic = broadcast_strides(kept, shape);
  const auto count = static_cast<std::size_t>(graph::element_count(kept));
  const double each = static_cast<double>(x.count()) / static_cast<double>(std::max<std::size_t>(count, 1));
  const RowLoop<2> loop(shape, {dense, statistic});
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const auto for_each = [&](const auto& visit) {
      loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
        for (std::int64_t i = 0; i < length; ++i) {
          const std::int64_t place = offsets[0] + i * steps[0];
          visit(place, static_cast<std::size_t>(offsets[1] + i * steps[1]),
                static_cast<double>(static_cast<A>(data<T>(x)[place])));
        }
      });
    };
    std::vector<double> means(count, 0.0);
    std::vector<double> squares(count, 0.0);
    for_each([&](std::int64_t, std::size_t at, double value) { means[at] += value / each; });
    for_each(
        [&](std::int64_t, std::size_t at, double value) { squares[at] += (value - means[at]) * (value - means[at]); });
    // The operator's own definition keeps a deviation of zero from dividing.
    constexpr double kEpsilon = 1e-9;
    for_each([&](std::int64_t place, std::size_t at, double value) {
      const double deviation = std::sqrt(squares[at] / each);
      data<T>(context.outputs[0])[place] = T(static_cast<A>((value - means[at]) / (deviation + kEpsilon)));
    });
  });
}

// Outputs: result, mean, inverse standard deviation; the last two in float32, reduced axes kept with size 1.
std::vector<TensorType> infer_layer(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape.size());
  const Shape normalized(x.shape.begin() + static_cast<std::ptrdiff_t>(axis), x.shape.end());
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const TensorType* parameter = i == 1 ? &input(context, 1) : optional_input(context, 2);
    require(parameter == nullptr || (parameter->element == x.element &&
                                     broadcast_shape(context.node, x.shape, parameter->shape) == x.shape &&
                                     parameter->shape.size() <= normalized.size()),
            context.node, "input {} must broadcast to {} and hold the input's type", i, graph::to_string(normalized));
  }
  Shape kept = x.shape;
  std::fill(kept.begin() + static_cast<std::ptrdiff_t>(axis), kept.end(), 1);
  return types(context, {x, {ElementType::float32, kept}, {ElementType::float32, kept}});
}

void compute_layer(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& scale = input(context, 1);
  const Tensor* bias = optional_input(context, 2);
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape().size());
  const Shape inner(x.shape().begin() + static_cast<std::ptrdiff_t>(axis), x.shape().end());
  const std::int64_t size = graph::element_count(inner);
  if (x.count() == 0) return;
  const std::vector<std::int64_t> scale_steps = broadcast_strides(scale.shape(), inner);
  const std::vector<std::int64_t> bias_steps =
      bias != nullptr ? broadcast_strides(bias->shape(), inner) : std::vector<std::int64_t>(inner.size(), 0);
  const RowLoop<3> loop(inner, {dense_strides(inner), scale_steps, bias_steps});
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const auto number = [](T value) { return static_cast<double>(static_cast<A>(value)); };
    for (std::int64_t i = 0; i < x.count() / size; ++i) {
      const T* from = data<T>(x) + i * size;
      T* to = data<T>(context.outputs[0]) + i * size;
      const Moments moments = moments_of(from, size);
      const double inverse = 1.0 / std::sqrt(moments.variance + epsilon);
      loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
        for (std::int64_t j = 0; j < length; ++j) {
          const std::int64_t place = offsets[0] + j * steps[0];
          const double normal = (number(from[place]) - moments.mean) * inverse;
          const double shift = bias != nullptr ? number(data<T>(*bias)[offsets[2] + j * steps[2]]) : 0.0;
          to[place] = T(static_cast<A>(normal * number(data<T>(scale)[offsets[1] + j * steps[1]]) + shift));
        }
      });
      if (has_output(context, 1)) data<float>(context.outputs[1])[i] = static_cast<float>(moments.mean);
      if (has_output(context, 2)) data<float>(context.outputs[2])[i] = static_cast<float>(inverse);
    }
  });
}

// LayerNormalization without the mean (Zhang and Sennrich, 2019), as ONNX Runtime writes it in the domain of ONNX.
std::vector<TensorType> infer_simplified(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& scale = input(context, 1);
  require_type(FloatTypes{}, context.node, x.element);
  require_type(FloatTypes{}, context.node, scale.element);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape.size());
  const Shape normalized(x.shape.begin() + static_cast<std::ptrdiff_t>(axis), x.shape.end());
  require(scale.shape == normalized, context.node, "the scale has the shape {}, wanted {}",
          graph::to_string(scale.shape), graph::to_string(normalized));
  Shape kept = x.shape;
  std::fill(kept.begin() + static_cast<std::ptrdiff_t>(axis), kept.end(), 1);
  return types(context, {{scale.element, x.shape}, {ElementType::float32, kept}});
}

void compute_simplified(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::vector<double> scale = reals_of(context.node, input(context, 1));
  const double epsilon = static_cast<double>(context.node.real("epsilon", 1e-5f));
  const auto size = static_cast<std::int64_t>(scale.size());
  if (x.count() == 0) return;
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto x_tag) {
    using X = decltype(x_tag);
    const auto number = [](X value) { return static_cast<double>(static_cast<Arithmetic<X>>(value)); };
    dispatch(FloatTypes{}, context.node, input(context, 1).type(), [&](auto y_tag) {
      using Y = decltype(y_tag);
      for (std::int64_t i = 0; i < x.count() / size; ++i) {
        const X* from = data<X>(x) + i * size;
        double squares = 0;
        for (std::int64_t j = 0; j < size; ++j) squares += number(from[j]) * number(from[j]);
        const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(size) + epsilon);
        for (std::int64_t j = 0; j < size && has_output(context, 0); ++j) {
          data<Y>(context.outputs[0])[i * size + j] =
              convert<Y>(number(from[j]) * inverse * scale[static_cast<std::size_t>(j)]);
        }
        if (has_output(context, 1)) data<float>(context.outputs[1])[i] = static_cast<float>(inverse);
      }
    });
  });
}

std::vector<TensorType> infer_lp(const InferContext& context) {
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  normal_axis(context.node, context.node.integer("axis", -1), input(context, 0).shape.size());
  const std::int64_t p = context.node.integer("p", 2);
  require(p == 1 || p == 2, context.node, "p is {}, wanted 1 or 2", p);
  return infer_same(context);
}

void compute_lp(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape().size());
  const bool squares = context.node.integer("p", 2) == 2;
  const std::int64_t size = x.shape()[axis];
  const std::int64_t inner = product(x.shape(), axis + 1, x.shape().size());
  if (x.count() == 0) return;
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t i = 0; i < x.count() / size; ++i) {
      const std::int64_t first = i / inner * size * inner + i % inner;
      double norm = 0;
      for (std::int64_t k = 0; k < size; ++k) {
        const auto value = static_cast<double>(static_cast<A>(data<T>(x)[first + k * inner]));
        norm += squares ? value * value : std::abs(value);
      }
      if (squares) norm = std::sqrt(norm);
      for (std::int64_t k = 0; k < size; ++k) {
        const auto value = static_cast<double>(static_cast<A>(data<T>(x)[first + k * inner]));
        data<T>(context.outputs[0])[first + k * inner] = T(static_cast<A>(norm == 0 ? 0 : value / norm));
      }
    }
  });
}

std::vector<TensorType> infer_lrn(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() >= 2, context.node, "the input has the shape {}, wanted [batch, channels, ...]",
          graph::to_string(x.shape));
  require(context.node.integer("size", 0) >= 1, context.node, "size must be 1 or more");
  return infer_same(context);
}

void compute_lrn(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Node& node = context.node;
  const std::int64_t size = node.integer("size", 1);
  const auto alpha = static_cast<double>(node.real("alpha", 1e-4f));
  const auto beta = static_cast<double>(node.real("beta", 0.75f));
  const auto bias = static_cast<double>(node.real("bias", 1.0f));
  const std::int64_t channels = x.shape()[1];
  const std::int64_t plane = product(x.shape(), 2, x.shape().size());
  const std::int64_t before = std::min((size - 1) / 2, channels);
  const std::int64_t behind = std::min(size / 2, channels);
  dispatch(FloatTypes{}, node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
      const T* from = data<T>(x) + n * channels * plane;
      T* to = data<T>(context.outputs[0]) + n * channels * plane;
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t first = std::max<std::int64_t>(c - before, 0);
        const std::int64_t last = std::min(c + behind, channels - 1);
        for (std::int64_t i = 0; i < plane; ++i) {
          double squares = 0;
          for (std::int64_t k = first; k <= last; ++k) {
            const auto value = static_cast<double>(static_cast<A>(from[k * plane + i]));
            squares += value * value;
          }
          const auto value = static_cast<double>(static_cast<A>(from[c * plane + i]));
          to[c * plane + i] =
              T(static_cast<A>(value / std::pow(bias + alpha / static_cast<double>(size) * squares, beta)));
        }
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "GroupNormalization", 18, 3, 3, 1, 1, infer_group, compute_group},
    OpDefinition{"", "InstanceNormalization", 1, 3, 3, 1, 1, infer_instance, compute_instance},
    OpDefinition{"", "LayerNormalization", 17, 2, 3, 1, 3, infer_layer, compute_layer},
    OpDefinition{"", "LpNormalization", 1, 1, 1, 1, 1, infer_lp, compute_lp},
    OpDefinition{"", "MeanVarianceNormalization", 9, 1, 1, 1, 1, infer_mean_variance, compute_mean_variance},
    OpDefinition{"", "SimplifiedLayerNormalization", 1, 2, 2, 1, 2, infer_simplified, compute_simplified},
    OpDefinition{"", "LRN", 1, 1, 1, 1, 1, infer_lrn, compute_lrn},
};

}  // namespace

std::span<const OpDefinition> normalization_definitions() { return kDefinitions; }

}  // namespace ns::ops
