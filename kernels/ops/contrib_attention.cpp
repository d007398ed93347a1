// Attention, MultiHeadAttention, GroupQueryAttention and RotaryEmbedding of com.microsoft.
//
// Not here: packed inputs of five axes, buffers that past and present share (the keys and values of the past are
// copied), and the newer extras of GroupQueryAttention (bias, head sinks, quantized caches).
#include <array>

#include "kernels/ops/attention.h"
#include "kernels/ops/broadcast.h"
#include "kernels/ops/steps.h"

namespace ns::ops {

namespace {

constexpr std::string_view kDomain = "com.microsoft";

std::int64_t heads_of(const Node& node, std::string_view attribute) {
  const std::int64_t heads = node.integer(attribute, 0);
  require(heads >= 1, node, "{} is {}, wanted 1 or more", attribute, heads);
  return heads;
}

std::int64_t divided(const Node& node, std::int64_t width, std::int64_t heads) {
  require(width % heads == 0 && width > 0, node, "{} columns do not divide into {} heads", width, heads);
  return width / heads;
}

float scale_of(const Node& node, std::int64_t head) {
  const float given = node.real("scale", 0.0f);
  return given != 0 ? given : 1.0f / std::sqrt(static_cast<float>(head));
}

void refuse_attributes(const Node& node, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (node.integer(name, 0) != 0) unsupported(node, std::string("the attribute ") + name + " is not supported");
  }
}

template <typename Context>
void refuse_inputs(const Context& context, std::size_t first) {
  for (std::size_t i = first; i < context.inputs.size(); ++i) {
    if (context.inputs[i] != nullptr) unsupported(context.node, "input " + std::to_string(i) + " is not supported");
  }
}

void check_shape(const InferContext& context, std::size_t index, const Shape& wanted) {
  const TensorType* given = optional_input(context, index);
  require(given == nullptr || (given->shape == wanted && given->element == input(context, 0).element), context.node,
          "input {} has the shape {}, wanted {} of the first input's type", index,
          given != nullptr ? graph::to_string(given->shape) : "", graph::to_string(wanted));
}

// --- masks ---

// What is added to the scores: [batch, queries, keys], or nothing.
//   [batch]              keys from here on are padding
//   [2 * batch]          ends, then starts of what is not padding
//   [batch, keys] and [batch, queries, keys]   0 where masked
void check_mask(const InferContext& context, std::size_t index, const AttentionSizes& sizes) {
  const TensorType* mask = optional_input(context, index);
  if (mask == nullptr) return;
  require(mask->element == ElementType::int32, context.node, "the mask holds {}, wanted int32",
          graph::name_of(mask->element));
  const bool fits = mask->shape == Shape{sizes.batch} || mask->shape == Shape{2 * sizes.batch} ||
                    mask->shape == Shape{sizes.batch, sizes.keys} ||
                    mask->shape == Shape{sizes.batch, sizes.queries, sizes.keys};
  if (!fits) unsupported(context.node, "a mask of shape " + graph::to_string(mask->shape) + " is not supported");
}

template <typename A>
std::vector<A> read_mask(const Tensor* mask, const AttentionSizes& sizes, float filter) {
  if (mask == nullptr) return {};
  const std::int32_t* from = data<std::int32_t>(*mask);
  std::vector<A> added(static_cast<std::size_t>(sizes.batch * sizes.queries * sizes.keys), A(0));
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto place = static_cast<std::int64_t>(i);
    const std::int64_t t = place % sizes.keys;
    const std::int64_t b = place / sizes.keys / sizes.queries;
    bool seen = false;
    if (mask->shape().size() == 1) {
      seen = t < from[b] && (mask->count() == sizes.batch || t >= from[sizes.batch + b]);
    } else {
      seen = from[mask->shape().size() == 2 ? b * sizes.keys + t : place] != 0;
    }
    if (!seen) added[i] = static_cast<A>(filter);
  }
  return added;
}

// [batch or 1, heads or 1, queries, keys]
void check_attention_bias(const InferContext& context, std::size_t index, const AttentionSizes& sizes) {
  const TensorType* bias = optional_input(context, index);
  if (bias == nullptr) return;
  const Shape& shape = bias->shape;
  require(bias->element == input(context, 0).element && shape.size() == 4 &&
              (shape[0] == 1 || shape[0] == sizes.batch) && (shape[1] == 1 || shape[1] == sizes.heads) &&
              shape[2] == sizes.queries && shape[3] == sizes.keys,
          context.node, "the attention bias has the shape {}, wanted [{}, {}, {}, {}] of the input's type",
          graph::to_string(shape), sizes.batch, sizes.heads, sizes.queries, sizes.keys);
}

