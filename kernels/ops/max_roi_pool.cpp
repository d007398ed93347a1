// MaxRoiPool: the largest element of each bin of a region of interest ("Fast R-CNN", Girshick, 2015). Regions are rows
// [image, x1, y1, x2, y2], both ends included, rounded to whole elements.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/indices.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_max_roi_pool(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& regions = input(context, 1);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() == 4, context.node, "the input has the shape {}, wanted [batch, channels, height, width]",
          graph::to_string(x.shape));
  require(regions.element == x.element && regions.shape.size() == 2 && regions.shape[1] == 5, context.node,
          "regions are {} {}, wanted [count, 5] of the input's type", graph::name_of(regions.element),
          graph::to_string(regions.shape));
  const std::vector<std::int64_t> pooled = context.node.integers("pooled_shape");
  require(pooled.size() == 2 && pooled[0] >= 1 && pooled[1] >= 1, context.node, "pooled_shape must be two sizes");
  return types(context, {{x.element, {regions.shape[0], x.shape[1], pooled[0], pooled[1]}}});
}

struct Range {
  std::int64_t first, last;
};

// The elements of each bin along one axis, those inside the image only.
std::vector<Range> bins_along(const Node& node, double begin, double end, std::int64_t bins, std::int64_t size) {
  constexpr double kFar = 1e9;
  require(std::abs(begin) < kFar && std::abs(end) < kFar, node, "a region reaches from {} to {}", begin, end);
  const double start = std::round(begin);
  const double each = std::max(std::round(end) - start + 1, 1.0) / static_cast<double>(bins);
  std::vector<Range> ranges;
  for (std::int64_t i = 0; i < bins; ++i) {
    const auto limit = [&](double place) {
      return static_cast<std::int64_t>(std::clamp(place + start, 0.0, static_cast<double>(size)));
    };
    ranges.push_back(
        {limit(std::floor(static_cast<double>(i) * each)), limit(std::ceil(static_cast<double>(i + 1) * each))});
  }
  return ranges;
}

template <typename T>
T largest(const T* plane, std::int64_t width, const Range& rows, const Range& columns) {
  if (rows.first >= rows.last || columns.first >= columns.last) return T(0.0f);
  T best = plane[rows.first * width + columns.first];
  for (std::int64_t y = rows.first; y < rows.last; ++y) {
    for (std::int64_t x = columns.first; x < columns.last; ++x) {
      if (plane[y * width + x] > best) best = plane[y * width + x];
    }
  }
  return best;
}

void compute_max_roi_pool(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Shape& y = context.outputs[0].shape();
  const std::vector<double> regions = reals_of(context.node, input(context, 1));
  const auto scale = static_cast<double>(context.node.real("spatial_scale", 1.0f));
  const std::int64_t channels = x.shape()[1];
  const std::int64_t height = x.shape()[2];
  const std::int64_t width = x.shape()[3];
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    T* to = data<T>(context.outputs[0]);
    for (std::int64_t r = 0; r < y[0]; ++r) {
      const double* region = regions.data() + 5 * r;
      const std::int64_t image = checked_index(context.node, convert<std::int64_t>(region[0]), x.shape()[0]);
      const auto rows = bins_along(context.node, region[2] * scale, region[4] * scale, y[2], height);
      const auto columns = bins_along(context.node, region[1] * scale, region[3] * scale, y[3], width);
      for (std::int64_t c = 0; c < channels; ++c) {
        const T* plane = data<T>(x) + (image * channels + c) * height * width;
        for (const Range& row : rows) {
          for (const Range& column : columns) *to++ = largest(plane, width, row, column);
        }
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "MaxRoiPool", 1, 2, 2, 1, 1, infer_max_roi_pool, compute_max_roi_pool},
};

}  // namespace

std::span<const OpDefinition> max_roi_pool_definitions() { return kDefinitions; }

}  // namespace ns::ops
