// Tail: what follows a convolution or matrix product and can be done while its results are still in registers.
//
//   Conv -> [Add constant] -> { activation | QuantizeLinear -> DequantizeLinear | Add residual }… -> [QuantizeLinear]
//
// Pure; used while a plan is made.
#pragma once

#include <optional>
#include <vector>

#include "kernels/onednn/kernel.h"
#include "kernels/runtime/resolved.h"

namespace ns::runtime {

struct Activation {
  onednn::Function function;
  float alpha = 0, beta = 0;
};

// The function that a node applies to every float of its one input, if it is one that primitives know.
std::optional<Activation> activation_of(Resolved&, const graph::Node&);

struct TailStep {
  enum class Kind { activation, round_trip, residual };
  Kind kind;
  Activation activation{};
  Quantization quantization{};               // of the round trip through 8 bits, or of the residual
  graph::ValueId residual = graph::kAbsent;  // the stored 8-bit value, or the float value
  bool residual_is_quantized = false;
};

struct Tail {
  std::vector<std::int32_t> nodes;
  std::vector<float> bias;  // one a channel; empty: none
  std::vector<TailStep> steps;
  std::optional<Quantization> output;  // none: float
  graph::ValueId value = graph::kAbsent;
};

struct TailRules {
  bool int8 = false;             // may end in QuantizeLinear and pass through 8 bits on the way
  bool residual = true;          // may take an Add of two tensors
  std::size_t channel_axis = 1;  // of the constants that may be added
};

// The longest tail from `start` that leaves no value that somebody else needs. `taken` nodes belong to others.
Tail follow_tail(Resolved&, const std::vector<bool>& taken, graph::ValueId start, const TailRules&);

// The tail as post operations of a primitive whose accumulator, times `scales`, is the real result.
struct Epilogue {
  onednn::Arithmetic arithmetic;
  std::vector<onednn::PostOperation> post;
  std::vector<graph::ValueId> extra_inputs;
  graph::ElementType output_type = graph::ElementType::float32;
};
Epilogue epilogue_of(const Tail&, std::vector<float> scales);

}  // namespace ns::runtime