// Attends with a mask and a bias of the scores; `past`: how many keys come before the first query's own.
template <typename T>
void attend_masked(const ComputeContext& context, const AttentionSizes& sizes,
                   const std::vector<Arithmetic<T>>& queries, const std::vector<Arithmetic<T>>& keys,
                   const std::vector<Arithmetic<T>>& values, const Tensor* mask, const Tensor* bias,
                   std::int64_t past) {
  using A = Arithmetic<T>;
  const Node& node = context.node;
  const bool causal = node.integer("unidirectional", 0) != 0;
  const std::vector<A> masked = read_mask<A>(mask, sizes, node.real("mask_filter_value", -10000.0f));
  const auto add_bias = [&](std::int64_t b, std::int64_t n, std::int64_t s, A* scores) {
    const A* row = masked.empty() ? nullptr : masked.data() + (b * sizes.queries + s) * sizes.keys;
    for (std::int64_t t = 0; t < sizes.keys && row != nullptr; ++t) scores[t] += row[t];
    if (bias == nullptr) return;
    const std::int64_t batch_row = bias->shape()[0] == 1 ? 0 : b;
    const std::int64_t head_row = bias->shape()[1] == 1 ? 0 : n;
    const T* from = data<T>(*bias) + ((batch_row * bias->shape()[1] + head_row) * sizes.queries + s) * sizes.keys;
    for (std::int64_t t = 0; t < sizes.keys; ++t) scores[t] += static_cast<A>(from[t]);
  };
  const auto range = [&](std::int64_t, std::int64_t s) {
    return KeyRange{0, causal ? std::min(sizes.keys, past + s + 1) : sizes.keys};
  };
  attend<T>(sizes, queries, keys, values, scale_of(node, sizes.head), 0.0f, add_bias, range,
            data<T>(context.outputs[0]));
}

template <typename T>
void write_state(const ComputeContext& context, std::size_t output, std::size_t first,
                 const std::vector<Arithmetic<T>>& values) {
  if (!has_output(context, output)) return;
  T* to = data<T>(context.outputs[output]) + first;
  for (std::size_t i = 0; i < values.size(); ++i) to[i] = T(values[i]);
}

// --- Attention ---
//
// Inputs: input, weights, bias, mask_index, past, attention_bias.

struct SelfAttention {
  AttentionSizes sizes;
  std::int64_t past;
  Shape widths;  // of Q, K and V
};

SelfAttention self_attention(const Node& node, const Shape& x, const Shape& weights, const Shape* past) {
  require(x.size() == 3 && weights.size() == 2 && weights[0] == x[2], node, "input {} and weights {} do not fit",
          graph::to_string(x), graph::to_string(weights));
  const std::int64_t heads = heads_of(node, "num_heads");
  SelfAttention self{};
  self.widths = node.integers("qkv_hidden_sizes");
  if (self.widths.empty()) self.widths.assign(3, weights[1] / 3);
  require(self.widths.size() == 3, node, "qkv_hidden_sizes has {} entries", self.widths.size());
  for (const std::int64_t width : self.widths) {
    require(width > 0 && width <= weights[1], node, "qkv_hidden_sizes holds {}", width);
  }
  require(self.widths[0] == self.widths[1] && self.widths[0] + self.widths[1] + self.widths[2] == weights[1], node,
          "the weights have {} columns, which are not those of Q, K and V", weights[1]);
  self.sizes = {
      x[0], heads, heads, x[1], x[1], divided(node, self.widths[0], heads), divided(node, self.widths[2], heads)};
  if (past != nullptr) {
    require(past->size() == 5 && self.sizes.head == self.sizes.v_head &&
                *past == Shape({2, x[0], heads, (*past)[3], self.sizes.head}),
            node, "past has the shape {}, wanted [2, {}, {}, length, {}]", graph::to_string(*past), x[0], heads,
            self.sizes.head);
    self.past = (*past)[3];
    self.sizes.keys += self.past;
  }
  return self;
}

