// MaxPool, AveragePool and LpPool.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

using PoolTypes = Joined<FloatTypes, Types<std::int8_t, std::uint8_t>>;

Window pool_window(const Node& node, const Shape& x) {
  const Shape kernel = node.integers("kernel_shape");
  require(!kernel.empty(), node, "the attribute kernel_shape is missing");
  return window_of(node, spatial_of(node, x), kernel, node.integer("ceil_mode", 0) != 0);
}

Shape pool_shape(const InferContext& context) {
  const Shape& x = input(context, 0).shape;
  const Window window = pool_window(context.node, x);
  Shape shape{x[0], x[1]};
  shape.insert(shape.end(), window.output.begin(), window.output.end());
  return shape;
}

std::vector<TensorType> infer_max_pool(const InferContext& context) {
  require_type(PoolTypes{}, context.node, input(context, 0).element);
  const Shape shape = pool_shape(context);
  return types(context, {{input(context, 0).element, shape}, {ElementType::int64, shape}});
}

// AveragePool and LpPool.
std::vector<TensorType> infer_float_pool(const InferContext& context) {
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  return types(context, {{input(context, 0).element, pool_shape(context)}});
}

// Taps [first, last) of the window at output `o` that lie inside the input.
TapRange taps_inside(const Window& window, std::size_t axis, std::int64_t o) {
  const std::int64_t start = o * window.strides[axis] - window.pads_begin[axis];
  const std::int64_t step = window.dilations[axis];
  const std::int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const std::int64_t behind = window.input[axis] - start;
  const std::int64_t last = behind <= 0 ? 0 : std::min(window.kernel[axis], (behind + step - 1) / step);
  return {first, std::max(first, last)};
}

// Taps of the window that lie inside input and padding: with ceil_mode the last window may reach beyond both.
std::int64_t taps_padded(const Window& window, std::size_t axis, std::int64_t o) {
  const std::int64_t start = o * window.strides[axis] - window.pads_begin[axis];
  const std::int64_t step = window.dilations[axis];
  const std::int64_t behind = window.input[axis] + window.pads_end[axis] - start;
  return std::min(window.kernel[axis], (behind + step - 1) / step);
}

// Calls visit(output position, tap ranges) for every output of a plane, in order.
template <typename Visit>
void for_each_window(const Window& window, Visit&& visit) {
  std::array<std::int64_t, 3> o{};
  std::array<TapRange, 3> taps{};
  for (o[0] = 0; o[0] < window.output[0]; ++o[0]) {
    taps[0] = taps_inside(window, 0, o[0]);
    for (o[1] = 0; o[1] < window.output[1]; ++o[1]) {
      taps[1] = taps_inside(window, 1, o[1]);
      for (o[2] = 0; o[2] < window.output[2]; ++o[2]) {
        taps[2] = taps_inside(window, 2, o[2]);
        visit(o, taps);
      }
    }
  }
}

// Calls visit(offset in the input plane) for the taps of one window.
template <typename Visit>
void for_each_tap(const Window& window, const std::array<std::int64_t, 3>& o, const std::array<TapRange, 3>& taps,
                  Visit&& visit) {
  const auto place = [&](std::size_t axis, std::int64_t k) {
    return o[axis] * window.strides[axis] - window.pads_begin[axis] + k * window.dilations[axis];
  };
  for (std::int64_t kz = taps[0].first; kz < taps[0].last; ++kz) {
    for (std::int64_t ky = taps[1].first; ky < taps[1].last; ++ky) {
      const std::int64_t row = (place(0, kz) * window.input[1] + place(1, ky)) * window.input[2];
      for (std::int64_t kx = taps[2].first; kx < taps[2].last; ++kx) visit(row + place(2, kx));
    }
  }
}

// storage_order 1 numbers the places of a plane column by column.
std::int64_t column_major(const Window& window, std::int64_t place) {
  const std::int64_t x = place % window.input[2];
  const std::int64_t y = place / window.input[2] % window.input[1];
  const std::int64_t z = place / window.input[2] / window.input[1];
  return (x * window.input[1] + y) * window.input[0] + z;
}

