// HannWindow, HammingWindow and BlackmanWindow: the cosine windows of signal processing, as numbers of a given type.
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

constexpr double kPi = 3.14159265358979323846;

// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N)
struct Hann {
  static constexpr double a0 = 0.5, a1 = 0.5, a2 = 0;
};
struct Hamming {
  static constexpr double a0 = 25.0 / 46.0, a1 = 21.0 / 46.0, a2 = 0;
};
struct Blackman {
  static constexpr double a0 = 0.42, a1 = 0.5, a2 = 0.08;
};

std::vector<TensorType> infer_window(const InferContext& context) {
  const auto size = integers_from(context, 0, "");
  require(size.has_value() && size->size() == 1, context.node, "the size must be one number");
  require(size->front() >= 0, context.node, "the size is {}", size->front());
  const std::int64_t type = context.node.integer("output_datatype", 1);
  require(type > 0 && type < 256, context.node, "output_datatype is {}", type);
  require_type(NumericTypes{}, context.node, static_cast<ElementType>(type));
  return types(context, {{static_cast<ElementType>(type), {size->front()}}});
}

template <typename Coefficients>
void compute_window(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  const bool periodic = context.node.integer("periodic", 1) != 0;
  const auto period = static_cast<double>(periodic ? y.count() : y.count() - 1);
  dispatch(NumericTypes{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t n = 0; n < y.count(); ++n) {
      const double angle = 2 * kPi * static_cast<double>(n) / period;
      const double value =
          Coefficients::a0 - Coefficients::a1 * std::cos(angle) + Coefficients::a2 * std::cos(2 * angle);
      data<T>(y)[n] = convert<T>(period > 0 ? value : 1.0);  // a window of one element changes nothing
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "BlackmanWindow", 17, 1, 1, 1, 1, infer_window, compute_window<Blackman>},
    OpDefinition{"", "HammingWindow", 17, 1, 1, 1, 1, infer_window, compute_window<Hamming>},
    OpDefinition{"", "HannWindow", 17, 1, 1, 1, 1, infer_window, compute_window<Hann>},
};

}  // namespace

std::span<const OpDefinition> window_function_definitions() { return kDefinitions; }

}  // namespace ns::ops