std::vector<TensorType> infer_attention(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType* past = optional_input(context, 4);
  require_type(FloatTypes{}, context.node, x.element);
  refuse_attributes(context.node, {"do_rotary", "past_present_share_buffer"});
  refuse_inputs(context, 6);
  const SelfAttention self =
      self_attention(context.node, x.shape, input(context, 1).shape, past != nullptr ? &past->shape : nullptr);
  check_shape(context, 1, input(context, 1).shape);
  check_shape(context, 2, {input(context, 1).shape[1]});
  if (past != nullptr) check_shape(context, 4, past->shape);
  check_mask(context, 3, self.sizes);
  check_attention_bias(context, 5, self.sizes);
  const AttentionSizes& sizes = self.sizes;
  if (context.node.outputs.size() > 1) {
    require(sizes.head == sizes.v_head, context.node, "present needs heads of one size");
  }
  return types(context, {{x.element, {sizes.batch, sizes.queries, self.widths[2]}},
                         {x.element, {2, sizes.batch, sizes.heads, sizes.keys, sizes.head}}});
}

template <typename T>
void compute_attention_of(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor& x = input(context, 0);
  const Tensor* past = optional_input(context, 4);
  const SelfAttention self =
      self_attention(context.node, x.shape(), input(context, 1).shape(), past != nullptr ? &past->shape() : nullptr);
  const AttentionSizes& sizes = self.sizes;
  const Tensor projected = Steps(context.node).run("MatMul", {&x, &input(context, 1)});
  const Tensor* bias = optional_input(context, 2);
  const std::int64_t width = input(context, 1).shape()[1];
  const auto part = [&](std::int64_t column, std::int64_t head) {
    return read_heads<T>(data<T>(projected), sizes.batch, sizes.queries, width, column, sizes.heads, head,
                         bias != nullptr ? data<T>(*bias) : nullptr);
  };
  const std::int64_t outer = sizes.batch * sizes.heads;
  const T* past_keys = past != nullptr ? data<T>(*past) : nullptr;
  const T* past_values = past != nullptr ? past_keys + past->count() / 2 : nullptr;
  const std::vector<A> keys = with_past<T>(past_keys, self.past, part(self.widths[0], sizes.head), outer, sizes.head);
  const std::vector<A> values =
      with_past<T>(past_values, self.past, part(2 * self.widths[0], sizes.v_head), outer, sizes.v_head);
  write_state<T>(context, 1, 0, keys);
  write_state<T>(context, 1, keys.size(), values);
  if (has_output(context, 0)) {
    attend_masked<T>(context, sizes, part(0, sizes.head), keys, values, optional_input(context, 3),
                     optional_input(context, 5), self.past);
  }
}

void compute_attention(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { compute_attention_of<decltype(tag)>(context); });
}

// --- MultiHeadAttention ---
//
// Inputs: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value. Keys and values have three
// axes, or four where they are [batch, heads, length, head] already.

struct CrossAttention {
  AttentionSizes sizes;
  std::int64_t past, added;  // keys of the past, and of this call
};

CrossAttention cross_attention(const Node& node, const Shape& q, const Shape& k, const Shape& v, const Shape* past) {
  if (q.size() != 3) unsupported(node, "packed queries are not supported");
  require(k.size() == v.size() && (k.size() == 3 || k.size() == 4), node, "key and value have the shapes {} and {}",
          graph::to_string(k), graph::to_string(v));
  const std::int64_t heads = heads_of(node, "num_heads");
  const bool split = k.size() == 4;
  CrossAttention cross{};
  cross.added = split ? k[2] : k[1];
  cross.sizes = {q[0], heads, heads, q[1], cross.added, divided(node, q[2], heads), 0};
  cross.sizes.v_head = split ? v[3] : divided(node, v[2], heads);
  const Shape wanted = split ? Shape{q[0], heads, cross.added, cross.sizes.head} : Shape{q[0], cross.added, q[2]};
  Shape wanted_value = wanted;
  wanted_value.back() = v.back();
  require(k == wanted && v == wanted_value, node, "key {} and value {} do not fit the query {}", graph::to_string(k),
          graph::to_string(v), graph::to_string(q));
  if (past != nullptr) {
    require(past->size() == 4, node, "past_key has the shape {}", graph::to_string(*past));
    cross.past = (*past)[2];
    cross.sizes.keys += cross.past;
  }
  return cross;
}

