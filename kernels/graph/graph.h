// Graph: a loaded model as a small typed graph, the one form that reader, passes, quantizer, plan and writer share.
//
// A value type: a pass takes a graph and changes it, a copy is independent (tensors share their bytes). One thread
// changes a graph; any number may read one that nobody changes. Nodes are kept in an order in which every input is made
// before it is used (verify() checks it).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "kernels/graph/tensor.h"

namespace ns::graph {

class Graph;

using ValueId = std::int32_t;           // index into the graph's values
inline constexpr ValueId kAbsent = -1;  // an optional input or output that is left out

// One axis: a number, or a name for a size that is known only at run time (empty name: nothing known).
struct Dimension {
  std::int64_t size = -1;
  std::string name;
  bool known() const { return size >= 0; }
};

using Attribute = std::variant<std::int64_t, float, std::string, Tensor, std::vector<std::int64_t>, std::vector<float>,
                               std::vector<std::string>, std::shared_ptr<const Graph>>;

struct Value {
  std::string name;  // unique in the graph
  ElementType type = ElementType::undefined;
  std::optional<std::vector<Dimension>> shape;  // none: even the rank is unknown
  Tensor constant;                              // defined() for initializers and folded results
};

struct Node {
  std::string name;    // unique in the graph; made up by the reader where the file has none
  std::string domain;  // "" is ai.onnx
  std::string op_type;
  std::vector<ValueId> inputs;  // kAbsent where left out
  std::vector<ValueId> outputs;
  std::map<std::string, Attribute, std::less<>> attributes;

  bool is(std::string_view type) const { return domain.empty() && op_type == type; }

  // Typed attributes; Error(invalid) naming node, attribute and wanted type when it has another type.
  bool has(std::string_view attribute) const { return attributes.find(attribute) != attributes.end(); }
  std::int64_t integer(std::string_view attribute, std::int64_t fallback) const;
  float real(std::string_view attribute, float fallback) const;
  std::string text(std::string_view attribute, std::string fallback) const;
  std::vector<std::int64_t> integers(std::string_view attribute, std::vector<std::int64_t> fallback = {}) const;
  std::vector<float> reals(std::string_view attribute, std::vector<float> fallback = {}) const;
  const Tensor* tensor(std::string_view attribute) const;  // null when it is not there
};

class Graph {
 public:
  std::string name;
  std::map<std::string, std::int64_t> opsets;  // domain -> version; "" is ai.onnx
  std::int64_t ir_version = 8;
  std::string producer;
  std::vector<Node> nodes;      // in execution order
  std::vector<ValueId> inputs;  // without initializers
  std::vector<ValueId> outputs;

  std::int64_t opset() const;                // of ai.onnx; 1 when the model imports none
  std::int64_t opset_of(const Node&) const;  // of the node's domain

  ValueId add_value(Value);  // Error(invalid) when the name is taken
  ValueId add_constant(std::string name, Tensor);
  ValueId find(std::string_view name) const;             // kAbsent when there is none
  std::string unused_name(std::string_view stem) const;  // the stem, or the stem with a number

  Value& value(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  std::size_t value_count() const { return values_.size(); }

  // Index of the node that makes the value, or -1 (input, constant). Index built by index(); stale after a change.
  struct Uses {
    std::vector<std::int32_t> producer;                // by value; -1: none
    std::vector<std::vector<std::int32_t>> consumers;  // by value; a node once per input or sub-graph that captures it
    std::vector<bool> is_output;                       // by value
  };
  Uses uses() const;

  // Every use of `from` as a node input or a graph output becomes `to`.
  void replace_uses(ValueId from, ValueId to);

  // Sorts nodes so that producers come first. Error(invalid) naming a node of the cycle.
  void sort();

  // Forgets values that no node, input, output or sub-graph mentions, and numbers the rest anew: ValueIds held outside
  // the graph are stale afterwards. Returns how many were forgotten.
  int prune_values();

 private:
  std::vector<Value> values_;
  std::unordered_map<std::string, ValueId> by_name_;
};

// Names that a sub-graph takes from the graph around it: its values that nothing in it makes, sorted.
std::vector<std::string> captured_names(const Graph& subgraph);

// The values of the graph that the node's sub-graphs take from it. Error(invalid) when there is no value of that name.
std::vector<ValueId> captured_values(const Graph&, const Node&);

// The nodes' sub-graphs, in attribute order.
std::vector<std::shared_ptr<const Graph>> subgraphs_of(const Node&);

// Equal in everything that the writer keeps: names, types, shapes, attributes and the bytes of constants.
bool equal(const Tensor&, const Tensor&);
bool equal(const Graph&, const Graph&);

// Checks every invariant above: ids in range, one producer a value, producers first, no cycle, outputs made, node names
// unique, constants of the declared type. Error(invalid) names the node and what is wrong.
void verify(const Graph&);

std::string dump(const Graph&);     // one line a node, for a person
std::string describe(const Node&);  // "node 'conv1' (Conv)", the way errors name a node

}  // namespace ns::graph
