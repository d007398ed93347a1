// Operators of two inputs that work on pairs of elements, with numpy broadcasting.
#include <array>
#include <cmath>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Add {
  explicit Add(const Node&) {}
  template <typename A>
  A operator()(A a, A b) const {
    return ops::add(a, b);
  }
};
struct Sub {
  explicit Sub(const Node&) {}
  template <typename A>
  A operator()(A a, A b) const {
    return wrapped(a, b, [](auto x, auto y) { return x - y; });
  }
};
struct Mul {
  explicit Mul(const Node&) {}
  template <typename A>
  A operator()(A a, A b) const {
    return ops::multiply(a, b);
  }
};

// Integer division by zero stops the program unless it is caught first.
template <typename A>
void check_divisor(const Node& node, A b) {
  if constexpr (std::is_integral_v<A>) require(b != 0, node, "an integer is divided by zero");
}
template <typename A>
bool overflows(A a, A b) {  // the smallest number divided by -1
  if constexpr (std::is_integral_v<A> && std::is_signed_v<A>) {
    return b == -1 && a == std::numeric_limits<A>::min();
  }
  return false;
}

struct Div {
  explicit Div(const Node& n) : node(n) {}
  template <typename A>
  A operator()(A a, A b) const {
    check_divisor(node, b);
    return overflows(a, b) ? a : static_cast<A>(a / b);
  }
  const Node& node;
};

// fmod=1: the sign of the dividend, as in C; otherwise the sign of the divisor, as in Python.
struct Mod {
  explicit Mod(const Node& n) : node(n), as_in_c(n.integer("fmod", 0) != 0) {}
  template <typename A>
  A operator()(A a, A b) const {
    check_divisor(node, b);
    if constexpr (std::is_integral_v<A>) {
      if (overflows(a, b)) return 0;
      const A rest = static_cast<A>(a % b);
      if (!as_in_c && rest != 0 && (rest < 0) != (b < 0)) return static_cast<A>(rest + b);
      return rest;
    } else {
      const A rest = std::fmod(a, b);
      return !as_in_c && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
  const Node& node;
  bool as_in_c;
};

#define NS_COMPARE(Name, sign)        \
  struct Name {                       \
    explicit Name(const Node&) {}     \
    template <typename A>             \
    bool operator()(A a, A b) const { \
      return a sign b;                \
    }                                 \
  }
NS_COMPARE(Equal, ==);
NS_COMPARE(Less, <);
NS_COMPARE(LessOrEqual, <=);
NS_COMPARE(Greater, >);
NS_COMPARE(GreaterOrEqual, >=);
NS_COMPARE(And, &&);
NS_COMPARE(Or, ||);
NS_COMPARE(Xor, !=);
#undef NS_COMPARE

#define NS_BITWISE(Name, sign)         \
  struct Name {                        \
    explicit Name(const Node&) {}      \
    template <typename A>              \
    A operator()(A a, A b) const {     \
      return static_cast<A>(a sign b); \
    }                                  \
  }
NS_BITWISE(BitwiseAnd, &);
NS_BITWISE(BitwiseOr, |);
NS_BITWISE(BitwiseXor, ^);
#undef NS_BITWISE

struct BitShift {
  explicit BitShift(const Node& node) : left(node.text("direction", "") == "LEFT") {
    require(left || node.text("direction", "") == "RIGHT", node, "direction must be LEFT or RIGHT");
  }
  template <typename A>
  A operator()(A a, A b) const {
    if (b >= std::numeric_limits<A>::digits) return 0;
    const auto wide = static_cast<std::uint64_t>(a);
    return static_cast<A>(left ? wide << b : wide >> b);
  }
  bool left;
};

// The second input's shape as it broadcasts. Up to opset 6 it was lined up with `axis` of the first, and only when
// `broadcast` was set.
Shape aligned_shape(const Node& node, std::int64_t opset, const Shape& a, const Shape& b) {
  if (opset >= 7 || a == b) return b;
  require(node.integer("broadcast", 0) != 0, node, "shapes {} and {} differ and broadcast is not set",
          graph::to_string(a), graph::to_string(b));
  if (!node.has("axis")) return b;
  const std::size_t axis = normal_axis(node, node.integer("axis", 0), a.size());
  require(axis + b.size() <= a.size(), node, "{} at axis {} reaches over {}", graph::to_string(b), axis,
          graph::to_string(a));
  Shape aligned = b;
  aligned.resize(a.size() - axis, 1);
  return aligned;
}

// Applies function to every pair; In and Out are element types.
template <typename In, typename Out, typename Function>
void run_pairs(const ComputeContext& context, const Function& function) {
  const Tensor& a = input(context, 0);
  const Tensor& b = input(context, 1);
  Tensor& out = context.outputs[0];
  const Shape b_shape = aligned_shape(context.node, context.opset, a.shape(), b.shape());
  const RowLoop<3> loop(out.shape(), {broadcast_strides(a.shape(), out.shape()),
                                      broadcast_strides(b_shape, out.shape()), dense_strides(out.shape())});
  using A = Arithmetic<In>;
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    const In* x = data<In>(a) + offsets[0];
    const In* y = data<In>(b) + offsets[1];
    Out* z = data<Out>(out) + offsets[2];
    for (std::int64_t i = 0; i < length; ++i) {
      z[i * steps[2]] = Out(function(static_cast<A>(x[i * steps[0]]), static_cast<A>(y[i * steps[1]])));
    }
  });
}