std::vector<TensorType> infer_multi_head(const InferContext& context) {
  const TensorType& q = input(context, 0);
  if (optional_input(context, 1) == nullptr || optional_input(context, 2) == nullptr) {
    unsupported(context.node, "packed inputs are not supported");
  }
  require_type(FloatTypes{}, context.node, q.element);
  refuse_inputs(context, 8);
  const TensorType* past = optional_input(context, 6);
  require((past == nullptr) == (optional_input(context, 7) == nullptr), context.node,
          "past_key and past_value belong together");
  const CrossAttention cross = cross_attention(context.node, q.shape, input(context, 1).shape, input(context, 2).shape,
                                               past != nullptr ? &past->shape : nullptr);
  const AttentionSizes& sizes = cross.sizes;
  check_shape(context, 1, input(context, 1).shape);
  check_shape(context, 2, input(context, 2).shape);
  check_shape(context, 3, {2 * sizes.heads * sizes.head + sizes.heads * sizes.v_head});
  check_mask(context, 4, sizes);
  check_attention_bias(context, 5, sizes);
  check_shape(context, 6, {sizes.batch, sizes.heads, cross.past, sizes.head});
  check_shape(context, 7, {sizes.batch, sizes.heads, cross.past, sizes.v_head});
  return types(context, {{q.element, {sizes.batch, sizes.queries, sizes.heads * sizes.v_head}},
                         {q.element, {sizes.batch, sizes.heads, sizes.keys, sizes.head}},
                         {q.element, {sizes.batch, sizes.heads, sizes.keys, sizes.v_head}}});
}

