// Nodes that only move numbers: every type, and on the stored bytes between DequantizeLinear and QuantizeLinear.
//
//   x -> Slice | Pad                        blocks copied, in the layout that x has
//   DQ(x) -> Reshape | Slice | Pad | Transpose | … -> Q    bytes moved; through a table where the scales differ
#include <algorithm>
#include <cstring>

#include "kernels/runtime/block_copy.h"
#include "kernels/runtime/int8_group.h"
#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/shape_words.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::ValueId;
using onednn::Layout;

namespace {

bool is_channels_last(const Layout& layout) { return !layout.is_row_major() && layout.is_channels_last(); }

// Copies in the layout in which the input lies; `fill` is one element's bytes for what is not copied.
void emit_copy(Lowering& lowering, const Node& node, const std::string& operation, const Region& region,
               BufferId source, BufferId target, bool channels_last, const Shape& from, const Shape& to,
               std::vector<std::byte> fill) {
  const BlockCopy copy = block_copy(region, from, to, channels_last, std::move(fill));
  lowering.add(node.name, operation, loop_step([copy](auto in, auto out, void*) { copy.run(in[0], out[0]); }), {source},
               {target});
}

std::vector<std::byte> bytes_of(const void* value, std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), value, size);
  return bytes;
}

// What Pad puts around: zero unless a constant says otherwise. Nothing: known only at run time.
std::optional<std::vector<std::byte>> padding_of(Resolved& resolved, const Node& node, std::size_t size) {
  if (node.is("Pad") && node.inputs.size() > 2 && node.inputs[2] != kAbsent) {
    const graph::Tensor* constant = resolved.constant(node.inputs[2]);
    if (constant == nullptr || constant->count() != 1 || constant->byte_count() != size) return std::nullopt;
    return bytes_of(constant->bytes(), size);
  }
  const float value = node.is("Pad") ? node.real("value", 0.0F) : 0.0F;
  if (value != 0) return std::nullopt;
  return std::vector<std::byte>(size);
}

}  // namespace

std::optional<Group> block(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  const std::optional<Region> region = region_of(resolved, node);
  if (!region) return std::nullopt;
  const auto fill = padding_of(resolved, node, graph::size_of(resolved.type(node.outputs[0]).element));
  if (!fill) return std::nullopt;
  Group group;
  group.nodes = {index};
  group.emit = [index, region = *region, fill = *fill](Lowering& to) {
    const Node& one = to.node(index);
    const ValueId input = one.inputs[0], output = one.outputs[0];
    const Layout layout = to.layout_of(input);
    const bool last = is_channels_last(layout);
    const Shape& shape = to.resolved().shape(output);
    const BufferId source = last ? to.obtain(input, layout) : to.obtain_plain(input);
    const BufferId target =
        to.produce(output, last ? Layout::channels_last(layout.type(), shape) : to.plain_layout(output));
    emit_copy(to, one, one.op_type, region, source, target, last, to.resolved().shape(input), shape, fill);
    return true;
  };
  return group;
}

namespace {

struct Movement {
  std::int32_t node;
  Quantized input;
  QuantizedEnd end;
  std::optional<Region> region;  // of Slice and Pad
  std::uint8_t fill = 0;         // the stored byte that stands for Pad's value
};

// Other operators that move numbers and nothing else.
bool moves_bytes(Resolved& resolved, const Node& node) {
  static constexpr std::string_view kTypes[] = {"Transpose", "Expand", "Tile", "DepthToSpace", "SpaceToDepth"};
  if (is_view(node)) return true;
  if (!node.domain.empty() || std::find(std::begin(kTypes), std::end(kTypes), node.op_type) == std::end(kTypes)) {
    return false;
  }
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    if (node.inputs[i] != kAbsent && !resolved.is_constant(node.inputs[i])) return false;
  }
  return true;
}

// The stored input in `layout`, in the output's quantization.
BufferId requantized(Lowering& lowering, const Movement& one, const Layout& layout) {
  const BufferId stored = lowering.obtain(one.input.stored, layout);
  if (one.input.quantization == one.end.quantization) return stored;
  const BufferId target = lowering.temporary(layout.bytes());
  add_table(lowering, lowering.node(one.node).name, "int8 requantize", stored, target, layout.bytes(),
            requantizing(one.input.quantization, one.end.quantization));
  return target;
}

void emit_plainly(Lowering& lowering, const Movement& one) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(one.node);
  PlainCall call{.node = &node, .opset = resolved.opset_of(node), .definition = nullptr, .inputs = {}, .outputs = {}};
  call.definition = ops::find_op(node.domain, node.op_type, call.opset);
  const ElementType type = one.end.quantization.type;
  std::vector<BufferId> inputs{requantized(lowering, one, lowering.plain_layout(one.input.stored))};
  call.inputs.push_back({type, resolved.shape(one.input.stored)});
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    const bool absent = node.inputs[i] == kAbsent;
    call.inputs.push_back(absent ? ops::TensorType{} : resolved.type(node.inputs[i]));
    inputs.push_back(absent ? lowering.temporary(0) : lowering.obtain_plain(node.inputs[i]));
  }
  call.outputs = {{type, resolved.shape(one.end.value)}};
  const BufferId target = lowering.produce(one.end.value, lowering.plain_layout(one.end.value));
  lowering.add(node.name, "int8 " + node.op_type, plain_step(std::move(call)), std::move(inputs), {target});
}

bool emit_movement(Lowering& lowering, const Movement& one) {
  const Node& node = lowering.node(one.node);
  const ElementType type = one.end.quantization.type;
  const Shape& shape = lowering.resolved().shape(one.end.value);
  if (is_view(node)) {
    lowering.place(one.end.value, lowering.plain_layout(one.end.value),
                   requantized(lowering, one, lowering.plain_layout(one.input.stored)));
    return true;
  }
  if (!one.region) {
    emit_plainly(lowering, one);
    return true;
  }
  const Layout found = lowering.layout_of(one.input.stored);
  const bool last = is_channels_last(found);
  const BufferId source = requantized(lowering, one, last ? found : lowering.plain_layout(one.input.stored));
  const BufferId target =
      lowering.produce(one.end.value, last ? Layout::channels_last(type, shape) : Layout::plain(type, shape));
  emit_copy(lowering, node, "int8 " + node.op_type, *one.region, source, target, last,
            lowering.resolved().shape(one.input.stored), shape, {std::byte{one.fill}});
  return true;
}

}  // namespace

std::optional<Group> int8_movement(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (node.inputs.empty()) return std::nullopt;
  const auto input = resolved.dequantized(node.inputs[0]);
  if (!input) return std::nullopt;
  const std::optional<Region> region = region_of(resolved, node);
  if (!region && !moves_bytes(resolved, node)) return std::nullopt;
  const auto end = quantized_by(lowering, node.outputs[0]);
  if (!end || graph::element_count(resolved.shape(end->value)) == 0) return std::nullopt;
  Movement one{index, *input, *end, region};
  if (region) {
    const auto fill = padding_of(resolved, node, sizeof(float));
    if (!fill) return std::nullopt;
    float value;
    std::memcpy(&value, fill->data(), sizeof value);
    quantize(&value, &one.fill, 1, end->quantization);
  }
  Group group;
  group.nodes = {index, end->node};
  group.int8_nodes = {index};
  group.emit = [one](Lowering& to) { return emit_movement(to, one); };
  return group;
}

}  // namespace ns::runtime
