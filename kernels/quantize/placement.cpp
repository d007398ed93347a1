#include "kernels/quantize/placement.h"

#include <algorithm>

namespace ns::quantize {
namespace {

using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::ValueId;

bool is_chosen(Role role) { return role == Role::weighted || role == Role::add; }
bool is_follower(Role role) { return role == Role::movement || role == Role::averaging; }

class Placer {
 public:
  Placer(const Graph& graph, const std::set<std::string>& float_nodes)
      : graph_(graph), uses_(graph.uses()), reached_(graph.value_count(), false), wanted_(graph.value_count(), false) {
    placement_.roles = roles_of(graph);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      Role& role = placement_.roles[i];
      if (is_chosen(role) && float_nodes.count(graph.nodes[i].name) > 0) role = Role::other;
    }
  }

  Placement place() {
    spread_forward();
    spread_backward();
    quantize_outputs();
    quantize_inputs();
    return std::move(placement_);
  }

 private:
  std::vector<bool>::reference at(std::vector<bool>& set, ValueId id) { return set[static_cast<std::size_t>(id)]; }

  // The values that a Q of this node's outputs stands on.
  std::vector<Output> outputs_of(const Node& node, Role role) const {
    if (role != Role::movement) return {quantized_output(graph_, uses_, node)};
    // Behind data movement the scale is that of the input, which a Relu's range would change.
    std::vector<Output> outputs;
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) outputs.push_back({id, {}});
    }
    return outputs;
  }

  // What could be int8: made by a chosen operator, or by followers of such.
  void spread_forward() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      Role& role = placement_.roles[i];
      if (is_follower(role)) {
        const auto inputs = activations_of(node, role);
        const bool all = std::all_of(inputs.begin(), inputs.end(), [&](ValueId id) { return bool{at(reached_, id)}; });
        if (!all) role = Role::other;
      }
      if (role == Role::other) continue;
      for (const Output& output : outputs_of(node, role)) at(reached_, output.value) = true;
    }
  }

  // What somebody reads as int8; followers whose output nobody wants so stay in float.
  void spread_backward() {
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      const Node& node = graph_.nodes[i];
      Role& role = placement_.roles[i];
      if (is_follower(role)) {
        const auto outputs = outputs_of(node, role);
        const bool any = std::any_of(outputs.begin(), outputs.end(),
                                     [&](const Output& output) { return bool{at(wanted_, output.value)}; });
        if (!any) role = Role::other;
      }
      if (role == Role::other) continue;
      for (const ValueId id : activations_of(node, role)) at(wanted_, id) = true;
    }
  }

  // Conv and Add are int8 only with a Q behind them; Gemm and MatMul give float directly where nobody wants int8.
  void quantize_outputs() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const Role role = placement_.roles[i];
      if (role == Role::other) continue;
      for (const Output& output : outputs_of(node, role)) {
        const bool float_head = role == Role::weighted && !node.is("Conv") && !at(wanted_, output.value);
        if (float_head) continue;
        QuantizedValue quantized{output.value, output.limits, true};
        if (role == Role::movement) {
          const QuantizedValue& source = placement_.values.at(node.inputs[0]);
          quantized.range_of = source.range_of;
          quantized.limits = source.limits;
        }
        placement_.values.emplace(output.value, quantized);
      }
    }
  }

  void quantize_inputs() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Role role = placement_.roles[i];
      if (role == Role::other) continue;
      for (const ValueId id : activations_of(graph_.nodes[i], role)) {
        placement_.values.emplace(id, QuantizedValue{id, {}, false});
      }
    }
  }

  const Graph& graph_;
  const Graph::Uses uses_;
  std::vector<bool> reached_, wanted_;
  Placement placement_;
};

}  // namespace

std::vector<ValueId> activations_of(const Node& node, Role role) {
  switch (role) {
    case Role::weighted:
    case Role::movement:
      return {node.inputs[0]};
    case Role::add:
    case Role::averaging:
      return node.inputs;
    case Role::other:
      break;
  }
  return {};
}

Placement place(const Graph& graph, const std::set<std::string>& float_nodes) {
  return Placer(graph, float_nodes).place();
}

}  // namespace ns::quantize
