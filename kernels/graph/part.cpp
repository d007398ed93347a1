#include "kernels/graph/part.h"

#include <fmt/format.h>

namespace ns::graph {

namespace {

class Extraction {
 public:
  explicit Extraction(const Graph& whole) : whole_(whole), ids_(whole.value_count(), kAbsent) {
    part_.name = whole.name;
    part_.opsets = whole.opsets;
    part_.ir_version = whole.ir_version;
    part_.producer = whole.producer;
  }

  Graph run(std::span<const std::int32_t> nodes, std::span<const ValueId> outputs) {
    for (const std::int32_t index : nodes) {
      Node node = whole_.nodes[static_cast<std::size_t>(index)];
      for (ValueId& id : node.inputs) id = used(id);
      for (ValueId& id : node.outputs) id = copied(id);
      part_.nodes.push_back(std::move(node));
    }
    for (const ValueId id : outputs) part_.outputs.push_back(used(id));
    return std::move(part_);
  }

 private:
  ValueId copied(ValueId id) {
    if (id == kAbsent) return kAbsent;
    ValueId& known = ids_[static_cast<std::size_t>(id)];
    if (known == kAbsent) known = part_.add_value(whole_.value(id));
    return known;
  }

  // A value that nothing made so far comes from outside.
  ValueId used(ValueId id) {
    if (id == kAbsent) return kAbsent;
    const bool is_new = ids_[static_cast<std::size_t>(id)] == kAbsent;
    const ValueId copy = copied(id);
    if (is_new && !part_.value(copy).constant.defined()) part_.inputs.push_back(copy);
    return copy;
  }

  const Graph& whole_;
  Graph part_;
  std::vector<ValueId> ids_;  // by value of the whole
};

}  // namespace

Graph part_of(const Graph& graph, std::span<const std::int32_t> nodes, std::span<const ValueId> outputs) {
  return Extraction(graph).run(nodes, outputs);
}

Body body_of(const Graph& around, const Graph& subgraph) {
  Body body{subgraph, {}};
  for (const std::string& name : captured_names(subgraph)) {
    const ValueId outer = around.find(name);
    if (outer == kAbsent) {
      throw Error(ErrorCode::invalid,
                  fmt::format("sub-graph '{}' uses the value '{}', which nothing makes", subgraph.name, name));
    }
    const Value& value = around.value(outer);
    ValueId inner = body.graph.find(name);
    if (inner == kAbsent) inner = body.graph.add_value({name, value.type, value.shape, {}});
    if (value.constant.defined()) {
      body.graph.value(inner).constant = value.constant;
      body.graph.value(inner).type = value.constant.type();
      continue;
    }
    body.graph.inputs.push_back(inner);
    body.captured.push_back(outer);
  }
  return body;
}

}  // namespace ns::graph
