// Operators of one input that work on each element alone.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

// A function without attributes; A is float, double or an integer type.
#define NS_UNARY(Name, expression)       \
  struct Name {                          \
    explicit Name(const Node&) {}        \
    template <typename A>                \
    A operator()(A x) const {            \
      return static_cast<A>(expression); \
    }                                    \
  }

NS_UNARY(Acos, std::acos(x));
NS_UNARY(Acosh, std::acosh(x));
NS_UNARY(Asin, std::asin(x));
NS_UNARY(Asinh, std::asinh(x));
NS_UNARY(Atan, std::atan(x));
NS_UNARY(Atanh, std::atanh(x));
NS_UNARY(Ceil, std::ceil(x));
NS_UNARY(Cos, std::cos(x));
NS_UNARY(Cosh, std::cosh(x));
NS_UNARY(Erf, std::erf(x));
NS_UNARY(Exp, std::exp(x));
NS_UNARY(Floor, std::floor(x));
NS_UNARY(Log, std::log(x));
NS_UNARY(Mish, x* std::tanh(std::max(x, A(0)) + std::log1p(std::exp(-std::abs(x)))));
NS_UNARY(Reciprocal, A(1) / x);
NS_UNARY(Round, std::nearbyint(x));  // half to even, in the default rounding mode
NS_UNARY(Sin, std::sin(x));
NS_UNARY(Sinh, std::sinh(x));
// Written with exp(-|x|) so that nothing overflows.
NS_UNARY(Sigmoid, x >= A(0) ? A(1) / (A(1) + std::exp(-x)) : std::exp(x) / (A(1) + std::exp(x)));
NS_UNARY(Softplus, std::max(x, A(0)) + std::log1p(std::exp(-std::abs(x))));
NS_UNARY(Softsign, x / (A(1) + std::abs(x)));
NS_UNARY(Sqrt, std::sqrt(x));
NS_UNARY(Tan, std::tan(x));
NS_UNARY(Tanh, std::tanh(x));
NS_UNARY(HardSwish, x* std::max(A(0), std::min(A(1), x / A(6) + A(0.5))));
NS_UNARY(Relu, x > A(0) || !(x == x) ? x : A(0));
NS_UNARY(Negative, wrapped(A(0), x, [](auto zero, auto value) { return zero - value; }));
NS_UNARY(Sign, x > A(0) ? A(1) : (x < A(0) ? A(-1) : x));
NS_UNARY(Inverted, !x);
NS_UNARY(BitsInverted, ~x);
#undef NS_UNARY

struct Absolute {
  explicit Absolute(const Node&) {}
  template <typename A>
  A operator()(A x) const {
    if constexpr (std::is_unsigned_v<A>) {
      return x;
    } else if constexpr (std::is_integral_v<A>) {
      return x < 0 ? Negative(Node{})(x) : x;
    } else {
      return std::abs(x);
    }
  }
};

// -0.0 and NaN as IEEE has it, where 0 - x would lose the sign of zero.
struct Neg {
  explicit Neg(const Node& node) : integer(node) {}
  template <typename A>
  A operator()(A x) const {
    if constexpr (std::is_integral_v<A>) {
      return integer(x);
    } else {
      return -x;
    }
  }
  Negative integer;
};

struct LeakyRelu {
  explicit LeakyRelu(const Node& node) : alpha(node.real("alpha", 0.01f)) {}
  template <typename A>
  A operator()(A x) const {
    return x < A(0) ? static_cast<A>(alpha) * x : x;
  }
  float alpha;
};

struct Elu {
  explicit Elu(const Node& node) : alpha(node.real("alpha", 1.0f)) {}
  template <typename A>
  A operator()(A x) const {
    return x < A(0) ? static_cast<A>(alpha) * std::expm1(x) : x;
  }
  float alpha;
};

struct Celu {
  explicit Celu(const Node& node) : alpha(node.real("alpha", 1.0f)) {}
  template <typename A>
  A operator()(A x) const {
    const A a = static_cast<A>(alpha);
    return std::max(A(0), x) + std::min(A(0), a * std::expm1(x / a));
  }
  float alpha;
};

struct Selu {
  explicit Selu(const Node& node)
      : alpha(node.real("alpha", 1.67326319217681884765625f)), gamma(node.real("gamma", 1.05070102214813232421875f)) {}
  template <typename A>
  A operator()(A x) const {
    return static_cast<A>(gamma) * (x > A(0) ? x : static_cast<A>(alpha) * std::expm1(x));
  }
  float alpha, gamma;
};

struct HardSigmoid {
  explicit HardSigmoid(const Node& node) : alpha(node.real("alpha", 0.2f)), beta(node.real("beta", 0.5f)) {}
  template <typename A>
  A operator()(A x) const {
    return std::max(A(0), std::min(A(1), static_cast<A>(alpha) * x + static_cast<A>(beta)));
  }
  float alpha, beta;
};

struct ThresholdedRelu {
  explicit ThresholdedRelu(const Node& node) : alpha(node.real("alpha", 1.0f)) {}
  template <typename A>
  A operator()(A x) const {
    return x > static_cast<A>(alpha) ? x : A(0);
  }
  float alpha;
};

struct Shrink {
  explicit Shrink(const Node& node) : bias(node.real("bias", 0.0f)), lambd(node.real("lambd", 0.5f)) {}
  template <typename A>
  A operator()(A x) const {
    const double value = static_cast<double>(x);
    if (value < -static_cast<double>(lambd)) return convert<A>(value + static_cast<double>(bias));
    if (value > static_cast<double>(lambd)) return convert<A>(value - static_cast<double>(bias));
    return A(0);
  }
  float bias, lambd;
};

