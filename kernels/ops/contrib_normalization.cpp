// Normalizations of com.microsoft: a sum with a residual (skip) or of embeddings, then LayerNormalization or its
// simplified form without the mean.
#include <algorithm>
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/steps.h"

namespace ns::ops {

namespace {

constexpr std::string_view kDomain = "com.microsoft";

// Where the inputs of the two skip operators stand; kNone: it has none.
constexpr std::size_t kNone = 1000;
struct Layout {
  std::string_view normalization;
  std::size_t beta, bias;
};
constexpr Layout kFull{"LayerNormalization", 3, 4};
constexpr Layout kSimplified{"SimplifiedLayerNormalization", kNone, 3};

// Outputs: result, mean, inverse deviation, and what was normalized.
std::vector<TensorType> infer_skip(const InferContext& context, const Layout& layout) {
  const TensorType& x = input(context, 0);
  const TensorType& skip = input(context, 1);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  require(!x.shape.empty(), node, "the input is a scalar");
  require(skip.element == x.element && broadcast_shape(node, x.shape, skip.shape) == x.shape, node,
          "skip is {} {}, the input {} {}", graph::name_of(skip.element), graph::to_string(skip.shape),
          graph::name_of(x.element), graph::to_string(x.shape));
  input(context, 2);
  for (const std::size_t index : {std::size_t{2}, layout.beta, layout.bias}) {
    const TensorType* given = optional_input(context, index);
    require(given == nullptr || (given->element == x.element && given->shape == Shape{x.shape.back()}), node,
            "input {} must have the shape [{}] and the input's type", index, x.shape.back());
  }
  Shape kept = x.shape;
  kept.back() = 1;
  return types(context, {x, {ElementType::float32, kept}, {ElementType::float32, kept}, x});
}

void compute_skip(const ComputeContext& context, const Layout& layout) {
  const Steps steps(context.node);
  Tensor sum = steps.run("Add", {&input(context, 0), &input(context, 1)});
  if (const Tensor* bias = optional_input(context, layout.bias)) sum = steps.run("Add", {&sum, bias});
  const bool full = layout.beta != kNone;
  std::vector<const Tensor*> inputs{&sum, &input(context, 2)};
  if (full) inputs.push_back(optional_input(context, layout.beta));
  const std::vector<Tensor> made = steps.run_all(
      layout.normalization, inputs, {{"epsilon", context.node.real("epsilon", full ? 1e-12f : 1e-6f)}}, full ? 3 : 2);
  if (has_output(context, 0)) copy_bytes(made[0], context.outputs[0]);
  if (has_output(context, 1)) {
    Tensor& mean = context.outputs[1];
    if (full) {
      copy_bytes(made[1], mean);
    } else {
      std::fill_n(data<float>(mean), mean.count(), 0.0f);  // nothing is subtracted
    }
  }
  if (has_output(context, 2)) copy_bytes(made.back(), context.outputs[2]);
  if (has_output(context, 3)) copy_bytes(sum, context.outputs[3]);
}

std::vector<TensorType> infer_skip_full(const InferContext& context) { return infer_skip(context, kFull); }
void compute_skip_full(const ComputeContext& context) { compute_skip(context, kFull); }
std::vector<TensorType> infer_skip_simplified(const InferContext& context) { return infer_skip(context, kSimplified); }
void compute_skip_simplified(const ComputeContext& context) { compute_skip(context, kSimplified); }

// --- EmbedLayerNormalization ---
//
// Inputs: input_ids, segment_ids, word, position and segment embedding, gamma, beta, mask, position_ids.
// Outputs: result, how many elements of the mask are set for each row of the batch, the sum of the embeddings.

std::vector<TensorType> infer_embed(const InferContext& context) {
  const Node& node = context.node;
  const TensorType& ids = input(context, 0);
  const TensorType& words = input(context, 2);
  require(ids.element == ElementType::int32 && ids.shape.size() == 2, node,
          "input_ids must be int32 [batch, sequence]");
  require_type(FloatTypes{}, node, words.element);
  require(words.shape.size() == 2, node, "the word embedding must be a matrix");
  const std::int64_t hidden = words.shape[1];
  for (const std::size_t table : {std::size_t{3}, std::size_t{4}}) {
    const TensorType* given = optional_input(context, table);
    require(
        given == nullptr || (given->element == words.element && given->shape.size() == 2 && given->shape[1] == hidden),
        node, "input {} must be a matrix of {} columns", table, hidden);
  }
  input(context, 3);
  require((optional_input(context, 1) != nullptr) == (optional_input(context, 4) != nullptr), node,
          "segment ids and segment embedding belong together");
  for (const std::size_t parameter : {std::size_t{5}, std::size_t{6}}) {
    require(input(context, parameter).element == words.element && input(context, parameter).shape == Shape{hidden},
            node, "input {} must have the shape [{}]", parameter, hidden);
  }
  for (const std::size_t like : {std::size_t{1}, std::size_t{7}, std::size_t{8}}) {
    const TensorType* given = optional_input(context, like);
    require(given == nullptr || (given->element == ElementType::int32 && given->shape.size() == 2 &&
                                 broadcast_shape(node, ids.shape, given->shape) == ids.shape),
            node, "input {} must be int32 {}", like, graph::to_string(ids.shape));
  }
  const TensorType embedded{words.element, {ids.shape[0], ids.shape[1], hidden}};
  return types(context, {embedded, {ElementType::int32, {ids.shape[0]}}, embedded});
}

Tensor positions(const ComputeContext& context, std::int64_t length) {
  if (const Tensor* given = optional_input(context, 8)) return *given;
  Tensor counted(ElementType::int32, {1, length});
  for (std::int64_t i = 0; i < length; ++i) data<std::int32_t>(counted)[i] = static_cast<std::int32_t>(i);
  return counted;
}

void count_mask(const ComputeContext& context, Tensor& counts) {
  const Tensor* mask = optional_input(context, 7);
  const Shape& shape = input(context, 0).shape();
  std::fill_n(data<std::int32_t>(counts), counts.count(), 0);
  if (mask == nullptr) return;
  const RowLoop<2> loop(shape, {broadcast_strides(mask->shape(), shape), {1, 0}});
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    for (std::int64_t i = 0; i < length; ++i) {
      const bool set = data<std::int32_t>(*mask)[offsets[0] + i * steps[0]] == 1;
      data<std::int32_t>(counts)[offsets[1] + i * steps[1]] += set ? 1 : 0;
    }
  });
}

