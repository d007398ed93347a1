// Lowering: from a resolved graph to steps over buffers.
//
// First every node is claimed by a Group (a pattern that one or a few steps carry out); then the groups are emitted in
// execution order, each taking its inputs in the layout it wants (a reorder is added where they lie differently) and
// saying how its outputs lie. A group that declines is emitted node by node, which always works.
//
// Belongs to the thread that makes a plan.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/onednn/layout.h"
#include "kernels/runtime/resolved.h"
#include "kernels/runtime/step.h"

namespace ns::runtime {

using BufferId = std::int32_t;

struct Buffer {
  enum class Kind { arena, constant, input, absent };
  Kind kind = Kind::arena;
  std::size_t bytes = 0;
  graph::Tensor constant;  // kind constant
  std::size_t input = 0;   // kind input: position in graph.inputs
};

struct PlannedStep {
  std::string node;
  std::string operation;
  std::unique_ptr<Step> step;
  std::vector<BufferId> inputs, outputs;
};

struct Program {
  std::vector<Buffer> buffers;
  std::vector<PlannedStep> steps;
  std::vector<BufferId> outputs;  // of the graph, row-major
  std::vector<std::string> int8_nodes;
};

class Lowering;

struct Group {
  std::vector<std::int32_t> nodes;  // in the order they are followed; runs in the place of the last
  std::vector<std::pair<graph::ValueId, onednn::Layout>> wants;  // layouts it would like to find
  std::vector<std::int32_t> int8_nodes;                          // that run in int8 arithmetic if it is emitted
  std::function<bool(Lowering&)> emit;                           // false: declines, nothing was emitted
};

// Looks at the graph around a node; see recognisers.h.
using Recogniser = std::optional<Group> (*)(Lowering&, std::int32_t node);

class Lowering {
 public:
  Lowering(const graph::Graph&, std::span<const ops::TensorType> inputs, bool plain);
  Program run();

  // ---- for those who recognise groups
  Resolved& resolved() { return resolved_; }
  const std::vector<bool>& taken() const { return taken_; }
  bool is_taken(std::int32_t node) const { return taken_[static_cast<std::size_t>(node)]; }

  // ---- for those who emit
  const graph::Node& node(std::int32_t index) const { return resolved_.node(index); }
  // How the value lies now (made if it was not yet); row-major last where there is a choice.
  onednn::Layout layout_of(graph::ValueId);
  // A buffer with the value in this layout.
  BufferId obtain(graph::ValueId, const onednn::Layout&);
  BufferId obtain_plain(graph::ValueId);
  // A buffer that holds the value and may be overwritten: the value's own when nobody needs it later and no `other`
  // input lies there, a copy otherwise.
  BufferId obtain_to_overwrite(graph::ValueId, const onednn::Layout&, const std::vector<BufferId>& others);
  // A new buffer for the value.
  BufferId produce(graph::ValueId, const onednn::Layout&);
  // A new buffer that no value of the graph lies in.
  BufferId temporary(std::size_t bytes);
  // The value lies in this buffer too.
  void place(graph::ValueId, const onednn::Layout&, BufferId);
  void add(std::string node, std::string operation, std::unique_ptr<Step>, std::vector<BufferId> inputs,
           std::vector<BufferId> outputs);
  // Layout that a later group would like for the value, if one said so.
  std::optional<onednn::Layout> wanted(graph::ValueId) const;
  void emit_plain(std::int32_t node);
  onednn::Layout plain_layout(graph::ValueId id) const {
    return onednn::Layout::plain(resolved_.type(id).element, resolved_.shape(id));
  }
  std::string name_of(const std::vector<std::int32_t>& nodes) const;  // "Conv+Add+Relu"

 private:
  struct Placement {
    onednn::Layout layout;
    BufferId buffer;
  };

  void recognise();
  void recognise(std::span<const Recogniser> round);
  void find_last_uses();
  std::int32_t last_use(graph::ValueId);
  void emit(Group&);
  void emit_separately(const Group&);
  void emit_node(std::int32_t node);
  void materialize(graph::ValueId);
  void dequantize_into(graph::ValueId, const Quantized&);
  BufferId reorder(const Placement&, const onednn::Layout&, graph::ValueId);
  BufferId add_buffer(Buffer);
  BufferId output_buffer(graph::ValueId);
  bool is_needed_later(BufferId) const;

  Resolved resolved_;
  const bool plain_;
  std::vector<bool> taken_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> group_at_;  // by node: the group that runs in its place, or -1
  std::vector<std::int32_t> runs_at_;   // by node: the node in whose place it runs
  std::vector<std::int32_t> last_use_;  // by value; -2: not yet known
  std::int32_t now_ = 0;
  std::vector<std::vector<Placement>> placements_;      // by value
  std::vector<std::vector<graph::ValueId>> residents_;  // by buffer
  Program program_;
};

}  // namespace ns::runtime