struct Gelu {
  explicit Gelu(const Node& node) : tanh_form(node.text("approximate", "none") == "tanh") {}
  template <typename A>
  A operator()(A x) const {
    if (tanh_form) {
      return A(0.5) * x * (A(1) + std::tanh(A(0.7978845608028654) * (x + A(0.044715) * x * x * x)));
    }
    return A(0.5) * x * (A(1) + std::erf(x * A(0.7071067811865476)));
  }
  bool tanh_form;
};

template <typename List, typename Function>
void compute_unary(const ComputeContext& context) {
  const Tensor& in = input(context, 0);
  const Function function(context.node);
  dispatch(List{}, context.node, in.type(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = data<T>(in);
    T* to = data<T>(context.outputs[0]);
    const std::int64_t count = in.count();
    for (std::int64_t i = 0; i < count; ++i) to[i] = T(function(static_cast<Arithmetic<T>>(from[i])));
  });
}

template <typename List>
std::vector<TensorType> infer_unary(const InferContext& context) {
  require_type(List{}, context.node, input(context, 0).element);
  return infer_same(context);
}

template <typename List, typename Function>
constexpr OpDefinition unary(std::string_view type, std::int64_t since = 1) {
  return {"", type, since, 1, 1, 1, 1, infer_unary<List>, compute_unary<List, Function>};
}

std::vector<TensorType> infer_test(const InferContext& context) {
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  return types(context, {{ElementType::boolean, input(context, 0).shape}});
}

template <typename Test>
void compute_test(const ComputeContext& context) {
  const Tensor& in = input(context, 0);
  const Test test(context.node);
  dispatch(FloatTypes{}, context.node, in.type(), [&](auto tag) {
    using T = decltype(tag);
    const auto to = context.outputs[0].values<bool>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = test(static_cast<Arithmetic<T>>(data<T>(in)[i]));
  });
}

struct IsNaN {
  explicit IsNaN(const Node&) {}
  template <typename A>
  bool operator()(A x) const {
    return std::isnan(x);
  }
};

struct IsInf {
  explicit IsInf(const Node& node)
      : positive(node.integer("detect_positive", 1) != 0), negative(node.integer("detect_negative", 1) != 0) {}
  template <typename A>
  bool operator()(A x) const {
    return std::isinf(x) && (x > 0 ? positive : negative);
  }
  bool positive, negative;
};

using SignedNumbers = Joined<FloatTypes, SignedTypes>;

constexpr std::array kDefinitions{
    unary<NumericTypes, Absolute>("Abs"),
    unary<FloatTypes, Acos>("Acos"),
    unary<FloatTypes, Acosh>("Acosh"),
    unary<FloatTypes, Asin>("Asin"),
    unary<FloatTypes, Asinh>("Asinh"),
    unary<FloatTypes, Atan>("Atan"),
    unary<FloatTypes, Atanh>("Atanh"),
    unary<IntegerTypes, BitsInverted>("BitwiseNot", 18),
    unary<FloatTypes, Ceil>("Ceil"),
    unary<FloatTypes, Celu>("Celu", 12),
    unary<FloatTypes, Cos>("Cos"),
    unary<FloatTypes, Cosh>("Cosh"),
    unary<FloatTypes, Elu>("Elu"),
    unary<FloatTypes, Erf>("Erf"),
    unary<FloatTypes, Exp>("Exp"),
    unary<FloatTypes, Floor>("Floor"),
    unary<FloatTypes, Gelu>("Gelu", 20),
    unary<FloatTypes, HardSigmoid>("HardSigmoid"),
    unary<FloatTypes, HardSwish>("HardSwish", 14),
    unary<FloatTypes, LeakyRelu>("LeakyRelu"),
    unary<FloatTypes, Log>("Log"),
    unary<FloatTypes, Mish>("Mish", 18),
    unary<SignedNumbers, Neg>("Neg"),
    unary<Types<bool>, Inverted>("Not"),
    unary<FloatTypes, Reciprocal>("Reciprocal"),
    unary<SignedNumbers, Relu>("Relu"),
    unary<FloatTypes, Round>("Round", 11),
    unary<FloatTypes, Selu>("Selu"),
    unary<NumericTypes, Shrink>("Shrink", 9),
    unary<FloatTypes, Sigmoid>("Sigmoid"),
    unary<NumericTypes, Sign>("Sign", 9),
    unary<FloatTypes, Sin>("Sin"),
    unary<FloatTypes, Sinh>("Sinh"),
    unary<FloatTypes, Softplus>("Softplus"),
    unary<FloatTypes, Softsign>("Softsign"),
    unary<FloatTypes, Sqrt>("Sqrt"),
    unary<FloatTypes, Tan>("Tan"),
    unary<FloatTypes, Tanh>("Tanh"),
    unary<FloatTypes, ThresholdedRelu>("ThresholdedRelu"),
    OpDefinition{"", "IsNaN", 9, 1, 1, 1, 1, infer_test, compute_test<IsNaN>},
    OpDefinition{"", "IsInf", 10, 1, 1, 1, 1, infer_test, compute_test<IsInf>},
};

}  // namespace

std::span<const OpDefinition> unary_definitions() { return kDefinitions; }

}  // namespace ns::ops
