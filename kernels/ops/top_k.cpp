// TopK: the k largest (or smallest) elements along an axis, and where they lie. Of equal elements the first come first;
// NaN counts as larger than every number.
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

// An attribute in opset 1, an input since 10.
template <typename Context>
std::int64_t k_of(const Context& context) {
  if (context.opset < 10) {
    require(context.node.has("k"), context.node, "the attribute k is missing");
    return context.node.integer("k", 0);
  }
  const auto k = integers_from(context, 1, "");
  require(k.has_value() && k->size() == 1, context.node, "k must be one number");
  return k->front();
}

std::vector<TensorType> infer_top_k(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(NumericTypes{}, context.node, x.element);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape.size());
  const std::int64_t k = k_of(context);
  require(k >= 0 && k <= x.shape[axis], context.node, "k is {}, the axis has {} elements", k, x.shape[axis]);
  Shape shape = x.shape;
  shape[axis] = k;
  return types(context, {{x.element, shape}, {ElementType::int64, shape}});
}

template <typename A>
struct Entry {
  A value;
  std::int64_t index;
};

template <typename A>
bool above(A a, A b) {
  return a > b || (a != a && b == b);
}

template <typename A>
void select(std::vector<Entry<A>>& entries, std::int64_t k, bool largest) {
  const auto first = [largest](const Entry<A>& a, const Entry<A>& b) {
    if (largest ? above(a.value, b.value) : above(b.value, a.value)) return true;
    if (largest ? above(b.value, a.value) : above(a.value, b.value)) return false;
    return a.index < b.index;
  };
  std::partial_sort(entries.begin(), entries.begin() + k, entries.end(), first);
}

void compute_top_k(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", -1), x.shape().size());
  const AxisView view = view_along(x.shape(), axis);
  const std::int64_t k = k_of(context);
  const bool largest = context.node.integer("largest", 1) != 0;
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    std::vector<Entry<A>> entries(static_cast<std::size_t>(view.size));
    for (std::int64_t i = 0; i < view.outer * view.inner; ++i) {
      const std::int64_t outer = i / view.inner;
      const std::int64_t inner = i % view.inner;
      const T* from = data<T>(x) + outer * view.size * view.inner + inner;
      for (std::int64_t j = 0; j < view.size; ++j) {
        entries[static_cast<std::size_t>(j)] = {static_cast<A>(from[j * view.inner]), j};
      }
      select(entries, k, largest);
      for (std::int64_t j = 0; j < k; ++j) {
        const std::int64_t place = (outer * k + j) * view.inner + inner;
        const Entry<A>& entry = entries[static_cast<std::size_t>(j)];
        if (has_output(context, 0)) data<T>(context.outputs[0])[place] = from[entry.index * view.inner];
        if (has_output(context, 1)) data<std::int64_t>(context.outputs[1])[place] = entry.index;
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "TopK", 1, 1, 2, 1, 2, infer_top_k, compute_top_k},
};

}  // namespace

std::span<const OpDefinition> top_k_definitions() { return kDefinitions; }

}  // namespace ns::ops
