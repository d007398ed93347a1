// Slice: every steps-th element from starts to ends along some axes. Attributes up to opset 9, inputs since 10.
#include <algorithm>
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Cut {  // by axis of the input
  std::vector<std::int64_t> start, step;
  Shape shape;
};

// Out of range counts from the nearest end, as in Python.
void cut_axis(Cut& cut, std::size_t axis, std::int64_t start, std::int64_t end, std::int64_t step) {
  const std::int64_t size = cut.shape[axis];
  if (start < 0 && start >= -size) start += size;
  if (end < 0 && end >= -size) end += size;
  if (step > 0) {
    start = std::clamp<std::int64_t>(start, 0, size);
    end = std::clamp<std::int64_t>(end, 0, size);
  } else {
    start = std::clamp<std::int64_t>(start, -1, size - 1);
    end = std::clamp<std::int64_t>(end, -1, size - 1);
  }
  const std::int64_t distance = step > 0 ? end - start : start - end;
  // A step as long as the axis takes one element; so does every longer one.
  const std::int64_t limit = std::max<std::int64_t>(size, 1);
  step = std::clamp<std::int64_t>(step, -limit, limit);
  const std::int64_t stride = step > 0 ? step : -step;
  cut.start[axis] = start;
  cut.step[axis] = step;
  cut.shape[axis] = distance > 0 ? (distance + stride - 1) / stride : 0;
}

template <typename Context>
Cut cut_of(const Context& context, const Shape& shape) {
  const Node& node = context.node;
  const auto starts = integers_from(context, 1, "starts");
  const auto ends = integers_from(context, 2, "ends");
  require(starts && ends && starts->size() == ends->size(), node, "starts and ends must be there, of the same length");
  std::vector<std::int64_t> axes(starts->size());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<std::int64_t>(i);
  if (const auto given = integers_from(context, 3, "axes")) axes = *given;
  std::vector<std::int64_t> steps(starts->size(), 1);
  if (const auto given = integers_from(context, 4, "")) steps = *given;
  require(axes.size() == starts->size() && steps.size() == starts->size(), node,
          "axes and steps must be as long as starts");
  normal_axes(node, axes, shape.size());
  Cut cut{std::vector<std::int64_t>(shape.size(), 0), std::vector<std::int64_t>(shape.size(), 1), shape};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    require(steps[i] != 0, node, "a step is 0");
    cut_axis(cut, normal_axis(node, axes[i], shape.size()), (*starts)[i], (*ends)[i], steps[i]);
  }
  return cut;
}

std::vector<TensorType> infer_slice(const InferContext& context) {
  const TensorType& x = input(context, 0);
  return types(context, {{x.element, cut_of(context, x.shape).shape}});
}

void compute_slice(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const Cut cut = cut_of(context, x.shape());
  std::vector<std::int64_t> strides = dense_strides(x.shape());
  std::int64_t first = 0;
  for (std::size_t axis = 0; axis < strides.size(); ++axis) {
    first += cut.start[axis] * strides[axis];
    strides[axis] *= cut.step[axis];
  }
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(y.shape(), {strides, dense_strides(y.shape())});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      const T* from = data<T>(x) + first + offsets[0];
      T* to = data<T>(y) + offsets[1];
      for (std::int64_t i = 0; i < length; ++i) to[i * steps[1]] = from[i * steps[0]];
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Slice", 1, 1, 5, 1, 1, infer_slice, compute_slice},
};

}  // namespace

std::span<const OpDefinition> slice_definitions() { return kDefinitions; }

}  // namespace ns::ops
