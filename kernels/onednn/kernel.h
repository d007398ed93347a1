// Kernel: one compiled oneDNN primitive with its packed weights, and what its makers are told.
//
// A Kernel is immutable and may be shared between threads; a Bound is a kernel tied to the buffers of one workspace and
// belongs to the thread that runs it. The number of threads is fixed when a kernel is made (set_threads) and must be
// the same when it runs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/onednn/layout.h"

namespace ns::onednn {

// Threads that oneDNN uses for work started by the calling thread. Cheap; 1 never starts a team.
void set_threads(int threads);

class Bound {
 public:
  virtual ~Bound() = default;
  virtual void run() = 0;
  virtual void set_input(std::size_t index, void* bytes) = 0;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  std::vector<Layout> inputs;  // how each input that is known only at run time must lie
  Layout output;
  std::size_t scratchpad_bytes = 0;
  std::string implementation;
  int shares_input = -1;  // the output must lie in this input's buffer (a sum in place); -1: in its own

  virtual std::unique_ptr<Bound> bind(std::span<void* const> input_bytes, void* output_bytes,
                                      void* scratchpad) const = 0;
};

// A maker's answer: a kernel, or the reason why it declines.
struct Made {
  std::shared_ptr<const Kernel> kernel;
  std::string declined;
};

enum class Function {
  relu,
  clip,
  logistic,
  tanh,
  elu,
  hardswish,
  linear,
  round,
  abs,
  sqrt,
  exp,
  log,
  square,
  gelu_erf
};

// What is done to each result before it is stored, in order.
struct PostOperation {
  enum class Kind {
    function,  // Function with alpha and beta (relu: slope below zero; clip: bounds; linear: alpha * x + beta)
    sum,       // plus scale * (what the output's buffer held - zero_point): the buffer of an extra input
    add,       // plus an extra input, broadcast
  };
  Kind kind = Kind::function;
  Function function = Function::relu;
  float alpha = 0, beta = 0;
  float scale = 1;
  std::int32_t zero_point = 0;
  graph::ElementType type = graph::ElementType::float32;  // of the extra input
  graph::Shape shape;                                     // of the extra input of `add`

  static PostOperation of(Function function, float alpha = 0, float beta = 0) {
    return {.function = function, .alpha = alpha, .beta = beta, .shape = {}};
  }
  static PostOperation linear(float factor, float offset) { return of(Function::linear, factor, offset); }
};

// int8 arithmetic: stored = post(output_scale * (sum of (input - input_zero_point) * weight + bias)) +
// output_zero_point. Float arithmetic leaves it as it is.
struct Arithmetic {
  std::vector<float> output_scales{1.0F};  // one, or one an output channel
  std::int32_t input_zero_point = 0;
  std::int32_t output_zero_point = 0;
};

}  // namespace ns::onednn