template <typename T>
void max_pool(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor& x = input(context, 0);
  const Window window = padded_rank(pool_window(context.node, x.shape()));
  const bool by_column = context.node.integer("storage_order", 0) != 0;
  const std::int64_t in_plane = graph::element_count(window.input);
  const std::int64_t planes = product(x.shape(), 0, 2);
  T* to = data<T>(context.outputs[0]);
  std::int64_t* index = has_output(context, 1) ? data<std::int64_t>(context.outputs[1]) : nullptr;
  constexpr A kLowest =
      std::numeric_limits<A>::has_infinity ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::lowest();
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    const T* from = data<T>(x) + plane * in_plane;
    for_each_window(window, [&](const auto& o, const auto& taps) {
      A best = kLowest;
      std::int64_t best_place = -1;
      for_each_tap(window, o, taps, [&](std::int64_t place) {
        const A value = static_cast<A>(from[place]);
        if (best_place < 0 || value > best || value != value) {
          best = value;
          best_place = place;
        }
      });
      *to++ = T(best);
      if (index != nullptr) {
        const std::int64_t place = std::max<std::int64_t>(best_place, 0);
        *index++ = plane * in_plane + (by_column ? column_major(window, place) : place);
      }
    });
  }
}

template <typename T>
void average_pool(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Window window = padded_rank(pool_window(context.node, x.shape()));
  const bool count_padding = context.node.integer("count_include_pad", 0) != 0;
  const std::int64_t in_plane = graph::element_count(window.input);
  const std::int64_t planes = product(x.shape(), 0, 2);
  T* to = data<T>(context.outputs[0]);
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    const T* from = data<T>(x) + plane * in_plane;
    for_each_window(window, [&](const auto& o, const auto& taps) {
      Accumulator<T> sum = 0;
      for_each_tap(window, o, taps, [&](std::int64_t place) { sum += static_cast<Accumulator<T>>(from[place]); });
      std::int64_t count = 1;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        count *= count_padding ? taps_padded(window, axis, o[axis]) : taps[axis].last - taps[axis].first;
      }
      *to++ = T(static_cast<Arithmetic<T>>(count > 0 ? sum / static_cast<Accumulator<T>>(count) : 0));
    });
  }
}

// The padding is zero and adds nothing to a norm.
template <typename T>
void norm_pool(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Window window = padded_rank(pool_window(context.node, x.shape()));
  const double p = norm_exponent(context.node);
  const std::int64_t in_plane = graph::element_count(window.input);
  T* to = data<T>(context.outputs[0]);
  for (std::int64_t plane = 0; plane < product(x.shape(), 0, 2); ++plane) {
    const T* from = data<T>(x) + plane * in_plane;
    for_each_window(window, [&](const auto& o, const auto& taps) {
      double sum = 0;
      for_each_tap(window, o, taps, [&](std::int64_t place) {
        sum += std::pow(std::abs(static_cast<double>(static_cast<Arithmetic<T>>(from[place]))), p);
      });
      *to++ = T(static_cast<Arithmetic<T>>(std::pow(sum, 1 / p)));
    });
  }
}

void compute_max_pool(const ComputeContext& context) {
  dispatch(PoolTypes{}, context.node, input(context, 0).type(), [&](auto tag) { max_pool<decltype(tag)>(context); });
}

void compute_average_pool(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { average_pool<decltype(tag)>(context); });
}

void compute_lp_pool(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(), [&](auto tag) { norm_pool<decltype(tag)>(context); });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "LpPool", 1, 1, 1, 1, 1, infer_float_pool, compute_lp_pool},
    OpDefinition{"", "MaxPool", 1, 1, 1, 1, 2, infer_max_pool, compute_max_pool},
    OpDefinition{"", "AveragePool", 1, 1, 1, 1, 1, infer_float_pool, compute_average_pool},
};

}  // namespace

std::span<const OpDefinition> pool_definitions() { return kDefinitions; }

}  // namespace ns::ops