// Keys or values of this call; `bias_column`: where their part of the bias begins.
template <typename T>
std::vector<Arithmetic<T>> read_memory(const ComputeContext& context, std::size_t index, const CrossAttention& cross,
                                       std::int64_t head, std::int64_t bias_column) {
  const Tensor& memory = input(context, index);
  if (memory.shape().size() == 4) {
    std::vector<Arithmetic<T>> values(static_cast<std::size_t>(memory.count()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Arithmetic<T>>(data<T>(memory)[i]);
    return values;
  }
  const Tensor* bias = optional_input(context, 3);
  return read_heads<T>(data<T>(memory), cross.sizes.batch, cross.added, cross.sizes.heads * head, 0, cross.sizes.heads,
                       head, bias != nullptr ? data<T>(*bias) + bias_column : nullptr);
}

template <typename T>
void compute_multi_head_of(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor& q = input(context, 0);
  const Tensor* past_key = optional_input(context, 6);
  const Tensor* past_value = optional_input(context, 7);
  const CrossAttention cross =
      cross_attention(context.node, q.shape(), input(context, 1).shape(), input(context, 2).shape(),
                      past_key != nullptr ? &past_key->shape() : nullptr);
  const AttentionSizes& sizes = cross.sizes;
  const Tensor* bias = optional_input(context, 3);
  const std::int64_t width = sizes.heads * sizes.head;
  const std::int64_t outer = sizes.batch * sizes.heads;
  const std::vector<A> queries = read_heads<T>(data<T>(q), sizes.batch, sizes.queries, width, 0, sizes.heads,
                                               sizes.head, bias != nullptr ? data<T>(*bias) : nullptr);
  const std::vector<A> keys = with_past<T>(past_key != nullptr ? data<T>(*past_key) : nullptr, cross.past,
                                           read_memory<T>(context, 1, cross, sizes.head, width), outer, sizes.head);
  const std::vector<A> values =
      with_past<T>(past_value != nullptr ? data<T>(*past_value) : nullptr, cross.past,
                   read_memory<T>(context, 2, cross, sizes.v_head, 2 * width), outer, sizes.v_head);
  write_state<T>(context, 1, 0, keys);
  write_state<T>(context, 2, 0, values);
  if (has_output(context, 0)) {
    attend_masked<T>(context, sizes, queries, keys, values, optional_input(context, 4), optional_input(context, 5),
                     cross.past);
  }
}

void compute_multi_head(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { compute_multi_head_of<decltype(tag)>(context); });
}

// --- RotaryEmbedding ---
//
// Inputs: x [batch, sequence, width] or [batch, heads, sequence, head]; positions: one for the first element, or
// [batch, sequence]; cosines and sines [positions, rotary / 2].

// Cosines and sines of positions.
template <typename T>
struct Angles {
  using A = Arithmetic<T>;
  Numbers<T> cosines, sines;
  std::int64_t positions, half;

  Angles(const Tensor& cosine, const Tensor& sine)
      : cosines(&cosine), sines(&sine), positions(cosine.shape()[0]), half(cosine.shape()[1]) {}

  void apply(const Node& node, A* values, std::int64_t position, bool interleaved) const {
    require(position >= 0 && position < positions, node, "the position {} is not one of {}", position, positions);
    rotate(values, 2 * half, cosines.at(position * half), sines.at(position * half), interleaved);
  }
};

void check_angles(const InferContext& context, std::size_t cosine, std::int64_t head) {
  const Shape& shape = input(context, cosine).shape;
  require(shape.size() == 2 && 2 * shape[1] <= head, context.node, "the cosines {} do not fit a head of {}",
          graph::to_string(shape), head);
  check_shape(context, cosine, shape);
  input(context, cosine + 1);
  check_shape(context, cosine + 1, shape);
}

struct RotarySizes {
  std::int64_t batch, heads, sequence, head;
  bool split;  // heads before the sequence
};

RotarySizes rotary_sizes(const Node& node, const Shape& x, const Shape& cosine) {
  require((x.size() == 3 || x.size() == 4) && cosine.size() == 2, node, "input and cosines have the shapes {} and {}",
          graph::to_string(x), graph::to_string(cosine));
  if (x.size() == 4) return {x[0], x[1], x[2], x[3], true};
  std::int64_t heads = node.integer("num_heads", 0);
  require(heads >= 0, node, "num_heads is {}", heads);
  // Without a number of heads the cosines say how wide one is.
  if (heads == 0) heads = cosine[1] > 0 ? x[2] / (2 * cosine[1]) : 1;
  require(heads >= 1, node, "the cosines {} are wider than the input", graph::to_string(cosine));
  return {x[0], heads, x[1], divided(node, x[2], heads), false};
}

std::vector<TensorType> infer_rotary(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& positions = input(context, 1);
  require_type(FloatTypes{}, context.node, x.element);
  refuse_attributes(context.node, {"is_packed_batching"});
  const float scale = context.node.real("scale", 1.0f);
  if (scale != 1.0f) unsupported(context.node, "a scale is not supported");
  const RotarySizes sizes = rotary_sizes(context.node, x.shape, input(context, 2).shape);
  check_angles(context, 2, sizes.head);
  require(positions.element == ElementType::int64 &&
              (positions.shape == Shape{1} || positions.shape == Shape{sizes.batch, sizes.sequence}),
          context.node, "positions are {} {}, wanted int64 [1] or [{}, {}]", graph::name_of(positions.element),
          graph::to_string(positions.shape), sizes.batch, sizes.sequence);
  return infer_same(context);
}

void compute_rotary(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& positions = input(context, 1);
  const RotarySizes sizes = rotary_sizes(context.node, x.shape(), input(context, 2).shape());
  const bool interleaved = context.node.integer("interleaved", 0) != 0;
  const std::int64_t* position = data<std::int64_t>(positions);
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const Angles<T> angles(input(context, 2), input(context, 3));
    std::vector<A> head(static_cast<std::size_t>(sizes.head));
    for (std::int64_t i = 0; i < sizes.batch * sizes.heads * sizes.sequence; ++i) {
      const std::int64_t s = sizes.split ? i % sizes.sequence : i / sizes.heads % sizes.sequence;
      const std::int64_t b = i / sizes.heads / sizes.sequence;
      const T* from = data<T>(x) + i * sizes.head;
      T* to = data<T>(context.outputs[0]) + i * sizes.head;
      for (std::size_t k = 0; k < head.size(); ++k) head[k] = static_cast<A>(from[k]);
      // A first position near the largest integer must not overflow.
      const std::int64_t place = positions.count() == 1 && positions.shape().size() == 1
                                     ? add(position[0], s)
                                     : position[b * sizes.sequence + s];
      angles.apply(context.node, head.data(), place, interleaved);
      for (std::size_t k = 0; k < head.size(); ++k) to[k] = T(head[k]);
    }
  });
}

// --- GroupQueryAttention ---
//
// Inputs: query, key, value, past_key, past_value, seqlens_k (of each sequence, less one), total_sequence_length,
// cos_cache, sin_cache, position_ids. Without key and value the query holds all three side by side.

