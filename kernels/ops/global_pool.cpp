// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: one number a channel.
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_global(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() >= 2, context.node, "the input has the shape {}, wanted [batch, channels, sizes ...]",
          graph::to_string(x.shape));
  Shape shape(x.shape.size(), 1);
  shape[0] = x.shape[0];
  shape[1] = x.shape[1];
  return types(context, {{x.element, shape}});
}

template <typename Reduce>
void compute_global(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Reduce reduce(context.node);
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t plane = product(x.shape(), 2, x.shape().size());
    T* to = data<T>(context.outputs[0]);
    for (std::int64_t i = 0; i < context.outputs[0].count(); ++i) {
      to[i] = T(reduce.template run<T>(data<T>(x) + i * plane, plane));
    }
  });
}

struct Average {
  explicit Average(const Node&) {}
  template <typename T>
  Arithmetic<T> run(const T* values, std::int64_t count) const {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(static_cast<Arithmetic<T>>(values[i]));
    return static_cast<Arithmetic<T>>(sum / static_cast<double>(count));
  }
};

struct Maximum {
  explicit Maximum(const Node&) {}
  template <typename T>
  Arithmetic<T> run(const T* values, std::int64_t count) const {
    auto best = -std::numeric_limits<Arithmetic<T>>::infinity();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<Arithmetic<T>>(values[i]);
      if (value > best || value != value) best = value;
    }
    return best;
  }
};

struct Norm {
  explicit Norm(const Node& node) : p(norm_exponent(node)) {}
  template <typename T>
  Arithmetic<T> run(const T* values, std::int64_t count) const {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      sum += std::pow(std::abs(static_cast<double>(static_cast<Arithmetic<T>>(values[i]))), p);
    }
    return static_cast<Arithmetic<T>>(std::pow(sum, 1 / p));
  }
  double p;
};

constexpr std::array kDefinitions{
    OpDefinition{"", "GlobalAveragePool", 1, 1, 1, 1, 1, infer_global, compute_global<Average>},
    OpDefinition{"", "GlobalLpPool", 1, 1, 1, 1, 1, infer_global, compute_global<Norm>},
    OpDefinition{"", "GlobalMaxPool", 1, 1, 1, 1, 1, infer_global, compute_global<Maximum>},
};

}  // namespace

std::span<const OpDefinition> global_pool_definitions() { return kDefinitions; }

}  // namespace ns::ops
