#include "kernels/ops/quantized.h"

#include "kernels/ops/broadcast.h"

namespace ns::ops {

namespace {

// Calls visit(position in shape, position in the tensor) with the tensor repeated up to the shape.
template <typename Visit>
void for_each_repeated(const Node& node, const Shape& tensor, const Shape& shape, const Visit& visit) {
  require(tensor.size() <= shape.size() && broadcast_shape(node, tensor, shape) == shape, node,
          "scales or zero points of shape {} do not fit {}", graph::to_string(tensor), graph::to_string(shape));
  const RowLoop<2> loop(shape, {dense_strides(shape), broadcast_strides(tensor, shape)});
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    for (std::int64_t i = 0; i < length; ++i) visit(offsets[0] + i * steps[0], offsets[1] + i * steps[1]);
  });
}

// A single number fits everything, whatever its rank.
Shape fitting(const Tensor& tensor) { return tensor.count() == 1 ? Shape{} : tensor.shape(); }

}  // namespace

std::vector<WrappedSum> without_zero_point(const Node& node, const Tensor& x, const Tensor* zero_points) {
  std::vector<WrappedSum> values(static_cast<std::size_t>(x.count()));
  dispatch(ByteTypes{}, node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = data<T>(x);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<WrappedSum>(from[i]);
    if (zero_points == nullptr) return;
    for_each_repeated(node, fitting(*zero_points), x.shape(), [&](std::int64_t place, std::int64_t parameter) {
      values[static_cast<std::size_t>(place)] -= static_cast<WrappedSum>(data<T>(*zero_points)[parameter]);
    });
  });
  return values;
}

std::vector<float> repeated_reals(const Node& node, const Tensor* tensor, const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(graph::element_count(shape)), 1.0f);
  if (tensor == nullptr) return values;
  const std::vector<double> numbers = reals_of(node, *tensor);
  for_each_repeated(node, fitting(*tensor), shape, [&](std::int64_t place, std::int64_t parameter) {
    values[static_cast<std::size_t>(place)] = static_cast<float>(numbers[static_cast<std::size_t>(parameter)]);
  });
  return values;
}

std::vector<std::int32_t> repeated_zero_points(const Node& node, const Tensor* tensor, const Shape& shape) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(graph::element_count(shape)), 0);
  if (tensor == nullptr) return values;
  dispatch(ByteTypes{}, node, tensor->type(), [&](auto tag) {
    using T = decltype(tag);
    for_each_repeated(node, fitting(*tensor), shape, [&](std::int64_t place, std::int64_t parameter) {
      values[static_cast<std::size_t>(place)] = data<T>(*tensor)[parameter];
    });
  });
  return values;
}

void check_zero_point_type(const InferContext& context, std::size_t zero_point, ElementType type) {
  const TensorType* given = optional_input(context, zero_point);
  require(given == nullptr || given->element == type, context.node, "the zero point in input {} holds {}, wanted {}",
          zero_point, graph::name_of(given != nullptr ? given->element : type), graph::name_of(type));
}

}  // namespace ns::ops