struct GroupAttention {
  AttentionSizes sizes;
  std::int64_t past;   // rows that past_key has
  std::int64_t total;  // of the longest sequence, with what is new
  bool packed;
  std::int64_t width() const { return sizes.heads * sizes.head; }
  std::int64_t kv_width() const { return sizes.kv_heads * sizes.head; }
};

template <typename Context>
GroupAttention group_attention(const Context& context, const Shape& q, const Shape* past) {
  const Node& node = context.node;
  require(q.size() == 3, node, "the query has the shape {}, wanted three axes", graph::to_string(q));
  GroupAttention group{};
  group.packed = context.inputs.size() < 2 || context.inputs[1] == nullptr;
  const std::int64_t heads = heads_of(node, "num_heads");
  const std::int64_t kv_heads = heads_of(node, "kv_num_heads");
  require(heads % kv_heads == 0 && heads < (1 << 20), node, "{} heads do not divide into {} groups", heads, kv_heads);
  const std::int64_t head = divided(node, q[2], group.packed ? heads + 2 * kv_heads : heads);
  const auto total = integers_from(context, 6, "");
  require(total.has_value() && total->size() == 1, node, "total_sequence_length must be one number");
  group.total = total->front();
  require(group.total >= q[1], node, "total_sequence_length is {}, the query has {}", group.total, q[1]);
  group.past = past != nullptr && past->size() == 4 ? (*past)[2] : 0;
  group.sizes = {q[0], heads, kv_heads, q[1], std::max(group.past, group.total), head, head};
  return group;
}

std::vector<TensorType> infer_group(const InferContext& context) {
  const TensorType& q = input(context, 0);
  const TensorType* past = optional_input(context, 3);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, q.element);
  refuse_attributes(node, {"smooth_softmax"});
  refuse_inputs(context, 10);
  const GroupAttention group = group_attention(context, q.shape, past != nullptr ? &past->shape : nullptr);
  const AttentionSizes& sizes = group.sizes;
  require(group.packed == (optional_input(context, 2) == nullptr) &&
              (past == nullptr) == (optional_input(context, 4) == nullptr),
          node, "key and value belong together, and so do their pasts");
  for (const std::size_t memory : {std::size_t{1}, std::size_t{2}}) {
    check_shape(context, memory, {sizes.batch, sizes.queries, group.kv_width()});
    check_shape(context, memory + 2, {sizes.batch, sizes.kv_heads, group.past, sizes.head});
  }
  const TensorType& lengths = input(context, 5);
  require(lengths.element == ElementType::int32 && graph::element_count(lengths.shape) == sizes.batch, node,
          "seqlens_k must be int32 [{}]", sizes.batch);
  if (node.integer("do_rotary", 0) != 0) check_angles(context, 7, sizes.head);
  const TensorType* positions = optional_input(context, 9);
  require(positions == nullptr ||
              (positions->element == ElementType::int64 && positions->shape == Shape{sizes.batch, sizes.queries}),
          node, "position_ids must be int64 [{}, {}]", sizes.batch, sizes.queries);
  const TensorType present{q.element, {sizes.batch, sizes.kv_heads, sizes.keys, sizes.head}};
  return types(context, {{q.element, {sizes.batch, sizes.queries, group.width()}}, present, present});
}

template <typename T>
class GroupQueryAttention {
 public:
  using A = Arithmetic<T>;

  explicit GroupQueryAttention(const ComputeContext& context)
      : context_(context),
        group_(group_attention(context, input(context, 0).shape(),
                               optional_input(context, 3) != nullptr ? &input(context, 3).shape() : nullptr)) {}

  void run() {
    const AttentionSizes& sizes = group_.sizes;
    for (std::int64_t b = 0; b < sizes.batch; ++b) past_of(b);  // all checked before anything is read
    std::vector<A> queries = part(0, sizes.heads, 0);
    std::vector<A> added = part(1, sizes.kv_heads, group_.width());
    if (context_.node.integer("do_rotary", 0) != 0) {
      rotate_all(queries, sizes.heads);
      rotate_all(added, sizes.kv_heads);
    }
    const std::vector<A> keys = present(3, added);
    const std::vector<A> values = present(4, part(2, sizes.kv_heads, group_.width() + group_.kv_width()));
    write_state<T>(context_, 1, 0, keys);
    write_state<T>(context_, 2, 0, values);
    if (!has_output(context_, 0)) return;
    const std::int64_t window = context_.node.integer("local_window_size", -1);
    const auto range = [&](std::int64_t b, std::int64_t s) {
      const std::int64_t last = std::min(past_of(b) + s + 1, sizes.keys);
      return KeyRange{window >= 0 && window < last ? last - window : 0, last};
    };
    const auto no_bias = [](std::int64_t, std::int64_t, std::int64_t, A*) {};
    attend<T>(sizes, queries, keys, values, scale_of(context_.node, sizes.head), context_.node.real("softcap", 0.0f),
              no_bias, range, data<T>(context_.outputs[0]));
  }

