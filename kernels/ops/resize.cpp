// Resize, and Upsample before it: every axis is resampled on its own, each output a weighted sum of a few inputs.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Axis {
  std::int64_t in = 1, out = 1;
  double scale = 1;
  double roi_start = 0, roi_end = 1;
};

struct Settings {
  std::vector<Axis> axes;
  std::string mode, coordinates, nearest;
  double cubic = -0.75;
  double extrapolation = 0;
  bool exclude_outside = false, antialias = false, ceil_when_shrinking = false;
};

constexpr double kMaxSize = 1e12;

void apply_scale(const Node& node, Axis& axis, double scale) {
  require(scale > 0 && static_cast<double>(axis.in) * scale < kMaxSize, node, "the scale {} is out of range", scale);
  axis.scale = scale;
  axis.out = static_cast<std::int64_t>(std::floor(static_cast<double>(axis.in) * scale));
}

void apply_sizes(const Node& node, Settings& settings, const std::vector<std::size_t>& axes,
                 const std::vector<std::int64_t>& sizes) {
  require(sizes.size() == axes.size(), node, "sizes has {} entries, wanted {}", sizes.size(), axes.size());
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  double common = policy == "not_larger" ? std::numeric_limits<double>::infinity() : 0;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Axis& axis = settings.axes[axes[i]];
    require(sizes[i] >= 0 && static_cast<double>(sizes[i]) < kMaxSize && (axis.in > 0 || sizes[i] == 0), node,
            "the size {} is out of range", sizes[i]);
    axis.out = sizes[i];
    axis.scale = axis.in > 0 ? static_cast<double>(sizes[i]) / static_cast<double>(axis.in) : 1.0;
    common = policy == "not_larger" ? std::min(common, axis.scale) : std::max(common, axis.scale);
  }
  if (policy == "stretch") return;
  require(policy == "not_larger" || policy == "not_smaller", node, "keep_aspect_ratio_policy is '{}'", policy);
  for (const std::size_t i : axes) {
    Axis& axis = settings.axes[i];
    axis.scale = common;
    require(static_cast<double>(axis.in) * common < kMaxSize, node, "the output is too large");
    axis.out = static_cast<std::int64_t>(std::floor(static_cast<double>(axis.in) * common + 0.5));
  }
}

void check_settings(const Node& node, const Settings& settings) {
  const auto one_of = [](const std::string& value, std::initializer_list<std::string_view> allowed) {
    return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
  };
  require(one_of(settings.mode, {"nearest", "linear", "cubic"}), node, "mode is '{}', wanted nearest, linear or cubic",
          settings.mode);
  require(one_of(settings.coordinates, {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                        "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn"}),
          node, "coordinate_transformation_mode is '{}'", settings.coordinates);
  require(one_of(settings.nearest, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}), node,
          "nearest_mode is '{}'", settings.nearest);
}

// Upsample, and Resize of opset 10, have scales alone, count places from the corner, and take the nearest below when
// they enlarge and above when they shrink.
template <typename Context>
void read_scales_only(const Context& context, Settings& settings) {
  const Node& node = context.node;
  settings.coordinates = "asymmetric";
  settings.nearest = "floor";
  settings.ceil_when_shrinking = true;
  if (settings.mode == "bilinear") settings.mode = "linear";
  std::vector<double> scales;
  if (const Tensor* tensor = shape_input(context, 1)) {
    scales = reals_of(node, *tensor);
  } else {
    for (const float scale : node.reals("scales")) scales.push_back(static_cast<double>(scale));
  }
  require(scales.size() == settings.axes.size(), node, "there are {} scales for {} axes", scales.size(),
          settings.axes.size());
  for (std::size_t i = 0; i < scales.size(); ++i) apply_scale(node, settings.axes[i], scales[i]);
}

template <typename Context>
void read_region(const Context& context, Settings& settings, const std::vector<std::size_t>& axes) {
  if (settings.coordinates != "tf_crop_and_resize") return;
  const Tensor* tensor = shape_input(context, 1);
  require(tensor != nullptr && tensor->count() == static_cast<std::int64_t>(2 * axes.size()), context.node,
          "roi must have two entries an axis");
  const std::vector<double> region = reals_of(context.node, *tensor);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    settings.axes[axes[i]].roi_start = region[i];
    settings.axes[axes[i]].roi_end = region[axes.size() + i];
  }
}

