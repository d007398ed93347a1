// GRU, gates in the order z, r, h:
//
//   z = f(W x + R H + Wb + Rb)      r likewise      H = (1 - z) h + z H
//   h = g(W x + R (r H) + Wb + Rb)   or, with linear_before_reset,   g(W x + Wb + r (R H + Rb))
#include <array>

#include "kernels/ops/recurrent.h"

namespace ns::ops {

namespace {

const std::vector<ActivationKind>& defaults() {
  static const std::vector<ActivationKind> kinds{ActivationKind::sigmoid, ActivationKind::tanh};
  return kinds;
}

template <typename A, bool kLinearBeforeReset>
class Cell {
 public:
  explicit Cell(const RecurrentParameters<A>& parameters)
      : p_(parameters), scratch_(static_cast<std::size_t>(p_.hidden)) {}

  void step(A* gates, A* h, A*) {
    const std::int64_t n = p_.hidden;
    A* z = gates;
    A* r = gates + n;
    A* candidate = gates + 2 * n;
    add_bias(gates, 2 * n, 0);
    add_product(p_.r, h, 2 * n, n, gates);
    clip_to(p_.clip, gates, 2 * n);
    p_.activations[0].apply(gates, 2 * n);
    add_recurrent(r, h, candidate);
    clip_to(p_.clip, candidate, n);
    p_.activations[1].apply(candidate, n);
    for (std::int64_t i = 0; i < n; ++i) h[i] = (A(1) - z[i]) * candidate[i] + z[i] * h[i];
  }

 private:
  void add_bias(A* to, std::int64_t count, std::int64_t first) const {
    for (std::int64_t i = 0; i < count && p_.r_bias != nullptr; ++i) to[i] += p_.r_bias[first + i];
  }

  void add_recurrent(const A* r, const A* h, A* candidate) {
    const std::int64_t n = p_.hidden;
    const A* matrix = p_.r + 2 * n * n;
    if constexpr (kLinearBeforeReset) {
      std::fill(scratch_.begin(), scratch_.end(), A(0));
      add_bias(scratch_.data(), n, 2 * n);
      add_product(matrix, h, n, n, scratch_.data());
      for (std::int64_t i = 0; i < n; ++i) candidate[i] += r[i] * scratch_[static_cast<std::size_t>(i)];
    } else {
      for (std::int64_t i = 0; i < n; ++i) scratch_[static_cast<std::size_t>(i)] = r[i] * h[i];
      add_bias(candidate, n, 2 * n);
      add_product(matrix, scratch_.data(), n, n, candidate);
    }
  }

  RecurrentParameters<A> p_;
  std::vector<A> scratch_;
};

template <typename A>
using ResetFirst = Cell<A, false>;
template <typename A>
using LinearFirst = Cell<A, true>;

std::vector<TensorType> infer_gru(const InferContext& context) { return infer_recurrent(context, 3, 1, defaults()); }

void compute_gru(const ComputeContext& context) {
  if (context.node.integer("linear_before_reset", 0) != 0) {
    compute_recurrent<LinearFirst>(context, 3, 1, defaults());
  } else {
    compute_recurrent<ResetFirst>(context, 3, 1, defaults());
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "GRU", 1, 3, 6, 0, 2, infer_gru, compute_gru},
};

}  // namespace

std::span<const OpDefinition> gru_definitions() { return kDefinitions; }

}  // namespace ns::ops
