// ScatterElements (Scatter before opset 11) and ScatterND: a copy of the input in which some elements or slices are
// replaced, or combined with what is there.
//
// Where an index occurs twice the last update wins; with a reduction all of them count, in order.
#include <algorithm>
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/indices.h"

namespace ns::ops {

namespace {

enum class Reduction { none, add, multiply, minimum, maximum };

Reduction reduction_of(const Node& node) {
  const std::string name = node.text("reduction", "none");
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::multiply;
  if (name == "min") return Reduction::minimum;
  if (name == "max") return Reduction::maximum;
  fail(node, "reduction is '" + name + "', wanted none, add, mul, min or max");
}

void check_types(const InferContext& context) {
  require_type(IndexTypes{}, context.node, input(context, 1).element);
  require(input(context, 2).element == input(context, 0).element, context.node, "the updates hold {}, the input {}",
          graph::name_of(input(context, 2).element), graph::name_of(input(context, 0).element));
  if (reduction_of(context.node) != Reduction::none)
    require_type(NumericTypes{}, context.node, input(context, 0).element);
}

// Calls function(element type tag, combine), where combine(old, new) is what is stored.
template <typename Function>
void with_reduction(const Node& node, ElementType type, const Function& function) {
  const Reduction reduction = reduction_of(node);
  if (reduction == Reduction::none) {
    dispatch_size(type, [&](auto tag) { function(tag, [](auto, auto b) { return b; }); });
    return;
  }
  dispatch(NumericTypes{}, node, type, [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const auto with = [&](auto combine) {
      function(tag, [&](T a, T b) { return T(combine(static_cast<A>(a), static_cast<A>(b))); });
    };
    switch (reduction) {
      case Reduction::add:
        return with([](A a, A b) { return add(a, b); });
      case Reduction::multiply:
        return with([](A a, A b) { return multiply(a, b); });
      case Reduction::minimum:  // NaN wins, as in Min
        return with([](A a, A b) { return a < b || a != a ? a : b; });
      default:
        return with([](A a, A b) { return a > b || a != a ? a : b; });
    }
  });
}

std::vector<TensorType> infer_elements(const InferContext& context) {
  const Shape& indices = input(context, 1).shape;
  check_types(context);
  check_element_indices(context.node, input(context, 0).shape, indices);
  require(input(context, 2).shape == indices, context.node, "the updates have the shape {}, the indices {}",
          graph::to_string(input(context, 2).shape), graph::to_string(indices));
  return infer_same(context);
}

void compute_elements(const ComputeContext& context) {
  const Tensor& indices = input(context, 1);
  Tensor& y = context.outputs[0];
  copy_bytes(input(context, 0), y);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), y.shape().size());
  std::vector<std::int64_t> strides = dense_strides(y.shape());
  const std::int64_t along = strides[axis];
  const std::int64_t size = y.shape()[axis];
  strides[axis] = 0;  // the index says where
  const RowLoop<2> loop(indices.shape(), {strides, dense_strides(indices.shape())});
  with_reduction(context.node, y.type(), [&](auto tag, auto combine) {
    using T = decltype(tag);
    const T* updates = data<T>(input(context, 2));
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        const std::int64_t place = offsets[1] + i * steps[1];
        const std::int64_t index = checked_index(context.node, index_at(indices, place), size);
        T& element = data<T>(y)[offsets[0] + i * steps[0] + index * along];
        element = combine(element, updates[place]);
      }
    });
  });
}

std::vector<TensorType> infer_nd(const InferContext& context) {
  const Shape& x = input(context, 0).shape;
  const Shape& indices = input(context, 1).shape;
  check_types(context);
  require(!indices.empty() && indices.back() >= 0 && indices.back() <= static_cast<std::int64_t>(x.size()),
          context.node, "indices {} do not fit the input {}", graph::to_string(indices), graph::to_string(x));
  Shape wanted(indices.begin(), indices.end() - 1);
  wanted.insert(wanted.end(), x.begin() + indices.back(), x.end());
  require(input(context, 2).shape == wanted, context.node, "the updates have the shape {}, wanted {}",
          graph::to_string(input(context, 2).shape), graph::to_string(wanted));
  return infer_same(context);
}

void compute_nd(const ComputeContext& context) {
  const Tensor& indices = input(context, 1);
  Tensor& y = context.outputs[0];
  copy_bytes(input(context, 0), y);
  if (input(context, 2).count() == 0) return;
  const std::int64_t depth = indices.shape().back();
  const std::int64_t slice = product(y.shape(), static_cast<std::size_t>(depth), y.shape().size());
  const SliceIndex index(context.node, indices, Shape(y.shape().begin(), y.shape().begin() + depth), slice);
  const std::int64_t rows = product(indices.shape(), 0, indices.shape().size() - 1);
  with_reduction(context.node, y.type(), [&](auto tag, auto combine) {
    using T = decltype(tag);
    const T* updates = data<T>(input(context, 2));
    for (std::int64_t row = 0; row < rows; ++row) {
      T* to = data<T>(y) + index.offset(row);
      for (std::int64_t i = 0; i < slice; ++i) to[i] = combine(to[i], updates[row * slice + i]);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Scatter", 9, 3, 3, 1, 1, infer_elements, compute_elements},
    OpDefinition{"", "ScatterElements", 11, 3, 3, 1, 1, infer_elements, compute_elements},
    OpDefinition{"", "ScatterND", 11, 3, 3, 1, 1, infer_nd, compute_nd},
};

}  // namespace

std::span<const OpDefinition> scatter_definitions() { return kDefinitions; }

}  // namespace ns::ops