template <typename Context>
Settings settings_of(const Context& context, const Shape& shape) {
  const Node& node = context.node;
  Settings settings;
  for (const std::int64_t size : shape) settings.axes.push_back({size, size, 1.0, 0.0, 1.0});
  settings.mode = node.text("mode", "nearest");
  settings.coordinates = node.text("coordinate_transformation_mode", "half_pixel");
  settings.nearest = node.text("nearest_mode", "round_prefer_floor");
  settings.cubic = static_cast<double>(node.real("cubic_coeff_a", -0.75f));
  settings.extrapolation = static_cast<double>(node.real("extrapolation_value", 0.0f));
  settings.exclude_outside = node.integer("exclude_outside", 0) != 0;
  settings.antialias = node.integer("antialias", 0) != 0;
  if (node.op_type == "Upsample" || context.opset < 11) {
    read_scales_only(context, settings);
    check_settings(node, settings);
    return settings;
  }
  check_settings(node, settings);
  std::vector<std::int64_t> listed = node.integers("axes");
  if (listed.empty()) {
    for (std::size_t i = 0; i < shape.size(); ++i) listed.push_back(static_cast<std::int64_t>(i));
  }
  normal_axes(node, listed, shape.size());
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : listed) axes.push_back(normal_axis(node, axis, shape.size()));
  const Tensor* scales = optional_input(context, 2) != nullptr ? shape_input(context, 2) : nullptr;
  if (scales != nullptr && scales->count() > 0) {
    const std::vector<double> factors = reals_of(node, *scales);
    require(factors.size() == axes.size(), node, "there are {} scales for {} axes", factors.size(), axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) apply_scale(node, settings.axes[axes[i]], factors[i]);
  } else {
    const auto sizes = integers_from(context, 3, "");
    require(sizes.has_value(), node, "neither scales nor sizes are there");
    apply_sizes(node, settings, axes, *sizes);
  }
  read_region(context, settings, axes);
  return settings;
}

std::vector<TensorType> infer_resize(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(NumericTypes{}, context.node, x.element);
  const Settings settings = settings_of(context, x.shape);
  Shape shape;
  for (const Axis& axis : settings.axes) shape.push_back(axis.out);
  return types(context, {{x.element, shape}});
}

// Where output `i` lies on the input axis.
double source_of(const Settings& settings, const Axis& axis, std::int64_t i) {
  const auto x = static_cast<double>(i);
  const auto in = static_cast<double>(axis.in);
  const double out = axis.scale * in;
  const std::string& mode = settings.coordinates;
  if (mode == "align_corners") return out == 1 ? 0.0 : x * (in - 1) / (out - 1);
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  if (mode == "tf_crop_and_resize") {
    const double span = (axis.roi_end - axis.roi_start) * (in - 1);
    return (out == 1 ? span / 2 : x * span / (out - 1)) + axis.roi_start * (in - 1);
  }
  if (mode == "pytorch_half_pixel" && out == 1) return -0.5;
  const double half_pixel = (x + 0.5) / axis.scale - 0.5;
  if (mode != "half_pixel_symmetric") return half_pixel;
  return in / 2 * (1 - static_cast<double>(axis.out) / out) + half_pixel;
}

double cubic_weight(double a, double distance) {
  const double x = std::abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// The inputs that an output takes and their weights; `first` may lie outside, the edge is repeated.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
  bool outside = false;  // of the region: takes the extrapolation value
};

std::vector<double> nearest_weights(const Settings& settings, const Axis& axis, double ratio) {
  bool right = true;
  if (ratio < 1) {
    if (settings.nearest == "round_prefer_floor") right = ratio > 0.5;
    if (settings.nearest == "round_prefer_ceil") right = ratio >= 0.5;
    if (settings.nearest == "floor") right = settings.ceil_when_shrinking && axis.scale < 1;
  }
  return {right ? 0.0 : 1.0, right ? 1.0 : 0.0};
}

