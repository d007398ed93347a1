// An operator: its shapes and its plain computation, the definition that every fast version is tested against.
//
// Functions are pure and may run on any thread. One operator (with all its versions) is one file in kernels/ops and one
// line in op_list.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::ops {

struct TensorType {
  graph::ElementType element = graph::ElementType::undefined;
  graph::Shape shape;  // all sizes known: shapes are inferred for one set of input shapes
};

struct InferContext {
  const graph::Node& node;
  std::int64_t opset;                               // of the node's domain
  std::span<const TensorType* const> inputs;        // null: absent
  std::span<const graph::Tensor* const> constants;  // null: the input's bytes are not known before the run
};

struct ComputeContext {
  const graph::Node& node;
  std::int64_t opset;
  std::span<const graph::Tensor* const> inputs;  // null: absent
  std::span<graph::Tensor> outputs;              // allocated as inferred; an absent output has none
};

// The shapes of a node's outputs follow from bytes that are not known before the run.
class NeedsData : public Error {
 public:
  explicit NeedsData(const std::string& sentence) : Error(ErrorCode::unsupported, sentence) {}
};

struct OpDefinition {
  std::string_view domain;
  std::string_view type;
  std::int64_t since = 1;  // the first opset this definition knows; it handles every later version up to 21
  int min_inputs = 1, max_inputs = 1, min_outputs = 1, max_outputs = 1;
  // Output types, one for each of the node's outputs (absent ones too); Error(invalid) names the node and what is wrong
  // with its inputs or attributes. NeedsData when the shapes depend on bytes that are not known before the run.
  std::vector<TensorType> (*infer)(const InferContext&);
  void (*compute)(const ComputeContext&);
  // In place of infer and compute where the shapes of the outputs follow from the data (NonZero, Unique): all outputs,
  // computed and allocated. `outputs` of the context is empty; an absent output stays undefined.
  std::vector<graph::Tensor> (*make)(const ComputeContext&) = nullptr;
};

// The definition for this operator at this opset, or null.
const OpDefinition* find_op(std::string_view domain, std::string_view type, std::int64_t opset);
std::span<const OpDefinition> all_ops();

// definition.infer with everything around it checked: number of inputs and outputs, sizes of the results.
// NeedsData where the operator has no infer.
std::vector<TensorType> infer_types(const OpDefinition&, const InferContext&);

// Runs one node plainly: infer, allocate, compute. For folding, oracles and tests.
std::vector<graph::Tensor> run_node(const graph::Node&, std::int64_t opset,
                                    std::span<const graph::Tensor* const> inputs);

}  // namespace ns::ops
