#include "kernels/ops/op.h"

#include <map>

#include "kernels/ops/context.h"
#include "kernels/ops/op_list.h"

namespace ns::ops {

#define NS_OPS(file) std::span<const OpDefinition> file##_definitions();
NS_OP_LIST(NS_OPS)
#undef NS_OPS

namespace {

std::vector<OpDefinition> collect() {
  std::vector<OpDefinition> all;
#define NS_OPS(file) \
  for (const OpDefinition& definition : file##_definitions()) all.push_back(definition);
  NS_OP_LIST(NS_OPS)
#undef NS_OPS
  return all;
}

using Key = std::pair<std::string_view, std::string_view>;

std::multimap<Key, const OpDefinition*> index_of(std::span<const OpDefinition> all) {
  std::multimap<Key, const OpDefinition*> index;
  for (const OpDefinition& definition : all) index.emplace(Key{definition.domain, definition.type}, &definition);
  return index;
}

void check_arity(const OpDefinition& definition, const Node& node, std::size_t inputs) {
  const auto count = static_cast<int>(inputs);
  require(count >= definition.min_inputs && count <= definition.max_inputs, node, "has {} inputs, {} to {} are right",
          count, definition.min_inputs, definition.max_inputs);
  const auto made = static_cast<int>(node.outputs.size());
  require(made >= definition.min_outputs && made <= definition.max_outputs, node, "has {} outputs, {} to {} are right",
          made, definition.min_outputs, definition.max_outputs);
}

}  // namespace

std::span<const OpDefinition> all_ops() {
  static const std::vector<OpDefinition> all = collect();
  return all;
}

const OpDefinition* find_op(std::string_view domain, std::string_view type, std::int64_t opset) {
  static const std::multimap<Key, const OpDefinition*> index = index_of(all_ops());
  const auto [first, last] = index.equal_range(Key{domain, type});
  const OpDefinition* best = nullptr;
  for (auto entry = first; entry != last; ++entry) {
    const OpDefinition* candidate = entry->second;
    if (candidate->since <= opset && (best == nullptr || candidate->since > best->since)) best = candidate;
  }
  return best;
}

std::vector<TensorType> infer_types(const OpDefinition& definition, const InferContext& context) {
  check_arity(definition, context.node, context.inputs.size());
  if (definition.infer == nullptr) {
    throw NeedsData(describe(context.node) + ": the shapes of its outputs follow from the data");
  }
  std::vector<TensorType> types = definition.infer(context);
  for (const TensorType& type : types) {
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(graph::element_count(type.shape), static_cast<std::int64_t>(size_of(type.element)),
                               &bytes) ||
        bytes > graph::kMaxTensorBytes) {
      throw Error(ErrorCode::too_large,
                  describe(context.node) + ": an output of shape " + graph::to_string(type.shape) + " is too large");
    }
  }
  return types;
}

std::vector<graph::Tensor> run_node(const graph::Node& node, std::int64_t opset,
                                    std::span<const graph::Tensor* const> inputs) {
  const OpDefinition* definition = find_op(node.domain, node.op_type, opset);
  if (definition == nullptr) unsupported(node, "the operator is not known at opset " + std::to_string(opset));
  if (definition->make != nullptr) {
    check_arity(*definition, node, inputs.size());
    return definition->make({node, opset, inputs, {}});
  }
  std::vector<TensorType> input_types(inputs.size());
  std::vector<const TensorType*> present(inputs.size(), nullptr);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    input_types[i] = {inputs[i]->type(), inputs[i]->shape()};
    present[i] = &input_types[i];
  }
  const std::vector<TensorType> output_types = infer_types(*definition, {node, opset, present, inputs});
  std::vector<graph::Tensor> outputs(output_types.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] != graph::kAbsent) outputs[i] = Tensor(output_types[i].element, output_types[i].shape);
  }
  definition->compute({node, opset, inputs, outputs});
  return outputs;
}

}  // namespace ns::ops