 private:
  std::vector<A> part(std::size_t index, std::int64_t heads, std::int64_t packed_column) const {
    const AttentionSizes& sizes = group_.sizes;
    const Tensor& from = input(context_, group_.packed ? 0 : index);
    return read_heads<T>(data<T>(from), sizes.batch, sizes.queries, from.shape()[2], group_.packed ? packed_column : 0,
                         heads, sizes.head, nullptr);
  }

  // How many keys of a sequence lie in the past: none in the first call, where short sequences are filled up behind.
  std::int64_t past_of(std::int64_t b) const {
    const AttentionSizes& sizes = group_.sizes;
    if (group_.total == sizes.queries) return 0;
    const std::int64_t length = std::int64_t{data<std::int32_t>(input(context_, 5))[b]} + 1;
    const std::int64_t past = length - sizes.queries;
    require(past >= 0 && past <= group_.past && length <= sizes.keys, context_.node,
            "a sequence has the length {}, the past {}", length, group_.past);
    return past;
  }

  void rotate_all(std::vector<A>& values, std::int64_t heads) const {
    const AttentionSizes& sizes = group_.sizes;
    const Angles<T> angles(input(context_, 7), input(context_, 8));
    const Tensor* positions = optional_input(context_, 9);
    const bool interleaved = context_.node.integer("rotary_interleaved", 0) != 0;
    for (std::int64_t i = 0; i < sizes.batch * heads * sizes.queries; ++i) {
      const std::int64_t s = i % sizes.queries;
      const std::int64_t b = i / sizes.queries / heads;
      const std::int64_t position =
          positions != nullptr ? data<std::int64_t>(*positions)[b * sizes.queries + s] : past_of(b) + s;
      angles.apply(context_.node, values.data() + i * sizes.head, position, interleaved);
    }
  }

  // The past of each sequence, what is new right behind it, zeros up to the common length.
  std::vector<A> present(std::size_t past_index, const std::vector<A>& added) const {
    const AttentionSizes& sizes = group_.sizes;
    std::vector<A> all(static_cast<std::size_t>(sizes.batch * sizes.kv_heads * sizes.keys * sizes.head), A(0));
    const Tensor* past = optional_input(context_, past_index);
    for (std::int64_t i = 0; i < sizes.batch * sizes.kv_heads; ++i) {
      A* to = all.data() + i * sizes.keys * sizes.head;
      const std::int64_t rows = past_of(i / sizes.kv_heads);
      for (std::int64_t j = 0; j < rows * sizes.head; ++j) {
        to[j] = static_cast<A>(data<T>(*past)[i * group_.past * sizes.head + j]);
      }
      const A* from = added.data() + i * sizes.queries * sizes.head;
      std::copy(from, from + sizes.queries * sizes.head, to + rows * sizes.head);
    }
    return all;
  }

  const ComputeContext& context_;
  GroupAttention group_;
};

void compute_group(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { GroupQueryAttention<decltype(tag)>(context).run(); });
}

constexpr std::array kDefinitions{
    OpDefinition{kDomain, "Attention", 1, 2, 7, 1, 2, infer_attention, compute_attention},
    OpDefinition{kDomain, "GroupQueryAttention", 1, 7, 14, 1, 3, infer_group, compute_group},
    OpDefinition{kDomain, "MultiHeadAttention", 1, 1, 10, 1, 3, infer_multi_head, compute_multi_head},
    OpDefinition{kDomain, "RotaryEmbedding", 1, 4, 4, 1, 1, infer_rotary, compute_rotary},
};

}  // namespace

std::span<const OpDefinition> contrib_attention_definitions() { return kDefinitions; }

}  // namespace ns::ops
