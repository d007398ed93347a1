// GridSample: an input of 1 to 3 spatial axes, sampled at places that a grid names in -1..1 ("Spatial Transformer
// Networks", Jaderberg et al., 2015). AffineGrid: the grid of an affine map.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

constexpr std::size_t kMaxAxes = 3;

enum class Interpolation { nearest, linear, cubic };
enum class Padding { zeros, border, reflection };

struct Settings {
  Interpolation interpolation;
  Padding padding;
  bool align_corners;
};

// Opset 20 dropped the "bi" of opset 16.
Settings settings_of(const Node& node) {
  Settings settings{};
  const std::string mode = node.text("mode", "linear");
  const std::string padding = node.text("padding_mode", "zeros");
  if (mode == "nearest") {
    settings.interpolation = Interpolation::nearest;
  } else if (mode == "linear" || mode == "bilinear") {
    settings.interpolation = Interpolation::linear;
  } else {
    require(mode == "cubic" || mode == "bicubic", node, "mode is '{}', wanted nearest, linear or cubic", mode);
    settings.interpolation = Interpolation::cubic;
  }
  if (padding == "zeros") {
    settings.padding = Padding::zeros;
  } else if (padding == "border") {
    settings.padding = Padding::border;
  } else {
    require(padding == "reflection", node, "padding_mode is '{}', wanted zeros, border or reflection", padding);
    settings.padding = Padding::reflection;
  }
  settings.align_corners = node.integer("align_corners", 0) != 0;
  return settings;
}

std::vector<TensorType> infer_grid_sample(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& grid = input(context, 1);
  require_type(NumericTypes{}, context.node, x.element);
  require_type(FloatTypes{}, context.node, grid.element);
  settings_of(context.node);
  require(x.shape.size() >= 3 && x.shape.size() <= 2 + kMaxAxes, context.node,
          "the input has the shape {}, wanted [batch, channels] and 1 to 3 sizes", graph::to_string(x.shape));
  const std::size_t axes = x.shape.size() - 2;
  require(grid.shape.size() == x.shape.size() && grid.shape[0] == x.shape[0] &&
              grid.shape.back() == static_cast<std::int64_t>(axes),
          context.node, "the grid has the shape {}, wanted [{}, {} sizes, {}]", graph::to_string(grid.shape),
          x.shape[0], axes, axes);
  Shape shape{x.shape[0], x.shape[1]};
  shape.insert(shape.end(), grid.shape.begin() + 1, grid.shape.end() - 1);
  require(graph::element_count(shape) == 0 || product(x.shape, 2, x.shape.size()) > 0, context.node,
          "there is nothing to sample in {}", graph::to_string(x.shape));
  return types(context, {{x.element, shape}});
}

// One input along an axis, and its share. Left out (weight 0) where the padding is zero.
struct Tap {
  std::int64_t place = 0;
  double weight = 0;
};
struct Taps {
  std::array<Tap, 4> taps;
  std::size_t count = 0;
};

double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double distance = x < low ? low - x : x - high;
  if (distance <= 0) return x;
  const double turns = std::floor(distance / range);
  const double rest = distance - turns * range;
  const bool even = std::fmod(turns, 2.0) == 0;
  return even == (x < low) ? low + rest : high - rest;
}

struct AxisSampler {
  Settings settings;
  std::int64_t size;

  double low() const { return settings.align_corners ? 0.0 : -0.5; }
  double high() const { return static_cast<double>(size) - (settings.align_corners ? 1.0 : 0.5); }

  double place_of(double normal) const {
    constexpr double kFar = 1e12;  // far outside is far enough, and an integer holds it
    const auto extent = static_cast<double>(size);
    const double x = settings.align_corners ? (normal + 1) / 2 * (extent - 1) : ((normal + 1) * extent - 1) / 2;
    return std::isnan(x) ? -kFar : std::clamp(x, -kFar, kFar);
  }

  Tap tap(double place, double weight) const {
    const double last = static_cast<double>(size - 1);
    if (place < 0 || place > last) {
      if (settings.padding == Padding::zeros) return {};
      if (settings.padding == Padding::reflection) place = std::trunc(reflect(place, low(), high()));
      place = std::clamp(place, 0.0, last);
    }
    return {static_cast<std::int64_t>(place), weight};
  }

  // The padding belongs to the inputs that are taken, not to the place: it surrounds the input without end.
  Taps taps(double normal) const {
    double x = place_of(normal);
    if (settings.interpolation == Interpolation::nearest) x = std::nearbyint(x);
    const double left = std::floor(x);
    const double part = x - left;
    switch (settings.interpolation) {
      case Interpolation::nearest:
        return {{tap(std::trunc(x), 1)}, 1};
      case Interpolation::linear:
        return {{tap(left, 1 - part), tap(left + 1, part)}, 2};
      default:
        return {{tap(left - 1, cubic(1 + part)), tap(left, cubic(part)), tap(left + 1, cubic(1 - part)),
                 tap(left + 2, cubic(2 - part))},
                4};
    }
  }

