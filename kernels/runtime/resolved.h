// Resolved: a graph whose every size is known, because the input shapes are; what can be computed before the run is.
//
// Belongs to one thread while a plan is made. The graph must outlive it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "kernels/ops/op.h"

namespace ns::runtime {

// How integers stand for real numbers, one scale for the whole tensor: real = scale * (stored - zero_point).
struct Quantization {
  float scale = 1;
  std::int32_t zero_point = 0;
  graph::ElementType type = graph::ElementType::uint8;

  std::int32_t lowest() const { return type == graph::ElementType::uint8 ? 0 : -128; }
  std::int32_t highest() const { return type == graph::ElementType::uint8 ? 255 : 127; }
  bool operator==(const Quantization&) const = default;
};

struct Quantized {
  graph::ValueId stored;
  Quantization quantization;
};

// Where a node stands while a graph is run in stages.
enum class NodeState : std::uint8_t {
  done,        // it ran in an earlier stage
  ready,       // the types of its inputs are known, and those of its outputs follow
  needs_data,  // the types of its inputs are known, those of its outputs follow from their bytes
  waiting,     // for a node that needs data
};

class Resolved {
 public:
  // ops::NeedsData: an operator whose shapes depend on bytes that are not known before the run.
  Resolved(const graph::Graph&, std::span<const ops::TensorType> inputs);

  // What can run once the values of these types (none: not made yet) are there; constants need not be among them.
  static std::vector<NodeState> readiness(const graph::Graph&, std::vector<std::optional<ops::TensorType>> have,
                                          const std::vector<bool>& done);

  const graph::Graph& graph() const { return graph_; }
  const graph::Node& node(std::int32_t index) const { return graph_.nodes[static_cast<std::size_t>(index)]; }
  const ops::TensorType& type(graph::ValueId id) const { return types_[at(id)]; }
  const graph::Shape& shape(graph::ValueId id) const { return types_[at(id)].shape; }
  std::int64_t opset_of(const graph::Node&) const;

  // Bytes known before the run, or null. Dequantized weights are computed when first asked for.
  const graph::Tensor* constant(graph::ValueId);
  bool is_constant(graph::ValueId id) const { return id != graph::kAbsent && known_[at(id)]; }

  // Nodes that have to run: not folded, and something needs them.
  bool runs(std::int32_t node) const { return runs_[static_cast<std::size_t>(node)]; }
  std::int32_t producer(graph::ValueId id) const { return producer_[at(id)]; }  // -1: none that runs
  std::int32_t maker(graph::ValueId id) const { return maker_[at(id)]; }        // folded nodes included; -1: none
  const std::vector<std::int32_t>& consumers(graph::ValueId id) const { return consumers_[at(id)]; }
  bool is_output(graph::ValueId id) const { return is_output_[at(id)]; }
  // The one node that uses the value and nothing else does, or -1.
  std::int32_t only_consumer(graph::ValueId) const;

  // What a DequantizeLinear with one scale reads (uint8 or int8), if it makes this value.
  std::optional<Quantized> dequantized(graph::ValueId);
  // What a QuantizeLinear or DequantizeLinear with one scale and an 8-bit type does.
  std::optional<Quantization> quantization_of(const graph::Node&);

 private:
  static std::size_t at(graph::ValueId id) { return static_cast<std::size_t>(id); }
  explicit Resolved(const graph::Graph&);
  void resolve_node(std::int32_t index);
  bool fold_shape(const graph::Node&);
  void fold(std::int32_t index);
  void find_what_runs();

  const graph::Graph& graph_;
  std::vector<ops::TensorType> types_;
  std::vector<graph::Tensor> constants_;
  std::vector<bool> known_;
  std::vector<std::int32_t> maker_;  // by value: the node that makes it, folded or not
  std::vector<bool> runs_;
  std::vector<std::int32_t> producer_;
  std::vector<std::vector<std::int32_t>> consumers_;
  std::vector<bool> is_output_;
};

}  // namespace ns::runtime
