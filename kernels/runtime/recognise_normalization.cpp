// LayerNormalization, whole or in its parts, as exporters write it:
//
//   x ─┬─ ReduceMean ─┐
//      └───────── Sub ┴┬─ Pow 2 (or Mul with itself) ─ ReduceMean ─ Add epsilon ─ Sqrt ─┐
//                      └──────────────────────────────────────────────────────────── Div ┴─ [Mul scale] ─ [Add shift]
//
// becomes one loop over rows, when the means are over the last axis.
#include <algorithm>

#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/rows.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;

namespace {

struct Normalization {
  std::vector<std::int32_t> nodes;
  ValueId input = kAbsent, output = kAbsent;
  float epsilon = 0;
  Tensor scale, shift;  // undefined: none
};

class Matcher {
 public:
  explicit Matcher(Lowering& lowering) : lowering_(lowering), resolved_(lowering.resolved()) {}

  std::optional<Normalization> parts_from(std::int32_t index) {
    const Node& mean = lowering_.node(index);
    if (!is_mean_of_rows(mean)) return std::nullopt;
    found_.input = mean.inputs[0];
    found_.nodes = {index};
    const std::int32_t centred = only_user(mean.outputs[0], "Sub");
    if (centred < 0 || !has_inputs(centred, found_.input, mean.outputs[0])) return std::nullopt;
    take(centred);
    const ValueId difference = lowering_.node(centred).outputs[0];
    const std::int32_t square = square_of(difference);
    if (square < 0) return std::nullopt;
    take(square);
    const std::int32_t variance = only_user(lowering_.node(square).outputs[0], "ReduceMean");
    if (variance < 0 || !is_mean_of_rows(lowering_.node(variance))) return std::nullopt;
    take(variance);
    const std::int32_t sum = only_user(lowering_.node(variance).outputs[0], "Add");
    if (sum < 0) return std::nullopt;
    const std::optional<float> epsilon = number(other_input(sum, lowering_.node(variance).outputs[0]));
    if (!epsilon) return std::nullopt;
    found_.epsilon = *epsilon;
    take(sum);
    const std::int32_t root = only_user(lowering_.node(sum).outputs[0], "Sqrt");
    if (root < 0) return std::nullopt;
    take(root);
    const std::int32_t quotient = only_user(lowering_.node(root).outputs[0], "Div");
    if (quotient < 0 || !has_inputs(quotient, difference, lowering_.node(root).outputs[0])) return std::nullopt;
    take(quotient);
    if (!uses_only(difference, {square, quotient})) return std::nullopt;
    found_.output = lowering_.node(quotient).outputs[0];
    take_row("Mul", found_.scale);
    take_row("Add", found_.shift);
    return found_;
  }

  std::optional<Normalization> whole(std::int32_t index) {
    const Node& node = lowering_.node(index);
    if (!node.is("LayerNormalization") || !is_float(node.inputs[0])) return std::nullopt;
    if (std::count_if(node.outputs.begin(), node.outputs.end(), [](ValueId id) { return id != kAbsent; }) != 1) {
      return std::nullopt;
    }
    const auto rank = static_cast<std::int64_t>(resolved_.shape(node.inputs[0]).size());
    const std::int64_t axis = node.integer("axis", -1);
    if ((axis < 0 ? axis + rank : axis) != rank - 1) return std::nullopt;
    found_.nodes = {index};
    found_.input = node.inputs[0];
    found_.output = node.outputs[0];
    found_.epsilon = node.real("epsilon", 1e-5F);
    if (!row(node.inputs[1], found_.scale)) return std::nullopt;
    if (node.inputs.size() > 2 && node.inputs[2] != kAbsent && !row(node.inputs[2], found_.shift)) return std::nullopt;
    return found_;
  }

 private:
  bool is_float(ValueId id) const { return id != kAbsent && resolved_.type(id).element == ElementType::float32; }

  bool is_mean_of_rows(const Node& node) {
    if (!node.is("ReduceMean") || !is_float(node.inputs[0]) || node.integer("keepdims", 1) == 0) return false;
    const Shape& shape = resolved_.shape(node.inputs[0]);
    std::vector<std::int64_t> axes = node.integers("axes");
    if (node.inputs.size() > 1 && node.inputs[1] != kAbsent) {
      const Tensor* given = resolved_.constant(node.inputs[1]);
      if (given == nullptr || given->type() != ElementType::int64) return false;
      axes.assign(given->values<std::int64_t>().begin(), given->values<std::int64_t>().end());
    }
    const auto rank = static_cast<std::int64_t>(shape.size());
    return rank > 0 && shape.back() > 0 && axes.size() == 1 && (axes[0] == -1 || axes[0] == rank - 1);
  }

