// RNN: H = f(W x + R H + Wb + Rb).
#include <array>

#include "kernels/ops/recurrent.h"

namespace ns::ops {

namespace {

const std::vector<ActivationKind>& defaults() {
  static const std::vector<ActivationKind> kinds{ActivationKind::tanh};
  return kinds;
}

template <typename A>
class Cell {
 public:
  explicit Cell(const RecurrentParameters<A>& parameters) : p_(parameters) {}

  void step(A* gate, A* h, A*) {
    for (std::int64_t i = 0; i < p_.hidden && p_.r_bias != nullptr; ++i) gate[i] += p_.r_bias[i];
    add_product(p_.r, h, p_.hidden, p_.hidden, gate);
    clip_to(p_.clip, gate, p_.hidden);
    p_.activations[0].apply(gate, p_.hidden);
    std::copy(gate, gate + p_.hidden, h);
  }

 private:
  RecurrentParameters<A> p_;
};

std::vector<TensorType> infer_rnn(const InferContext& context) { return infer_recurrent(context, 1, 1, defaults()); }
void compute_rnn(const ComputeContext& context) { compute_recurrent<Cell>(context, 1, 1, defaults()); }

constexpr std::array kDefinitions{
    OpDefinition{"", "RNN", 1, 3, 6, 0, 2, infer_rnn, compute_rnn},
};

}  // namespace

std::span<const OpDefinition> rnn_definitions() { return kDefinitions; }

}  // namespace ns::ops
