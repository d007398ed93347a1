// MaxUnpool: elements put back to where MaxPool found them, zeros elsewhere. The indices count in the shape that the
// attributes give; a larger output_shape surrounds it with more zeros at the ends.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/indices.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

// What the pool's input must have been.
Shape unpooled_shape(const Node& node, const Shape& x) {
  const Shape kernel = node.integers("kernel_shape");
  require(!kernel.empty(), node, "the attribute kernel_shape is missing");
  const Window window = window_attributes(node, spatial_of(node, x), kernel);
  Shape shape{x[0], x[1]};
  for (std::size_t i = 0; i < window.rank(); ++i) {
    const std::int64_t size =
        (window.input[i] - 1) * window.strides[i] + window.kernel[i] - window.pads_begin[i] - window.pads_end[i];
    require(size >= 0, node, "the pads are larger than what they pad");
    shape.push_back(size);
  }
  return shape;
}

std::vector<TensorType> infer_max_unpool(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& indices = input(context, 1);
  require_type(FloatTypes{}, context.node, x.element);
  require(indices.element == ElementType::int64 && indices.shape == x.shape, context.node,
          "indices are {} {}, wanted int64 {}", graph::name_of(indices.element), graph::to_string(indices.shape),
          graph::to_string(x.shape));
  const Shape unpooled = unpooled_shape(context.node, x.shape);
  const auto given = integers_from(context, 2, "");
  if (!given) return types(context, {{x.element, unpooled}});
  require(given->size() == unpooled.size(), context.node, "output_shape has {} entries, the input {} axes",
          given->size(), unpooled.size());
  for (std::size_t i = 0; i < given->size(); ++i) {
    require((*given)[i] >= unpooled[i], context.node, "output_shape {} is smaller than {}", graph::to_string(*given),
            graph::to_string(unpooled));
  }
  return types(context, {{x.element, *given}});
}

void compute_max_unpool(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.byte_count() > 0) std::memset(y.bytes(), 0, y.byte_count());
  const Shape unpooled = unpooled_shape(context.node, x.shape());
  const std::int64_t count = graph::element_count(unpooled);
  const std::vector<std::int64_t> strides = dense_strides(y.shape());
  const bool same = unpooled == y.shape();
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t i = 0; i < x.count(); ++i) {
      std::int64_t place = checked_index(context.node, index_at(input(context, 1), i), count);
      if (!same) {
        std::int64_t rest = place;
        place = 0;
        for (std::size_t axis = unpooled.size(); axis-- > 0; rest /= unpooled[axis]) {
          place += rest % unpooled[axis] * strides[axis];
        }
      }
      data<T>(y)[place] = data<T>(x)[i];
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "MaxUnpool", 9, 2, 3, 1, 1, infer_max_unpool, compute_max_unpool},
};

}  // namespace

std::span<const OpDefinition> max_unpool_definitions() { return kDefinitions; }

}  // namespace ns::ops
