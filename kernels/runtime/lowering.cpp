#include "kernels/runtime/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/onednn/reorder.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/recognisers.h"

namespace ns::runtime {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;
using onednn::Layout;

namespace {

constexpr std::int32_t kForever = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t kUnknown = -2;

std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

// Runs a one-input step now, on a constant.
Tensor run_now(const Step& step, const Tensor& input, const Layout& to) {
  Tensor result(ElementType::uint8, {static_cast<std::int64_t>(std::max<std::size_t>(1, to.bytes()))});
  std::vector<std::byte> scratchpad(step.scratchpad_bytes() + kAlignment);
  void* start = scratchpad.data();
  std::size_t room = scratchpad.size();
  std::align(kAlignment, step.scratchpad_bytes(), start, room);
  void* inputs[] = {const_cast<void*>(input.bytes())};
  void* outputs[] = {result.bytes()};
  step.bind({.inputs = inputs, .outputs = outputs, .scratchpad = start})->run();
  return result;
}

}  // namespace

Lowering::Lowering(const Graph& graph, std::span<const ops::TensorType> inputs, bool plain)
    : resolved_(graph, inputs),
      plain_(plain),
      taken_(graph.nodes.size(), false),
      group_at_(graph.nodes.size(), -1),
      runs_at_(graph.nodes.size()),
      last_use_(graph.value_count(), kUnknown),
      placements_(graph.value_count()) {
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Layout layout = plain_layout(graph.inputs[i]);
    place(graph.inputs[i], layout,
          add_buffer({.kind = Buffer::Kind::input, .bytes = layout.bytes(), .constant = {}, .input = i}));
  }
}

Program Lowering::run() {
  if (!plain_) recognise();
  find_last_uses();
  for (now_ = 0; now_ < static_cast<std::int32_t>(taken_.size()); ++now_) {
    if (!resolved_.runs(now_)) continue;
    if (group_at_[at(now_)] >= 0) {
      emit(groups_[at(group_at_[at(now_)])]);
    } else if (!taken_[at(now_)]) {
      emit_node(now_);
    }
  }
  for (const ValueId output : resolved_.graph().outputs) program_.outputs.push_back(output_buffer(output));
  return std::move(program_);
}

void Lowering::recognise() {
  for (const std::span<const Recogniser> round : recognisers()) recognise(round);
}

void Lowering::recognise(std::span<const Recogniser> round) {
  for (std::int32_t index = 0; index < static_cast<std::int32_t>(taken_.size()); ++index) {
    if (!resolved_.runs(index) || taken_[at(index)]) continue;
    for (const Recogniser& recogniser : round) {
      std::optional<Group> group = recogniser(*this, index);
      if (!group) continue;
      const std::int32_t last = *std::max_element(group->nodes.begin(), group->nodes.end());
      for (const std::int32_t node : group->nodes) taken_[at(node)] = true;
      group_at_[at(last)] = static_cast<std::int32_t>(groups_.size());
      groups_.push_back(std::move(*group));
      break;
    }
  }
}

void Lowering::find_last_uses() {
  for (std::size_t index = 0; index < runs_at_.size(); ++index) runs_at_[index] = static_cast<std::int32_t>(index);
  for (const Group& group : groups_) {
    const std::int32_t last = *std::max_element(group.nodes.begin(), group.nodes.end());
    for (const std::int32_t node : group.nodes) runs_at_[at(node)] = last;
  }
}

// A DequantizeLinear reads nothing itself; whoever uses its result reads what is stored.
std::int32_t Lowering::last_use(ValueId id) {
  std::int32_t& known = last_use_[at(id)];
  if (known != kUnknown) return known;
  std::int32_t last = resolved_.is_output(id) ? kForever : -1;
  for (const std::int32_t consumer : resolved_.consumers(id)) {
    last = std::max(last, runs_at_[at(consumer)]);
    if (node(consumer).is("DequantizeLinear")) last = std::max(last, last_use(node(consumer).outputs[0]));
  }
  last_use_[at(id)] = last;
  return last;
}

void Lowering::emit(Group& group) {
  if (!group.emit(*this)) {
    emit_separately(group);
    return;
  }
  for (const std::int32_t node : group.int8_nodes) program_.int8_nodes.push_back(this->node(node).name);
}