void compute_embed(const ComputeContext& context) {
  const Steps steps(context.node);
  const Tensor words = steps.run("Gather", {&input(context, 2), &input(context, 0)});
  const Tensor places = positions(context, input(context, 0).shape()[1]);
  const Tensor placed = steps.run("Gather", {&input(context, 3), &places});
  Tensor sum = steps.run("Add", {&words, &placed});
  if (const Tensor* segments = optional_input(context, 1)) {
    const Tensor segment = steps.run("Gather", {&input(context, 4), segments});
    sum = steps.run("Add", {&sum, &segment});
  }
  const Attributes epsilon{{"epsilon", context.node.real("epsilon", 1e-12f)}};
  if (has_output(context, 0)) {
    copy_bytes(steps.run("LayerNormalization", {&sum, &input(context, 5), &input(context, 6)}, epsilon),
               context.outputs[0]);
  }
  if (has_output(context, 1)) count_mask(context, context.outputs[1]);
  if (has_output(context, 2)) copy_bytes(sum, context.outputs[2]);
}

constexpr std::array kDefinitions{
    OpDefinition{kDomain, "EmbedLayerNormalization", 1, 7, 9, 1, 3, infer_embed, compute_embed},
    OpDefinition{kDomain, "SkipLayerNormalization", 1, 3, 5, 1, 4, infer_skip_full, compute_skip_full},
    OpDefinition{kDomain, "SkipSimplifiedLayerNormalization", 1, 3, 4, 1, 4, infer_skip_simplified,
                 compute_skip_simplified},
};

}  // namespace

std::span<const OpDefinition> contrib_normalization_definitions() { return kDefinitions; }

}  // namespace ns::ops
