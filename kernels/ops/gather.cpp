// Gather: slices along an axis, picked by number; GatherElements: elements, picked one by one.
#include <array>
#include <cstring>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

using IndexTypes = Types<std::int64_t, std::int32_t>;

std::int64_t index_at(const Tensor& indices, std::int64_t i) {
  return indices.type() == ElementType::int64 ? data<std::int64_t>(indices)[i] : data<std::int32_t>(indices)[i];
}

std::int64_t checked_index(const Node& node, std::int64_t index, std::int64_t size) {
  require(index >= -size && index < size, node, "the index {} is not one of {} elements", index, size);
  return index < 0 ? index + size : index;
}

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
  require(x.shape.size() == indices.shape.size(), context.node, "input and indices have {} and {} axes", x.shape.size(),
          indices.shape.size());
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape.size());
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    require(i == axis || indices.shape[i] <= x.shape[i], context.node, "indices {} reach over the input {}",
            graph::to_string(indices.shape), graph::to_string(x.shape));
  }
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

constexpr std::array kDefinitions{
    OpDefinition{"", "Gather", 1, 2, 2, 1, 1, infer_gather, compute_gather},
    OpDefinition{"", "GatherElements", 11, 2, 2, 1, 1, infer_gather_elements, compute_gather_elements},
};

}  // namespace

std::span<const OpDefinition> gather_definitions() { return kDefinitions; }

}  // namespace ns::ops