  void take(std::int32_t index) { found_.nodes.push_back(index); }

  // The one node that uses the value, free and of this type; -1: none.
  std::int32_t only_user(ValueId id, std::string_view type) const {
    const std::int32_t user = resolved_.only_consumer(id);
    return user >= 0 && !lowering_.is_taken(user) && lowering_.node(user).is(type) ? user : -1;
  }

  bool has_inputs(std::int32_t index, ValueId first, ValueId second) const {
    const Node& node = lowering_.node(index);
    return node.inputs.size() == 2 && node.inputs[0] == first && node.inputs[1] == second;
  }

  ValueId other_input(std::int32_t index, ValueId one) const {
    const Node& node = lowering_.node(index);
    return node.inputs[0] == one ? node.inputs[1] : node.inputs[0];
  }

  std::optional<float> number(ValueId id) {
    const Tensor* constant = resolved_.constant(id);
    if (constant == nullptr || constant->count() != 1 || constant->type() != ElementType::float32) return std::nullopt;
    return constant->values<float>()[0];
  }

  std::int32_t square_of(ValueId id) {
    for (const std::int32_t user : resolved_.consumers(id)) {
      if (lowering_.is_taken(user)) continue;
      const Node& node = lowering_.node(user);
      if (node.is("Pow") && node.inputs[0] == id && number(node.inputs[1]) == 2.0F) return user;
      if (node.is("Mul") && node.inputs[0] == id && node.inputs[1] == id) return user;
    }
    return -1;
  }

  bool uses_only(ValueId id, std::initializer_list<std::int32_t> users) const {
    const auto& consumers = resolved_.consumers(id);
    return !resolved_.is_output(id) && std::all_of(consumers.begin(), consumers.end(), [&](std::int32_t user) {
      return std::find(users.begin(), users.end(), user) != users.end();
    });
  }

  // One number for each place in a row.
  bool row(ValueId id, Tensor& into) {
    const Tensor* constant = resolved_.constant(id);
    const Shape& shape = resolved_.shape(found_.input);
    if (constant == nullptr || constant->type() != ElementType::float32 || constant->shape().empty()) return false;
    if (constant->shape().back() != shape.back() || constant->count() != shape.back()) return false;
    if (constant->shape().size() > shape.size()) return false;
    into = *constant;
    return true;
  }

  void take_row(std::string_view type, Tensor& into) {
    const std::int32_t user = only_user(found_.output, type);
    if (user < 0 || lowering_.node(user).inputs.size() != 2) return;
    if (!row(other_input(user, found_.output), into)) return;
    take(user);
    found_.output = lowering_.node(user).outputs[0];
  }

  Lowering& lowering_;
  Resolved& resolved_;
  Normalization found_;
};

}  // namespace

std::optional<Group> layer_normalization(Lowering& lowering, std::int32_t index) {
  std::optional<Normalization> found = Matcher(lowering).whole(index);
  if (!found) found = Matcher(lowering).parts_from(index);
  if (!found) return std::nullopt;
  const Shape& shape = lowering.resolved().shape(found->input);
  const auto length = static_cast<std::size_t>(shape.back());
  const auto count = static_cast<std::size_t>(graph::element_count(shape));
  if (count == 0) return std::nullopt;
  Group group;
  group.nodes = found->nodes;
  group.emit = [one = *found, length, rows = count / length](Lowering& to) {
    const BufferId source = to.obtain_plain(one.input);
    const BufferId target = to.produce(one.output, to.plain_layout(one.output));
    const auto loop = [one, length, rows](auto in, auto out, void*) {
      const auto numbers = [](const Tensor& tensor) {
        return tensor.defined() ? static_cast<const float*>(tensor.bytes()) : nullptr;
      };
      normalize_rows(static_cast<const float*>(in[0]), static_cast<float*>(out[0]), rows, length, one.epsilon,
                     numbers(one.scale), numbers(one.shift));
    };
    to.add(to.node(one.nodes.back()).name, "LayerNormalization", loop_step(loop), {source}, {target});
    return true;
  };
  return group;
}

}  // namespace ns::runtime
