// What the recognisers of 8-bit groups share.
#pragma once

#include <optional>
#include <string>

#include "kernels/runtime/loops.h"
#include "kernels/runtime/lowering.h"

namespace ns::runtime {

// The QuantizeLinear that alone uses a value, and what it makes.
struct QuantizedEnd {
  std::int32_t node;
  graph::ValueId value;
  Quantization quantization;
};
std::optional<QuantizedEnd> quantized_by(Lowering&, graph::ValueId);

// Every stored number as the real number it stands for, by its byte.
graph::Tensor all_values(const Quantization&);
// From the byte of one quantization to that of another.
Table requantizing(const Quantization& from, const Quantization& to);

void add_table(Lowering&, const std::string& name, const std::string& operation, BufferId from, BufferId to,
               std::size_t count, const Table&);

}  // namespace ns::runtime
