// What RNN, GRU and LSTM share: shapes, attributes, activations, and the walk over directions, batch and time.
//
//   X [seq, batch, input]   W [directions, gates * hidden, input]   R [directions, gates * hidden, hidden]
//   B [directions, 2 * gates * hidden]   sequence_lens [batch]   initial states [directions, batch, hidden]
//   Y [seq, directions, batch, hidden]   last states [directions, batch, hidden]
//
// With layout=1 the batch comes first: X and Y [batch, seq, ...], states [batch, directions, hidden].
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/rows.h"

namespace ns::ops {

enum class ActivationKind {
  relu,
  tanh,
  sigmoid,
  affine,
  leaky_relu,
  thresholded_relu,
  scaled_tanh,
  hard_sigmoid,
  elu,
  softsign,
  softplus
};

struct Activation {
  ActivationKind kind;
  float alpha = 0, beta = 0;

  template <typename A>
  void apply(A* values, std::int64_t count) const;
};

struct RecurrentSettings {
  std::int64_t seq, batch, input, hidden, directions;
  bool batch_first, first_reversed;
  float clip;                           // 0: none
  std::vector<Activation> activations;  // of all directions, one after the other
};

// `x`, `w`: the shapes of the first two inputs. Error(invalid) names what does not fit.
RecurrentSettings recurrent_settings(const Node&, const Shape& x, const Shape& w, std::int64_t gates,
                                     const std::vector<ActivationKind>& defaults);

// Output types, all inputs checked; `states`: 1, or 2 with the cell of an LSTM.
std::vector<TensorType> infer_recurrent(const InferContext&, std::int64_t gates, std::size_t states,
                                        const std::vector<ActivationKind>& defaults);

template <typename A>
void clip_to(float limit, A* values, std::int64_t count) {
  if (limit <= 0) return;
  const A high = static_cast<A>(limit);
  for (std::int64_t i = 0; i < count; ++i) values[i] = std::min(std::max(values[i], -high), high);  // NaN stays
}

// One direction's parameters; null where left out.
template <typename A>
struct RecurrentParameters {
  const A* r;
  const A* r_bias;
  const A* peepholes;
  const Activation* activations;
  std::int64_t hidden;
  float clip;
};

// Runs Cell over everything. A Cell is made from RecurrentParameters and steps with step(gates, h, c): `gates` holds
// W x + Wb of this time and may be overwritten; h and c (null without a cell) become the new states.
template <typename T, template <typename> class Cell>
class RecurrentRun {
 public:
  using A = Arithmetic<T>;

  RecurrentRun(const ComputeContext& context, const RecurrentSettings& settings, std::int64_t gates, bool with_cell)
      : context_(context),
        settings_(settings),
        gates_(gates),
        with_cell_(with_cell),
        w_(&input(context, 1)),
        r_(&input(context, 2)),
        b_(optional_input(context, 3)),
        p_(optional_input(context, 7)) {}

  void run() {
    x_.resize(static_cast<std::size_t>(settings_.input));
    products_.resize(static_cast<std::size_t>(gates_ * settings_.hidden));
    for (std::int64_t d = 0; d < settings_.directions; ++d) {
      const std::int64_t rows = gates_ * settings_.hidden;
      const auto activations = static_cast<std::int64_t>(settings_.activations.size()) / settings_.directions;
      Cell<A> cell(RecurrentParameters<A>{
          r_.at(d * rows * settings_.hidden), b_.at(d * 2 * rows + rows), p_.at(d * 3 * settings_.hidden),
          settings_.activations.data() + d * activations, settings_.hidden, settings_.clip});
      for (std::int64_t b = 0; b < settings_.batch; ++b) run_sequence(cell, d, b);
    }
  }

 private:
  // Of state vector (d, b), in either layout.
  std::int64_t state_offset(std::int64_t d, std::int64_t b) const {
    const std::int64_t row = settings_.batch_first ? b * settings_.directions + d : d * settings_.batch + b;
    return row * settings_.hidden;
  }