  // Keys' kernel with a = -0.75.
  static double cubic(double distance) {
    constexpr double a = -0.75;
    const double x = distance;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  }
};

// All inputs that one output takes: the products of the taps along each axis.
void combine(const std::vector<Taps>& axes, const Shape& sizes, std::vector<Tap>& all) {
  all.assign(1, Tap{0, 1.0});
  std::vector<Tap> next;
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    next.clear();
    for (const Tap& so_far : all) {
      for (std::size_t k = 0; k < axes[axis].count; ++k) {
        const Tap& tap = axes[axis].taps[k];
        if (tap.weight != 0) next.push_back({so_far.place * sizes[axis] + tap.place, so_far.weight * tap.weight});
      }
    }
    all.swap(next);
  }
}

void compute_grid_sample(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const Settings settings = settings_of(context.node);
  const Shape sizes(x.shape().begin() + 2, x.shape().end());
  const std::vector<double> grid = reals_of(context.node, input(context, 1));
  const std::int64_t channels = x.shape()[1];
  const std::int64_t in_plane = graph::element_count(sizes);
  const std::int64_t out_plane = product(y.shape(), 2, y.shape().size());
  const std::size_t rank = sizes.size();
  std::vector<Taps> axes(rank);
  std::vector<Tap> taps;
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t point = 0; point < x.shape()[0] * out_plane; ++point) {
      // The grid names the last axis first.
      for (std::size_t axis = 0; axis < rank; ++axis) {
        const double normal = grid[static_cast<std::size_t>(point) * rank + (rank - 1 - axis)];
        axes[axis] = AxisSampler{settings, sizes[axis]}.taps(normal);
      }
      combine(axes, sizes, taps);
      const std::int64_t image = point / out_plane;
      for (std::int64_t c = 0; c < channels; ++c) {
        const T* plane = data<T>(x) + (image * channels + c) * in_plane;
        double sum = 0;
        for (const Tap& t : taps) sum += t.weight * static_cast<double>(static_cast<Arithmetic<T>>(plane[t.place]));
        data<T>(y)[(image * channels + c) * out_plane + point % out_plane] = convert<T>(sum);
      }
    }
  });
}

std::vector<TensorType> infer_affine_grid(const InferContext& context) {
  const TensorType& theta = input(context, 0);
  require_type(FloatTypes{}, context.node, theta.element);
  const auto size = integers_from(context, 1, "");
  require(size.has_value() && (size->size() == 4 || size->size() == 5), context.node,
          "size must have 4 or 5 entries: batch, channels and sizes");
  const auto axes = static_cast<std::int64_t>(size->size()) - 2;
  const std::int64_t batch = size->front();
  require(theta.shape == Shape({batch, axes, axes + 1}), context.node, "theta has the shape {}, wanted [{}, {}, {}]",
          graph::to_string(theta.shape), batch, axes, axes + 1);
  Shape shape{batch};
  shape.insert(shape.end(), size->begin() + 2, size->end());
  for (const std::int64_t each : shape) require(each >= 0, context.node, "size holds {}", each);
  shape.push_back(axes);
  return types(context, {{theta.element, shape}});
}

void compute_affine_grid(const ComputeContext& context) {
  const std::vector<double> theta = reals_of(context.node, input(context, 0));
  Tensor& y = context.outputs[0];
  const bool align = context.node.integer("align_corners", 0) != 0;
  const auto axes = static_cast<std::size_t>(y.shape().back());
  const std::int64_t points = product(y.shape(), 1, y.shape().size() - 1);
  // -1..1 over the centres of the first and last element, or over their outer edges.
  const auto normal = [&](std::int64_t i, std::int64_t size) {
    const auto extent = static_cast<double>(size);
    if (align) return size > 1 ? -1.0 + 2.0 * static_cast<double>(i) / (extent - 1) : -1.0;
    return (2.0 * static_cast<double>(i) + 1.0) / extent - 1.0;
  };
  dispatch(FloatTypes{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    T* to = data<T>(y);
    for (std::int64_t point = 0; point < y.shape()[0] * points; ++point) {
      std::array<double, kMaxAxes + 1> place{};  // last axis first, then the constant
      std::int64_t rest = point % points;
      for (std::size_t k = 0; k < axes; ++k) {
        const std::int64_t size = y.shape()[axes - k];
        place[k] = normal(rest % size, size);
        rest /= size;
      }
      place[axes] = 1;
      const double* matrix = theta.data() + static_cast<std::size_t>(point / points) * axes * (axes + 1);
      for (std::size_t row = 0; row < axes; ++row) {
        double sum = 0;
        for (std::size_t k = 0; k <= axes; ++k) sum += matrix[row * (axes + 1) + k] * place[k];
        *to++ = T(static_cast<Arithmetic<T>>(sum));
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "AffineGrid", 20, 2, 2, 1, 1, infer_affine_grid, compute_affine_grid},
    OpDefinition{"", "GridSample", 16, 2, 2, 1, 1, infer_grid_sample, compute_grid_sample},
};

}  // namespace

std::span<const OpDefinition> grid_sample_definitions() { return kDefinitions; }

}  // namespace ns::ops
