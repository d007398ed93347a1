// CenterCropPad: the middle of the input along some axes, or the input in the middle of zeros.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_center(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const auto wanted = integers_from(context, 1, "");
  require(wanted.has_value(), context.node, "the shape is missing");
  std::vector<std::int64_t> axes = context.node.integers("axes");
  if (!context.node.has("axes")) {
    for (std::size_t i = 0; i < x.shape.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  }
  normal_axes(context.node, axes, x.shape.size());
  require(wanted->size() == axes.size(), context.node, "the shape has {} entries for {} axes", wanted->size(),
          axes.size());
  Shape shape = x.shape;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    require((*wanted)[i] >= 0, context.node, "the shape holds {}", (*wanted)[i]);
    shape[normal_axis(context.node, axes[i], shape.size())] = (*wanted)[i];
  }
  return types(context, {{x.element, shape}});
}

void compute_center(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.byte_count() > 0) std::memset(y.bytes(), 0, y.byte_count());
  const std::vector<std::int64_t> x_strides = dense_strides(x.shape());
  const std::vector<std::int64_t> y_strides = dense_strides(y.shape());
  Shape common;
  std::int64_t x_first = 0;
  std::int64_t y_first = 0;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    const std::int64_t difference = x.shape()[i] - y.shape()[i];
    common.push_back(std::min(x.shape()[i], y.shape()[i]));
    x_first += std::max<std::int64_t>(difference, 0) / 2 * x_strides[i];
    y_first += std::max<std::int64_t>(-difference, 0) / 2 * y_strides[i];
  }
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(common, {x_strides, y_strides});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      const T* from = data<T>(x) + x_first + offsets[0];
      T* to = data<T>(y) + y_first + offsets[1];
      for (std::int64_t i = 0; i < length; ++i) to[i * steps[1]] = from[i * steps[0]];
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "CenterCropPad", 18, 2, 2, 1, 1, infer_center, compute_center},
};

}  // namespace

std::span<const OpDefinition> center_crop_pad_definitions() { return kDefinitions; }

}  // namespace ns::ops