void Lowering::emit_separately(const Group& group) {
  std::vector<std::int32_t> nodes = group.nodes;
  std::sort(nodes.begin(), nodes.end());
  for (const std::int32_t node : nodes) emit_node(node);
}

// One node alone: a DequantizeLinear waits until somebody wants floats.
void Lowering::emit_node(std::int32_t index) {
  if (!plain_) {
    if (node(index).is("DequantizeLinear") && resolved_.dequantized(node(index).outputs[0])) return;
    for (const Recogniser& recogniser : single_recognisers()) {
      std::optional<Group> group = recogniser(*this, index);
      if (group && group->emit(*this)) return;
    }
  }
  emit_plain(index);
}

void Lowering::emit_plain(std::int32_t index) {
  const Node& node = this->node(index);
  PlainCall call{.node = &node, .opset = resolved_.opset_of(node), .definition = nullptr, .inputs = {}, .outputs = {}};
  call.definition = ops::find_op(node.domain, node.op_type, call.opset);
  std::vector<BufferId> inputs, outputs;
  for (const ValueId input : node.inputs) {
    if (input == kAbsent) {
      call.inputs.emplace_back();
      inputs.push_back(add_buffer({.kind = Buffer::Kind::absent, .bytes = 0, .constant = {}, .input = 0}));
    } else {
      call.inputs.push_back(resolved_.type(input));
      inputs.push_back(obtain_plain(input));
    }
  }
  for (const ValueId output : node.outputs) {
    if (output == kAbsent) {
      call.outputs.emplace_back();
      outputs.push_back(add_buffer({.kind = Buffer::Kind::absent, .bytes = 0, .constant = {}, .input = 0}));
    } else {
      call.outputs.push_back(resolved_.type(output));
      outputs.push_back(produce(output, plain_layout(output)));
    }
  }
  add(node.name, node.op_type, plain_step(std::move(call)), std::move(inputs), std::move(outputs));
}

Layout Lowering::layout_of(ValueId id) {
  materialize(id);
  return placements_[at(id)].front().layout;
}

BufferId Lowering::obtain_plain(ValueId id) { return obtain(id, plain_layout(id)); }

BufferId Lowering::obtain(ValueId id, const Layout& wanted) {
  materialize(id);
  for (const Placement& placement : placements_[at(id)]) {
    if (placement.layout.same_bytes(wanted)) return placement.buffer;
  }
  return reorder(placements_[at(id)].front(), wanted, id);
}

// Makes sure that the value lies somewhere: constants are placed when they are first used, dequantized values when
// somebody wants floats.
void Lowering::materialize(ValueId id) {
  if (!placements_[at(id)].empty()) return;
  if (const Tensor* constant = resolved_.constant(id)) {
    Buffer buffer{.kind = Buffer::Kind::constant, .bytes = constant->byte_count(), .constant = *constant, .input = 0};
    place(id, plain_layout(id), add_buffer(std::move(buffer)));
    return;
  }
  const std::optional<Quantized> stored = resolved_.dequantized(id);
  if (!stored)
    throw Error(ErrorCode::internal, "value " + resolved_.graph().value(id).name + " is used before it is made");
  dequantize_into(id, *stored);
}

void Lowering::dequantize_into(ValueId id, const Quantized& stored) {
  Layout from = layout_of(stored.stored);
  const graph::Shape& shape = resolved_.shape(id);
  const bool channels_last = !from.is_row_major() && from.is_channels_last();
  if (!channels_last) from = plain_layout(stored.stored);
  const Layout to = channels_last ? Layout::channels_last(ElementType::float32, shape) : plain_layout(id);
  const BufferId source = obtain(stored.stored, from);
  const auto count = static_cast<std::size_t>(graph::element_count(shape));
  const BufferId target = produce(id, to);
  add(node(resolved_.producer(id)).name, "DequantizeLinear",
      loop_step([count, q = stored.quantization](auto inputs, auto outputs, void*) {
        dequantize(inputs[0], static_cast<float*>(outputs[0]), count, q);
      }),
      {source}, {target});
}

