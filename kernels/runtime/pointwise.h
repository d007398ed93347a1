// Pointwise: a chain of functions of single numbers, done on a piece of the tensor that stays in the first-level cache,
// so that memory is read and written once however long the chain is.
//
// A program is immutable and may run on several threads, each with its own scratch memory. float32 alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ns::runtime {

enum class PointFunction : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  power,
  negate,
  absolute,
  square,
  square_root,
  reciprocal,
  exponential,
  logarithm,
  erf,
  tanh,
  sigmoid,
  leaky_relu,    // alpha: slope below zero
  clip,          // to [alpha, beta]
  elu,           // alpha
  hard_sigmoid,  // alpha * x + beta, cut to [0, 1]
  hard_swish,
  softplus,
  floor,
  ceil,
  round,
  count_of_functions
};

// Element i of the output takes element (i / repeat) % period of the input.
struct PointInput {
  std::size_t period = 1, repeat = 1;
  std::vector<float> constant;  // not empty: of these numbers, and of no buffer
};

// Sources are numbered: first the inputs, then what each instruction before this one made.
struct PointInstruction {
  PointFunction function;
  std::uint32_t left = 0, right = 0;  // right: of functions of two numbers
  float alpha = 0, beta = 0;
};

struct PointProgram {
  std::size_t count = 0;  // elements of each output
  std::vector<PointInput> inputs;
  std::vector<PointInstruction> instructions;
  std::vector<std::uint32_t> outputs;  // each a different instruction's source number
};

bool takes_two(PointFunction);

// Scratch memory of a run.
std::size_t scratch_bytes(const PointProgram&);

// `inputs`: a buffer for each input that has no constant, in order. An output may lie where an input of the full size
// does.
void run(const PointProgram&, std::span<void* const> inputs, std::span<void* const> outputs, void* scratch);

}  // namespace ns::runtime
