// DFT: the discrete Fourier transform along an axis; STFT: of overlapping frames of a signal. Complex numbers are pairs
// in the last axis; a last axis of size 1 holds real ones.
#include <array>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/fourier.h"

namespace ns::ops {

namespace {

using Complex = std::complex<double>;

constexpr std::int64_t kMaxLength = std::int64_t{1} << 32;

template <typename Context>
std::int64_t one_integer(const Context& context, std::size_t index, std::int64_t fallback) {
  const auto values = integers_from(context, index, "");
  if (!values) return fallback;
  require(values->size() == 1, context.node, "input {} must be one number", index);
  return values->front();
}

void check_components(const Node& node, const Shape& shape) {
  require(shape.size() >= 2 && (shape.back() == 1 || shape.back() == 2), node,
          "the input has the shape {}, wanted a last axis of 1 (real) or 2 (complex)", graph::to_string(shape));
}

// Reads one element of pairs or singles.
template <typename T>
Complex complex_at(const T* values, std::int64_t place, std::int64_t components) {
  const auto part = [&](std::int64_t k) {
    return static_cast<double>(static_cast<Arithmetic<T>>(values[place * components + k]));
  };
  return components == 2 ? Complex(part(0), part(1)) : Complex(part(0), 0.0);
}

template <typename T>
void write_complex(T* values, std::int64_t place, Complex value) {
  values[2 * place] = convert<T>(value.real());
  values[2 * place + 1] = convert<T>(value.imag());
}

struct Transform {
  std::size_t axis;
  std::int64_t length, bins;
  bool inverse;
};

// The axis was an attribute (of 1) before it became an input (of -2) in opset 20. It counts the last axis too.
template <typename Context>
Transform transform_of(const Context& context, const Shape& x) {
  const Node& node = context.node;
  check_components(node, x);
  const std::int64_t listed = context.opset < 20 ? node.integer("axis", 1) : one_integer(context, 2, -2);
  Transform transform{normal_axis(node, listed, x.size()), 0, 0, node.integer("inverse", 0) != 0};
  require(transform.axis + 1 < x.size(), node, "the axis {} is that of the complex pairs", listed);
  transform.length = one_integer(context, 1, x[transform.axis]);
  require(transform.length >= 1 && transform.length <= kMaxLength, node, "the length is {}, wanted 1 or more",
          transform.length);
  const bool onesided = node.integer("onesided", 0) != 0;
  require(!onesided || (x.back() == 1 && !transform.inverse), node, "onesided is for real input, not inverted");
  transform.bins = onesided ? transform.length / 2 + 1 : transform.length;
  return transform;
}

std::vector<TensorType> infer_dft(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  const Transform transform = transform_of(context, x.shape);
  Shape shape = x.shape;
  shape[transform.axis] = transform.bins;
  shape.back() = 2;
  return types(context, {{x.element, shape}});
}

void compute_dft(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Transform transform = transform_of(context, x.shape());
  if (context.outputs[0].count() == 0) return;
  const std::int64_t components = x.shape().back();
  const std::int64_t size = x.shape()[transform.axis];
  const std::int64_t inner = product(x.shape(), transform.axis + 1, x.shape().size() - 1);
  const std::int64_t rows = product(x.shape(), 0, transform.axis) * inner;
  const Fourier fourier(static_cast<std::size_t>(transform.length), transform.inverse);
  const double scale = transform.inverse ? 1.0 / static_cast<double>(transform.length) : 1.0;
  std::vector<Complex> row(static_cast<std::size_t>(transform.length));
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t outer = r / inner;
      const std::int64_t k = r % inner;
      for (std::int64_t i = 0; i < transform.length; ++i) {  // cut off, or filled with zeros
        row[static_cast<std::size_t>(i)] =
            i < size ? complex_at(data<T>(x), (outer * size + i) * inner + k, components) : Complex(0.0);
      }
      fourier.run(row);
      for (std::int64_t i = 0; i < transform.bins; ++i) {
        write_complex(data<T>(context.outputs[0]), (outer * transform.bins + i) * inner + k,
                      row[static_cast<std::size_t>(i)] * scale);
      }
    }
  });
}

struct Frames {
  std::int64_t step, length, count, bins;
};

template <typename Context>
Frames frames_of(const Context& context, const Shape& signal, const Shape* window) {
  const Node& node = context.node;
  require(signal.size() == 3, node, "the signal has the shape {}, wanted [batch, length, 1 or 2]",
          graph::to_string(signal));
  check_components(node, signal);
  require(window == nullptr || window->size() == 1, node, "the window must be a list");
  Frames frames{};
  frames.step = one_integer(context, 1, 0);
  frames.length = one_integer(context, 3, window != nullptr ? window->front() : 0);
  require(frames.step >= 1, node, "frame_step is {}, wanted 1 or more", frames.step);
  require(frames.length >= 1 && frames.length <= signal[1], node, "frame_length is {}, the signal has {}",
          frames.length, signal[1]);
  require(window == nullptr || window->front() == frames.length, node, "the window has {} elements, a frame {}",
          window != nullptr ? window->front() : 0, frames.length);
  frames.count = (signal[1] - frames.length) / frames.step + 1;
  const bool onesided = node.integer("onesided", 1) != 0;
  require(!onesided || signal[2] == 1, node, "onesided is for real signals");
  frames.bins = onesided ? frames.length / 2 + 1 : frames.length;
  return frames;
}

std::vector<TensorType> infer_stft(const InferContext& context) {
  const TensorType& signal = input(context, 0);
  const TensorType* window = optional_input(context, 2);
  require_type(FloatTypes{}, context.node, signal.element);
  require(window == nullptr || window->element == signal.element, context.node,
          "the window must be of the signal's type");
  const Frames frames = frames_of(context, signal.shape, window != nullptr ? &window->shape : nullptr);
  return types(context, {{signal.element, {signal.shape[0], frames.count, frames.bins, 2}}});
}

void compute_stft(const ComputeContext& context) {
  const Tensor& signal = input(context, 0);
  const Tensor* window = optional_input(context, 2);
  const Frames frames = frames_of(context, signal.shape(), window != nullptr ? &window->shape() : nullptr);
  const std::vector<double> weights = window != nullptr
                                          ? reals_of(context.node, *window)
                                          : std::vector<double>(static_cast<std::size_t>(frames.length), 1.0);
  const Fourier fourier(static_cast<std::size_t>(frames.length), false);
  std::vector<Complex> row(weights.size());
  dispatch(FloatTypes{}, context.node, signal.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t frame = 0; frame < signal.shape()[0] * frames.count; ++frame) {
      const std::int64_t first = frame / frames.count * signal.shape()[1] + frame % frames.count * frames.step;
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = complex_at(data<T>(signal), first + static_cast<std::int64_t>(i), signal.shape()[2]) * weights[i];
      }
      fourier.run(row);
      for (std::int64_t i = 0; i < frames.bins; ++i) {
        write_complex(data<T>(context.outputs[0]), frame * frames.bins + i, row[static_cast<std::size_t>(i)]);
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "DFT", 17, 1, 3, 1, 1, infer_dft, compute_dft},
    OpDefinition{"", "STFT", 17, 2, 4, 1, 1, infer_stft, compute_stft},
};

}  // namespace

std::span<const OpDefinition> dft_definitions() { return kDefinitions; }

}  // namespace ns::ops