Taps taps_of(const Settings& settings, const Axis& axis, std::int64_t i) {
  // A region may lie anywhere, even at infinity: far outside is far enough.
  constexpr double kFar = 1e12;
  const double source = source_of(settings, axis, i);
  const double x = std::isnan(source) ? -kFar : std::clamp(source, -kFar, kFar);
  Taps taps;
  taps.outside = settings.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(axis.in - 1));
  // The left neighbour, so that the ratio lies in (0, 1]: on a place itself the left one is preferred.
  const double left = std::ceil(x) - 1;
  const double ratio = x - left;
  const double shrink = settings.antialias ? std::min(axis.scale, 1.0) : 1.0;
  if (settings.mode == "nearest") {
    taps.first = static_cast<std::int64_t>(left);
    taps.weights = nearest_weights(settings, axis, ratio);
    return taps;
  }
  const double reach = (settings.mode == "linear" ? 1.0 : 2.0) / shrink;
  const auto start = static_cast<std::int64_t>(std::floor(-reach)) + 1;
  taps.first = static_cast<std::int64_t>(left) + start;
  for (std::int64_t k = start; k < 2 - start; ++k) {
    const double distance = (static_cast<double>(k) - ratio) * shrink;
    taps.weights.push_back(settings.mode == "linear" ? std::max(0.0, 1 - std::abs(distance))
                                                     : cubic_weight(settings.cubic, distance));
  }
  if (settings.exclude_outside) {
    for (std::size_t k = 0; k < taps.weights.size(); ++k) {
      const std::int64_t place = taps.first + static_cast<std::int64_t>(k);
      if (place < 0 || place >= axis.in) taps.weights[k] = 0;
    }
  }
  if (settings.exclude_outside || settings.antialias) {
    double sum = 0;
    for (const double weight : taps.weights) sum += weight;
    for (double& weight : taps.weights) weight /= sum;
  }
  return taps;
}

// Resamples one axis of a block seen as [outer, in, inner].
std::vector<double> resample(const Settings& settings, const Axis& axis, const std::vector<double>& x,
                             std::int64_t outer, std::int64_t inner, std::vector<bool>& outside) {
  std::vector<double> y(static_cast<std::size_t>(outer * axis.out * inner), 0.0);
  std::vector<bool> marked(y.size(), false);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const Taps taps = taps_of(settings, axis, i);
    for (std::int64_t o = 0; o < outer; ++o) {
      double* to = y.data() + (o * axis.out + i) * inner;
      for (std::size_t k = 0; k < taps.weights.size(); ++k) {
        if (taps.weights[k] == 0) continue;
        const std::int64_t place = std::clamp<std::int64_t>(taps.first + static_cast<std::int64_t>(k), 0, axis.in - 1);
        const double* from = x.data() + (o * axis.in + place) * inner;
        for (std::int64_t j = 0; j < inner; ++j) to[j] += taps.weights[k] * from[j];
      }
      for (std::int64_t j = 0; j < inner; ++j) {
        const std::int64_t place = std::clamp<std::int64_t>(taps.first, 0, axis.in - 1);
        const auto mark = static_cast<std::size_t>((o * axis.out + i) * inner + j);
        marked[mark] =
            taps.outside || (!outside.empty() && outside[static_cast<std::size_t>((o * axis.in + place) * inner + j)]);
      }
    }
  }
  outside = std::move(marked);
  return y;
}

bool changes(const Settings& settings, const Axis& axis) {
  return axis.in != axis.out || axis.scale != 1.0 ||
         (settings.coordinates == "tf_crop_and_resize" && (axis.roi_start != 0 || axis.roi_end != 1));
}

void compute_resize(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const Settings settings = settings_of(context, x.shape());
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    std::vector<double> values(static_cast<std::size_t>(x.count()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<double>(static_cast<Arithmetic<T>>(data<T>(x)[i]));
    }
    std::vector<bool> outside(values.size(), false);
    Shape shape = x.shape();
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (!changes(settings, settings.axes[i])) continue;
      values = resample(settings, settings.axes[i], values, product(shape, 0, i), product(shape, i + 1, shape.size()),
                        outside);
      shape[i] = settings.axes[i].out;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      data<T>(y)[i] = convert<T>(outside[i] ? settings.extrapolation : values[i]);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Resize", 10, 1, 4, 1, 1, infer_resize, compute_resize},
    OpDefinition{"", "Upsample", 7, 1, 2, 1, 1, infer_resize, compute_resize},
};

}  // namespace

std::span<const OpDefinition> resize_definitions() { return kDefinitions; }

}  // namespace ns::ops