template <typename List, bool kCompares>
std::vector<TensorType> infer_binary(const InferContext& context) {
  const TensorType& a = input(context, 0);
  const TensorType& b = input(context, 1);
  require(a.element == b.element, context.node, "inputs hold {} and {}, which must be the same",
          graph::name_of(a.element), graph::name_of(b.element));
  require_type(List{}, context.node, a.element);
  const Shape b_shape = aligned_shape(context.node, context.opset, a.shape, b.shape);
  return types(context,
               {{kCompares ? ElementType::boolean : a.element, broadcast_shape(context.node, a.shape, b_shape)}});
}

template <typename List, typename Function, bool kCompares>
void compute_binary(const ComputeContext& context) {
  const Function function(context.node);
  dispatch(List{}, context.node, input(context, 0).type(), [&](auto tag) {
    using T = decltype(tag);
    run_pairs<T, std::conditional_t<kCompares, bool, T>>(context, function);
  });
}

template <typename List, typename Function>
constexpr OpDefinition arithmetic(std::string_view type, std::int64_t since = 1) {
  return {"", type, since, 2, 2, 1, 1, infer_binary<List, false>, compute_binary<List, Function, false>};
}
template <typename List, typename Function>
constexpr OpDefinition comparison(std::string_view type, std::int64_t since = 1) {
  return {"", type, since, 2, 2, 1, 1, infer_binary<List, true>, compute_binary<List, Function, true>};
}

constexpr std::array kDefinitions{
    arithmetic<NumericTypes, Add>("Add"),
    comparison<Types<bool>, And>("And"),
    arithmetic<UnsignedTypes, BitShift>("BitShift", 11),
    arithmetic<IntegerTypes, BitwiseAnd>("BitwiseAnd", 18),
    arithmetic<IntegerTypes, BitwiseOr>("BitwiseOr", 18),
    arithmetic<IntegerTypes, BitwiseXor>("BitwiseXor", 18),
    arithmetic<NumericTypes, Div>("Div"),
    comparison<AllTypes, Equal>("Equal"),
    comparison<NumericTypes, Greater>("Greater"),
    comparison<NumericTypes, GreaterOrEqual>("GreaterOrEqual", 12),
    comparison<NumericTypes, Less>("Less"),
    comparison<NumericTypes, LessOrEqual>("LessOrEqual", 12),
    arithmetic<NumericTypes, Mod>("Mod", 10),
    arithmetic<NumericTypes, Mul>("Mul"),
    comparison<Types<bool>, Or>("Or"),
    arithmetic<NumericTypes, Sub>("Sub"),
    comparison<Types<bool>, Xor>("Xor"),
};

}  // namespace

std::span<const OpDefinition> binary_definitions() { return kDefinitions; }

}  // namespace ns::ops
