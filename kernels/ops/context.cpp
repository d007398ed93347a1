#include "kernels/ops/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

template <typename Item>
const Item* item_or_null(std::span<const Item* const> items, std::size_t index) {
  return index < items.size() ? items[index] : nullptr;
}

template <typename Item>
const Item& item(const Node& node, std::span<const Item* const> items, std::size_t index) {
  const Item* found = item_or_null(items, index);
  if (found == nullptr) fail(node, fmt::format("input {} is missing", index));
  return *found;
}

}  // namespace

void fail(const Node& node, const std::string& sentence) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", describe(node), sentence));
}

void unsupported(const Node& node, const std::string& sentence) {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", describe(node), sentence));
}

const TensorType& input(const InferContext& context, std::size_t index) {
  return item(context.node, context.inputs, index);
}

const Tensor& input(const ComputeContext& context, std::size_t index) {
  return item(context.node, context.inputs, index);
}

const TensorType* optional_input(const InferContext& context, std::size_t index) {
  return item_or_null(context.inputs, index);
}

const Tensor* optional_input(const ComputeContext& context, std::size_t index) {
  return item_or_null(context.inputs, index);
}

const Tensor* shape_input(const InferContext& context, std::size_t index) {
  if (optional_input(context, index) == nullptr) return nullptr;
  const Tensor* constant = item_or_null(context.constants, index);
  if (constant == nullptr) {
    throw NeedsData(
        fmt::format("{}: input {} decides over shapes and is not known before the run", describe(context.node), index));
  }
  return constant;
}

const Tensor* shape_input(const ComputeContext& context, std::size_t index) { return optional_input(context, index); }

bool has_output(const ComputeContext& context, std::size_t index) {
  return index < context.outputs.size() && context.outputs[index].defined();
}

std::vector<std::int64_t> integers_of(const Node& node, const Tensor& tensor) {
  require(tensor.shape().size() <= 1, node, "a list of integers has the shape {}", graph::to_string(tensor.shape()));
  if (tensor.type() == ElementType::int64) {
    const auto values = tensor.values<std::int64_t>();
    return {values.begin(), values.end()};
  }
  require(tensor.type() == ElementType::int32, node, "a list of integers holds {}, wanted int64",
          graph::name_of(tensor.type()));
  const auto values = tensor.values<std::int32_t>();
  return {values.begin(), values.end()};
}

std::vector<double> reals_of(const Node& node, const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.count()));
  dispatch(FloatTypes{}, node, tensor.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<double>(static_cast<Arithmetic<T>>(data<T>(tensor)[i]));
    }
  });
  return values;
}

std::size_t normal_axis(const Node& node, std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  require(axis >= -signed_rank && axis < signed_rank, node, "there is no axis {} in {} dimensions", axis, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

std::vector<std::size_t> normal_axes(const Node& node, const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<std::size_t> normal;
  for (const std::int64_t axis : axes) normal.push_back(normal_axis(node, axis, rank));
  std::sort(normal.begin(), normal.end());
  require(std::adjacent_find(normal.begin(), normal.end()) == normal.end(), node, "an axis is listed twice");
  return normal;
}

std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end) {
  return graph::element_count(
      Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

AxisView view_along(const Shape& shape, std::size_t axis) {
  return {product(shape, 0, axis), shape[axis], product(shape, axis + 1, shape.size())};
}

std::vector<TensorType> infer_same(const InferContext& context) { return types(context, {input(context, 0)}); }

std::vector<TensorType> types(const InferContext& context, std::vector<TensorType> known) {
  if (known.size() < context.node.outputs.size()) {
    fail(context.node, fmt::format("has {} outputs, {} are possible", context.node.outputs.size(), known.size()));
  }
  known.resize(context.node.outputs.size());
  return known;
}

void copy_bytes(const Tensor& from, Tensor& to) {
  if (from.byte_count() > 0 && from.bytes() != to.bytes()) std::memcpy(to.bytes(), from.bytes(), from.byte_count());
}

}  // namespace ns::ops
