// LSTM, gates in the order i, o, f, c; peepholes P in the order i, o, f:
//
//   i = f(W x + R H + P C + Wb + Rb)      f likewise, or 1 - i with input_forget
//   c = g(W x + R H + Wb + Rb)            C = f C + i c
//   o = f(W x + R H + P C + Wb + Rb)      H = o h(C)
#include <array>

#include "kernels/ops/recurrent.h"

namespace ns::ops {

namespace {

const std::vector<ActivationKind>& defaults() {
  static const std::vector<ActivationKind> kinds{ActivationKind::sigmoid, ActivationKind::tanh, ActivationKind::tanh};
  return kinds;
}

template <typename A, bool kInputForget>
class Cell {
 public:
  explicit Cell(const RecurrentParameters<A>& parameters)
      : p_(parameters), scratch_(static_cast<std::size_t>(p_.hidden)) {}

  void step(A* gates, A* h, A* c) {
    const std::int64_t n = p_.hidden;
    A* in = gates;
    A* out = gates + n;
    A* forget = gates + 2 * n;
    A* candidate = gates + 3 * n;
    for (std::int64_t i = 0; i < 4 * n && p_.r_bias != nullptr; ++i) gates[i] += p_.r_bias[i];
    add_product(p_.r, h, 4 * n, n, gates);
    gate(in, 0, c);
    activate(1, candidate);
    if constexpr (kInputForget) {
      for (std::int64_t i = 0; i < n; ++i) forget[i] = A(1) - in[i];
    } else {
      gate(forget, 2, c);
    }
    for (std::int64_t i = 0; i < n; ++i) c[i] = forget[i] * c[i] + in[i] * candidate[i];
    gate(out, 1, c);
    std::copy(c, c + n, scratch_.begin());
    activate(2, scratch_.data());
    for (std::int64_t i = 0; i < n; ++i) h[i] = out[i] * scratch_[static_cast<std::size_t>(i)];
  }

 private:
  void activate(std::size_t activation, A* values) const {
    clip_to(p_.clip, values, p_.hidden);
    p_.activations[activation].apply(values, p_.hidden);
  }

  void gate(A* values, std::int64_t peephole, const A* c) const {
    if (p_.peepholes != nullptr) {
      const A* weights = p_.peepholes + peephole * p_.hidden;
      for (std::int64_t i = 0; i < p_.hidden; ++i) values[i] += weights[i] * c[i];
    }
    activate(0, values);
  }

  RecurrentParameters<A> p_;
  std::vector<A> scratch_;
};

template <typename A>
using Plain = Cell<A, false>;
template <typename A>
using Coupled = Cell<A, true>;

std::vector<TensorType> infer_lstm(const InferContext& context) { return infer_recurrent(context, 4, 2, defaults()); }

void compute_lstm(const ComputeContext& context) {
  if (context.node.integer("input_forget", 0) != 0) {
    compute_recurrent<Coupled>(context, 4, 2, defaults());
  } else {
    compute_recurrent<Plain>(context, 4, 2, defaults());
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "LSTM", 1, 3, 8, 0, 3, infer_lstm, compute_lstm},
};

}  // namespace

std::span<const OpDefinition> lstm_definitions() { return kDefinitions; }

}  // namespace ns::ops