BufferId Lowering::reorder(const Placement& from, const Layout& to, ValueId id) {
  const onednn::Made made = onednn::make_reorder(from.layout, to);
  const std::string& name = resolved_.graph().value(id).name;
  if (!made.kernel) {
    throw Error(ErrorCode::internal, fmt::format("no reorder of {} from {} to {}: {}", name, from.layout.describe(),
                                                 to.describe(), made.declined));
  }
  std::unique_ptr<Step> step = primitive_step(made.kernel);
  const Buffer& source = program_.buffers[at(from.buffer)];
  if (source.kind == Buffer::Kind::constant) {
    Tensor moved = run_now(*step, source.constant, to);
    const BufferId buffer =
        add_buffer({.kind = Buffer::Kind::constant, .bytes = to.bytes(), .constant = std::move(moved), .input = 0});
    place(id, to, buffer);
    return buffer;
  }
  const BufferId source_id = from.buffer;  // `from` may move when the new placement is added
  const BufferId target = produce(id, to);
  add(name, "Reorder", std::move(step), {source_id}, {target});
  return target;
}

BufferId Lowering::obtain_to_overwrite(ValueId id, const Layout& layout, const std::vector<BufferId>& others) {
  const BufferId own = obtain(id, layout);
  const bool free = program_.buffers[at(own)].kind == Buffer::Kind::arena && !is_needed_later(own) &&
                    std::find(others.begin(), others.end(), own) == others.end();
  if (free) return own;
  const BufferId copy = temporary(layout.bytes());
  const std::size_t bytes = layout.bytes();
  add(resolved_.graph().value(id).name, "Copy",
      loop_step([bytes](auto inputs, auto outputs, void*) { std::memcpy(outputs[0], inputs[0], bytes); }), {own},
      {copy});
  return copy;
}

bool Lowering::is_needed_later(BufferId buffer) const {
  const std::vector<ValueId>& residents = residents_[at(buffer)];
  return std::any_of(residents.begin(), residents.end(),
                     [&](ValueId resident) { return const_cast<Lowering*>(this)->last_use(resident) > now_; });
}

BufferId Lowering::produce(ValueId id, const Layout& layout) {
  const BufferId buffer = temporary(layout.bytes());
  place(id, layout, buffer);
  return buffer;
}

BufferId Lowering::temporary(std::size_t bytes) {
  return add_buffer({.kind = Buffer::Kind::arena, .bytes = bytes, .constant = {}, .input = 0});
}

void Lowering::place(ValueId id, const Layout& layout, BufferId buffer) {
  // A primitive may see a row-major value under another shape; here it has its own.
  placements_[at(id)].push_back({layout.is_row_major() ? plain_layout(id) : layout, buffer});
  residents_[at(buffer)].push_back(id);
}

BufferId Lowering::add_buffer(Buffer buffer) {
  program_.buffers.push_back(std::move(buffer));
  residents_.emplace_back();
  return static_cast<BufferId>(program_.buffers.size() - 1);
}

void Lowering::add(std::string node, std::string operation, std::unique_ptr<Step> step, std::vector<BufferId> inputs,
                   std::vector<BufferId> outputs) {
  program_.steps.push_back(
      {std::move(node), std::move(operation), std::move(step), std::move(inputs), std::move(outputs)});
}

std::optional<Layout> Lowering::wanted(ValueId id) const {
  for (const Group& group : groups_) {
    for (const auto& [value, layout] : group.wants) {
      if (value == id) return layout;
    }
  }
  return std::nullopt;
}

// Outputs lie in the arena: the caller's input may be gone when they are read.
BufferId Lowering::output_buffer(ValueId id) {
  const BufferId buffer = obtain_plain(id);
  if (program_.buffers[at(buffer)].kind != Buffer::Kind::input) return buffer;
  now_ = kForever;
  return obtain_to_overwrite(id, plain_layout(id), {buffer});
}

std::string Lowering::name_of(const std::vector<std::int32_t>& nodes) const {
  std::string name;
  for (const std::int32_t index : nodes) {
    if (node(index).is("QuantizeLinear") || node(index).is("DequantizeLinear")) continue;
    name += (name.empty() ? "" : "+") + node(index).op_type;
  }
  return name.empty() ? node(nodes.front()).op_type : name;
}

}  // namespace ns::runtime
