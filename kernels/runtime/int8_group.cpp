#include "kernels/runtime/int8_group.h"

#include <numeric>

namespace ns::runtime {

using graph::ElementType;
using graph::Tensor;

std::optional<QuantizedEnd> quantized_by(Lowering& lowering, graph::ValueId value) {
  Resolved& resolved = lowering.resolved();
  const std::int32_t next = resolved.only_consumer(value);
  if (next < 0 || lowering.is_taken(next) || !resolved.node(next).is("QuantizeLinear")) return std::nullopt;
  const auto quantization = resolved.quantization_of(resolved.node(next));
  if (!quantization) return std::nullopt;
  return QuantizedEnd{next, resolved.node(next).outputs[0], *quantization};
}

Tensor all_values(const Quantization& q) {
  Tensor result(ElementType::float32, {256});
  std::array<std::uint8_t, 256> bytes;
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  dequantize(bytes.data(), result.values<float>().data(), bytes.size(), q);
  return result;
}

Table requantizing(const Quantization& from, const Quantization& to) {
  const Tensor reals = all_values(from);
  Table table;
  quantize(reals.values<float>().data(), table.data(), table.size(), to);
  return table;
}

void add_table(Lowering& lowering, const std::string& name, const std::string& operation, BufferId from, BufferId to,
               std::size_t count, const Table& table) {
  lowering.add(name, operation, loop_step([count, table](auto in, auto out, void*) {
                 look_up(static_cast<const std::uint8_t*>(in[0]), static_cast<std::uint8_t*>(out[0]), count, table);
               }),
               {from}, {to});
}

}  // namespace ns::runtime
