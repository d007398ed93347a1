// Min, Max, Sum and Mean of any number of inputs, with numpy broadcasting.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

constexpr int kManyInputs = 1 << 20;

template <typename List>
std::vector<TensorType> infer_variadic(const InferContext& context) {
  const ElementType type = input(context, 0).element;
  require_type(List{}, context.node, type);
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    require(input(context, i).element == type, context.node, "input {} holds {}, the first {}", i,
            graph::name_of(input(context, i).element), graph::name_of(type));
  }
  return types(context, {{type, broadcast_shape(context)}});
}

// NaN wins, as in numpy.
struct Min {
  template <typename A>
  A operator()(A a, A b) const {
    return a < b || a != a ? a : b;
  }
};
struct Max {
  template <typename A>
  A operator()(A a, A b) const {
    return a > b || a != a ? a : b;
  }
};
struct Sum {
  template <typename A>
  A operator()(A a, A b) const {
    return add(a, b);
  }
};

template <typename List, typename Function, bool kMean>
void compute_variadic(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  dispatch(List{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    std::vector<A> sums(static_cast<std::size_t>(y.count()));
    for (std::size_t k = 0; k < context.inputs.size(); ++k) {
      const Tensor& x = input(context, k);
      const RowLoop<2> loop(y.shape(), {broadcast_strides(x.shape(), y.shape()), dense_strides(y.shape())});
      loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
        for (std::int64_t i = 0; i < length; ++i) {
          const A value = static_cast<A>(data<T>(x)[offsets[0] + i * steps[0]]);
          A& sum = sums[static_cast<std::size_t>(offsets[1] + i * steps[1])];
          sum = k == 0 ? value : Function{}(sum, value);
        }
      });
    }
    const A divisor = kMean ? static_cast<A>(context.inputs.size()) : A(1);
    for (std::size_t i = 0; i < sums.size(); ++i)
      data<T>(y)[i] = T(kMean ? static_cast<A>(sums[i] / divisor) : sums[i]);
  });
}

template <typename List, typename Function, bool kMean = false>
constexpr OpDefinition variadic(std::string_view type) {
  return {"", type, 1, 1, kManyInputs, 1, 1, infer_variadic<List>, compute_variadic<List, Function, kMean>};
}

constexpr std::array kDefinitions{
    variadic<NumericTypes, Max>("Max"),
    variadic<FloatTypes, Sum, true>("Mean"),
    variadic<NumericTypes, Min>("Min"),
    variadic<FloatTypes, Sum>("Sum"),
};

}  // namespace

std::span<const OpDefinition> variadic_definitions() { return kDefinitions; }

}  // namespace ns::ops
