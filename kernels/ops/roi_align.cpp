// RoiAlign: regions of interest brought to one size, each output pooled from bilinear samples ("Mask R-CNN", He et al.,
// 2017).
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/indices.h"

namespace ns::ops {

namespace {

constexpr std::int64_t kMaxSamples = 1 << 12;  // along one axis of one output: more is no sensible region

struct Settings {
  std::int64_t height, width, sampling;
  double scale;
  bool half_pixel, maximum;
};

Settings settings_of(const Node& node, std::int64_t opset) {
  Settings settings{};
  settings.height = node.integer("output_height", 1);
  settings.width = node.integer("output_width", 1);
  settings.sampling = node.integer("sampling_ratio", 0);
  settings.scale = static_cast<double>(node.real("spatial_scale", 1.0f));
  const std::string mode = node.text("mode", "avg");
  require(mode == "avg" || mode == "max", node, "mode is '{}', wanted avg or max", mode);
  settings.maximum = mode == "max";
  const std::string coordinates =
      opset < 16 ? "output_half_pixel" : node.text("coordinate_transformation_mode", "half_pixel");
  require(coordinates == "half_pixel" || coordinates == "output_half_pixel", node,
          "coordinate_transformation_mode is '{}'", coordinates);
  settings.half_pixel = coordinates == "half_pixel";
  require(settings.height >= 1 && settings.width >= 1, node, "the output size is {} x {}", settings.height,
          settings.width);
  require(settings.sampling >= 0 && settings.sampling <= kMaxSamples, node, "sampling_ratio is {}", settings.sampling);
  return settings;
}

std::vector<TensorType> infer_roi_align(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& regions = input(context, 1);
  const TensorType& images = input(context, 2);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() == 4, context.node, "the input has the shape {}, wanted [batch, channels, height, width]",
          graph::to_string(x.shape));
  require(regions.element == x.element && regions.shape.size() == 2 && regions.shape[1] == 4, context.node,
          "regions are {} {}, wanted [count, 4] of the input's type", graph::name_of(regions.element),
          graph::to_string(regions.shape));
  require_type(IndexTypes{}, context.node, images.element);
  require(images.shape == Shape{regions.shape[0]}, context.node, "there are {} regions, batch_indices has the shape {}",
          regions.shape[0], graph::to_string(images.shape));
  const Settings settings = settings_of(context.node, context.opset);
  return types(context, {{x.element, {regions.shape[0], x.shape[1], settings.height, settings.width}}});
}

// One sampled place along one axis: two neighbours and their weights, which are zero outside the image.
struct Sample {
  std::int64_t low = 0, high = 0;
  double low_weight = 0, high_weight = 0;
};

Sample sample_at(double place, std::int64_t size) {
  if (!(place >= -1.0 && place <= static_cast<double>(size))) return {};
  place = std::max(place, 0.0);
  const auto low = static_cast<std::int64_t>(place);
  if (low >= size - 1) return {size - 1, size - 1, 1.0, 0.0};
  const double part = place - static_cast<double>(low);
  return {low, low + 1, 1.0 - part, part};
}

// The samples along one axis, `per_bin` for each output.
struct Samples {
  std::vector<Sample> samples;
  std::int64_t per_bin;
};

Samples samples_along(const Node& node, const Settings& settings, double begin, double end, std::int64_t outputs,
                      std::int64_t size) {
  const double offset = settings.half_pixel ? 0.5 : 0.0;
  const double start = begin * settings.scale - offset;
  double extent = end * settings.scale - offset - start;
  if (!settings.half_pixel) extent = std::max(extent, 1.0);
  const double bin = extent / static_cast<double>(outputs);
  require(bin <= static_cast<double>(kMaxSamples) && bin >= -static_cast<double>(kMaxSamples), node,
          "a region reaches from {} to {}", begin, end);
  const std::int64_t count = settings.sampling > 0 ? settings.sampling : static_cast<std::int64_t>(std::ceil(bin));
  Samples along{{}, std::max<std::int64_t>(count, 0)};
  for (std::int64_t i = 0; i < outputs * along.per_bin; ++i) {
    const auto within = static_cast<double>(i % along.per_bin) + 0.5;
    const double place =
        start + static_cast<double>(i / along.per_bin) * bin + within * bin / static_cast<double>(count);
    along.samples.push_back(sample_at(place, size));
  }
  return along;
}

// Maximum: over the weighted neighbours of the samples, not over the samples; the operator's reference implementation
// and its users' runtimes have it so.
template <typename T>
double pool(const Settings& settings, const T* plane, std::int64_t width, const Sample* rows, std::int64_t row_count,
            const Sample* columns, std::int64_t column_count) {
  const auto at = [&](std::int64_t y, std::int64_t x) {
    return static_cast<double>(static_cast<Arithmetic<T>>(plane[y * width + x]));
  };
  double sum = 0;
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < row_count; ++i) {
    const Sample& y = rows[i];
    for (std::int64_t j = 0; j < column_count; ++j) {
      const Sample& x = columns[j];
      const std::array<double, 4> parts{
          y.low_weight * x.low_weight * at(y.low, x.low), y.low_weight * x.high_weight * at(y.low, x.high),
          y.high_weight * x.low_weight * at(y.high, x.low), y.high_weight * x.high_weight * at(y.high, x.high)};
      sum += parts[0] + parts[1] + parts[2] + parts[3];
      largest = std::max(largest, *std::max_element(parts.begin(), parts.end()));
    }
  }
  const std::int64_t count = row_count * column_count;
  if (count == 0) return 0;
  return settings.maximum ? largest : sum / static_cast<double>(count);
}

void compute_roi_align(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Settings settings = settings_of(context.node, context.opset);
  const std::vector<double> regions = reals_of(context.node, input(context, 1));
  const std::int64_t channels = x.shape()[1];
  const std::int64_t height = x.shape()[2];
  const std::int64_t width = x.shape()[3];
  if (context.outputs[0].count() == 0) return;
  require(height > 0 && width > 0, context.node, "the input has no elements");
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    T* to = data<T>(context.outputs[0]);
    for (std::int64_t r = 0; r < context.outputs[0].shape()[0]; ++r) {
      const std::int64_t image = checked_index(context.node, index_at(input(context, 2), r), x.shape()[0]);
      const double* region = regions.data() + 4 * r;
      const Samples rows = samples_along(context.node, settings, region[1], region[3], settings.height, height);
      const Samples columns = samples_along(context.node, settings, region[0], region[2], settings.width, width);
      for (std::int64_t c = 0; c < channels; ++c) {
        const T* plane = data<T>(x) + (image * channels + c) * height * width;
        for (std::int64_t i = 0; i < settings.height * settings.width; ++i) {
          const double value =
              pool(settings, plane, width, rows.samples.data() + i / settings.width * rows.per_bin, rows.per_bin,
                   columns.samples.data() + i % settings.width * columns.per_bin, columns.per_bin);
          *to++ = T(static_cast<Arithmetic<T>>(value));
        }
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "RoiAlign", 10, 3, 3, 1, 1, infer_roi_align, compute_roi_align},
};

}  // namespace

std::span<const OpDefinition> roi_align_definitions() { return kDefinitions; }

}  // namespace ns::ops
