// Gather: slices along an axis, picked by number; GatherElements: elements, picked one by one; GatherND: slices, each
// picked by a row of numbers.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/indices.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_gather(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& indices = input(context, 1);
  require_type(IndexTypes{}, context.node, indices.element);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape.size());
  Shape shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape.end());
  return types(context, {{x.element, shape}});
}

void compute_gather(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& indices = input(context, 1);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape().size());
  const std::int64_t outer = product(x.shape(), 0, axis);
  const std::int64_t size = x.shape()[axis];
  const std::size_t slice =
      static_cast<std::size_t>(product(x.shape(), axis + 1, x.shape().size())) * graph::size_of(x.type());
  auto* to = static_cast<std::byte*>(y.bytes());
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < indices.count(); ++i) {
      const std::int64_t index = checked_index(context.node, index_at(indices, i), size);
      std::memcpy(to, static_cast<const std::byte*>(x.bytes()) + static_cast<std::size_t>(o * size + index) * slice,
                  slice);
      to += slice;
    }
  }
}

std::vector<TensorType> infer_gather_elements(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& indices = input(context, 1);
  require_type(IndexTypes{}, context.node, indices.element);
  check_element_indices(context.node, x.shape, indices.shape);
  return types(context, {{x.element, indices.shape}});
}

void compute_gather_elements(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& indices = input(context, 1);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape().size());
  std::vector<std::int64_t> strides = dense_strides(x.shape());
  const std::int64_t along = strides[axis];
  const std::int64_t size = x.shape()[axis];
  strides[axis] = 0;  // the index says where
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(indices.shape(), {strides, dense_strides(indices.shape())});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        const std::int64_t place = offsets[1] + i * steps[1];
        const std::int64_t index = checked_index(context.node, index_at(indices, place), size);
        data<T>(context.outputs[0])[place] = data<T>(x)[offsets[0] + i * steps[0] + index * along];
      }
    });
  });
}

std::size_t batch_axes(const Node& node, const Shape& x, const Shape& indices) {
  const std::int64_t batch = node.integer("batch_dims", 0);
  require(batch >= 0 && batch < static_cast<std::int64_t>(std::min(x.size(), indices.size())), node,
          "batch_dims is {}, input and indices have {} and {} axes", batch, x.size(), indices.size());
  const auto axes = static_cast<std::size_t>(batch);
  require(std::equal(x.begin(), x.begin() + batch, indices.begin()), node,
          "input {} and indices {} differ in the first {} axes", graph::to_string(x), graph::to_string(indices), batch);
  return axes;
}

std::vector<TensorType> infer_gather_nd(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& indices = input(context, 1);
  require_type(IndexTypes{}, context.node, indices.element);
  const std::size_t batch = batch_axes(context.node, x.shape, indices.shape);
  const std::int64_t depth = indices.shape.back();
  require(depth >= 1 && depth <= static_cast<std::int64_t>(x.shape.size() - batch), context.node,
          "a row of {} indices does not fit an input of {} axes", depth, x.shape.size() - batch);
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(batch) + depth, x.shape.end());
  return types(context, {{x.element, shape}});
}

void compute_gather_nd(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& indices = input(context, 1);
  if (context.outputs[0].count() == 0) return;
  const std::size_t batch = batch_axes(context.node, x.shape(), indices.shape());
  const auto sliced = batch + static_cast<std::size_t>(indices.shape().back());
  const std::int64_t slice = product(x.shape(), sliced, x.shape().size());
  const Shape sizes(x.shape().begin() + static_cast<std::ptrdiff_t>(batch),
                    x.shape().begin() + static_cast<std::ptrdiff_t>(sliced));
  const SliceIndex index(context.node, indices, sizes, slice);
  const std::int64_t rows = product(indices.shape(), batch, indices.shape().size() - 1);
  const std::int64_t stride = product(x.shape(), batch, x.shape().size());
  const std::size_t element = graph::size_of(x.type());
  const auto* from = static_cast<const std::byte*>(x.bytes());
  auto* to = static_cast<std::byte*>(context.outputs[0].bytes());
  const std::size_t bytes = static_cast<std::size_t>(slice) * element;
  for (std::int64_t i = 0; i < product(x.shape(), 0, batch) * rows; ++i) {
    std::memcpy(to, from + static_cast<std::size_t>(i / rows * stride + index.offset(i)) * element, bytes);
    to += bytes;
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Gather", 1, 2, 2, 1, 1, infer_gather, compute_gather},
    OpDefinition{"", "GatherElements", 11, 2, 2, 1, 1, infer_gather_elements, compute_gather_elements},
    OpDefinition{"", "GatherND", 11, 2, 2, 1, 1, infer_gather_nd, compute_gather_nd},
};

}  // namespace

std::span<const OpDefinition> gather_definitions() { return kDefinitions; }

}  // namespace ns::ops