  std::int64_t length_of(std::int64_t b) const {
    const Tensor* lengths = optional_input(context_, 4);
    if (lengths == nullptr) return settings_.seq;
    const std::int64_t length = data<std::int32_t>(*lengths)[b];
    require(length >= 0 && length <= settings_.seq, context_.node, "a sequence has the length {}, the input {}", length,
            settings_.seq);
    return length;
  }

  std::vector<A> initial_state(std::size_t index, std::int64_t d, std::int64_t b) const {
    std::vector<A> state(static_cast<std::size_t>(settings_.hidden), A(0));
    if (const Tensor* initial = optional_input(context_, index)) {
      const T* from = data<T>(*initial) + state_offset(d, b);
      for (std::size_t i = 0; i < state.size(); ++i) state[i] = static_cast<A>(from[i]);
    }
    return state;
  }

  // W x + Wb at one time.
  void multiply_input(std::int64_t d, std::int64_t b, std::int64_t t) {
    const std::int64_t rows = gates_ * settings_.hidden;
    const std::int64_t row = settings_.batch_first ? b * settings_.seq + t : t * settings_.batch + b;
    const T* from = data<T>(input(context_, 0)) + row * settings_.input;
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = static_cast<A>(from[i]);
    if (const A* bias = b_.at(d * 2 * rows)) {
      std::copy(bias, bias + rows, products_.begin());
    } else {
      std::fill(products_.begin(), products_.end(), A(0));
    }
    add_product(w_.at(d * rows * settings_.input), x_.data(), rows, settings_.input, products_.data());
  }

  void write_output(std::int64_t d, std::int64_t b, std::int64_t t, const A* h) {
    if (!has_output(context_, 0)) return;
    const std::int64_t row = settings_.batch_first ? (b * settings_.seq + t) * settings_.directions + d
                                                   : (t * settings_.directions + d) * settings_.batch + b;
    T* to = data<T>(context_.outputs[0]) + row * settings_.hidden;
    for (std::int64_t i = 0; i < settings_.hidden; ++i) to[i] = h != nullptr ? T(h[i]) : T(A(0));
  }

  void write_state(std::size_t output, std::int64_t d, std::int64_t b, const std::vector<A>& state) {
    if (!has_output(context_, output)) return;
    T* to = data<T>(context_.outputs[output]) + state_offset(d, b);
    for (std::size_t i = 0; i < state.size(); ++i) to[i] = T(state[i]);
  }

  void run_sequence(Cell<A>& cell, std::int64_t d, std::int64_t b) {
    const std::int64_t length = length_of(b);
    const bool reversed = d == 1 || settings_.first_reversed;
    std::vector<A> h = initial_state(5, d, b);
    std::vector<A> c = initial_state(6, d, b);
    for (std::int64_t step = 0; step < length; ++step) {
      const std::int64_t t = reversed ? length - 1 - step : step;
      multiply_input(d, b, t);
      cell.step(products_.data(), h.data(), c.data());
      write_output(d, b, t, h.data());
    }
    for (std::int64_t t = length; t < settings_.seq; ++t) write_output(d, b, t, nullptr);
    write_state(1, d, b, h);
    if (with_cell_) write_state(2, d, b, c);
  }

  const ComputeContext& context_;
  const RecurrentSettings& settings_;
  std::int64_t gates_;
  bool with_cell_;
  Numbers<T> w_, r_, b_, p_;
  std::vector<A> x_, products_;
};

template <template <typename> class Cell>
void compute_recurrent(const ComputeContext& context, std::int64_t gates, std::size_t states,
                       const std::vector<ActivationKind>& defaults) {
  const RecurrentSettings settings =
      recurrent_settings(context.node, input(context, 0).shape(), input(context, 1).shape(), gates, defaults);
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { RecurrentRun<decltype(tag), Cell>(context, settings, gates, states == 2).run(); });
}

}  // namespace ns::ops
