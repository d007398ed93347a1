#include "kernels/runtime/control_flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "kernels/graph/part.h"
#include "kernels/ops/context.h"
#include "kernels/passes/passes.h"

namespace ns::runtime {

namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using ops::fail;
using ops::require;

using Values = std::span<const Tensor>;

constexpr std::int64_t kWithBatch = 8;  // the opset of Scan's first version, which has a batch axis

const Graph& subgraph_of(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  const auto* graph =
      found == node.attributes.end() ? nullptr : std::get_if<std::shared_ptr<const Graph>>(&found->second);
  if (graph == nullptr || *graph == nullptr) fail(node, fmt::format("has no sub-graph '{}'", attribute));
  return **graph;
}

// A sub-graph, ready to run with its own inputs followed by what it captures.
class Subgraph {
 public:
  Subgraph(const Graph& around, const Node& node, std::string_view attribute, const PlanOptions& options)
      : Subgraph(graph::body_of(around, subgraph_of(node, attribute)), options) {}

  std::size_t own_inputs() const { return session_.graph().inputs.size() - captured_.size(); }
  std::size_t outputs() const { return session_.graph().outputs.size(); }
  const graph::Value& output(std::size_t index) const {
    return session_.graph().value(session_.graph().outputs[index]);
  }
  Subgraph share() const { return {session_.share(), captured_}; }
  const Session& session() const { return session_; }

  std::vector<Tensor> run(std::vector<Tensor> inputs, Values values) {
    for (const ValueId id : captured_) inputs.push_back(values[static_cast<std::size_t>(id)]);
    return session_.run(inputs);
  }

 private:
  Subgraph(graph::Body body, const PlanOptions& options) : Subgraph(compile(body.graph, options), body.captured) {}
  Subgraph(Session session, std::vector<ValueId> captured)
      : session_(std::move(session)), captured_(std::move(captured)) {}

  static Session compile(Graph& body, const PlanOptions& options) {
    if (!options.plain) passes::simplify(body);
    return {std::make_shared<const Graph>(std::move(body)), options};
  }

  Session session_;
  std::vector<ValueId> captured_;
};

// Runs a sub-graph again and again. What one run made is an input of the next while that writes: two in turns.
class Iteration {
 public:
  explicit Iteration(Subgraph body) : turns_{body.share(), std::move(body)} {}

  std::vector<Tensor> run(std::vector<Tensor> inputs, Values values) {
    turn_ = !turn_;
    return turns_[turn_ ? 1 : 0].run(std::move(inputs), values);
  }
  const Subgraph& body() const { return turns_[1]; }
  std::vector<const Session*> sessions() const { return {&turns_[0].session(), &turns_[1].session()}; }

 private:
  std::array<Subgraph, 2> turns_;
  bool turn_ = false;
};

// Tensors of one type and shape, one behind the other along a new first axis.
class Stack {
 public:
  Stack(const Node& node, std::size_t expected) : node_(node), expected_(expected) {}

  void push(const Tensor& tensor) {
    if (count_ == 0) {
      element_ = tensor.type();
      shape_ = tensor.shape();
      bytes_.reserve(std::min(expected_, kMostReserved) * tensor.byte_count());
    }
    if (tensor.type() != element_ || tensor.shape() != shape_) {
      fail(node_, fmt::format("an output of its body is {} after {}", graph::to_string(tensor.shape()),
                              graph::to_string(shape_)));
    }
    const auto* from = static_cast<const std::byte*>(tensor.bytes());
    require(bytes_.size() + tensor.byte_count() <= static_cast<std::size_t>(graph::kMaxTensorBytes), node_,
            "an output grows over {} bytes", graph::kMaxTensorBytes);
    bytes_.insert(bytes_.end(), from, from + tensor.byte_count());
    ++count_;
  }

  // Of no tensor at all: the sizes that the body declares.
  Tensor take(const graph::Value& declared, bool reversed) const {
    Shape shape = shape_;
    ElementType element = element_;
    if (count_ == 0) {
      element = declared.type;
      if (element == ElementType::undefined || !declared.shape) {
        ops::unsupported(node_, "it ran no time, and its body does not declare the types of its outputs");
      }
      for (const graph::Dimension& dimension : *declared.shape)
        shape.push_back(std::max<std::int64_t>(dimension.size, 0));
    }
    shape.insert(shape.begin(), static_cast<std::int64_t>(count_));
    Tensor whole(element, shape);
    const std::size_t one = count_ == 0 ? 0 : bytes_.size() / count_;
    for (std::size_t i = 0; i < count_ && one > 0; ++i) {
      const std::size_t from = reversed ? count_ - 1 - i : i;
      std::memcpy(static_cast<std::byte*>(whole.bytes()) + i * one, bytes_.data() + from * one, one);
    }
    return whole;
  }

 private:
  static constexpr std::size_t kMostReserved = 1024;

  const Node& node_;
  std::size_t expected_;
  ElementType element_ = ElementType::undefined;
  Shape shape_;
  std::size_t count_ = 0;
  std::vector<std::byte> bytes_;
};

bool truth_of(const Node& node, const Tensor& tensor, std::string_view what) {
  require(tensor.type() == ElementType::boolean && tensor.count() == 1, node, "{} is {} {}, wanted one bool", what,
          graph::name_of(tensor.type()), graph::to_string(tensor.shape()));
  return tensor.values<bool>()[0];
}

Tensor value_of(Values values, const Node& node, std::size_t index) {
  const bool there = index < node.inputs.size() && node.inputs[index] != kAbsent;
  return there ? values[static_cast<std::size_t>(node.inputs[index])] : Tensor();
}

Tensor required_value(Values values, const Node& node, std::size_t index) {
  Tensor value = value_of(values, node, index);
  if (!value.defined()) fail(node, fmt::format("input {} is missing", index));
  return value;
}

void check_counts(const Node& node, const Subgraph& body, std::size_t inputs, std::size_t outputs) {
  require(body.own_inputs() == inputs, node, "its body has {} inputs, {} are right", body.own_inputs(), inputs);
  require(body.outputs() == outputs, node, "its body has {} outputs, {} are right", body.outputs(), outputs);
}

class If final : public ControlFlow {
 public:
  If(const Graph& graph, const Node& node, const PlanOptions& options)
      : If(node, {graph, node, "then_branch", options}, {graph, node, "else_branch", options}) {
    require(node.inputs.size() == 1 && node.inputs[0] != kAbsent, node, "has {} inputs, one is right",
            node.inputs.size());
    check_counts(node, then_, 0, node.outputs.size());
    check_counts(node, else_, 0, node.outputs.size());
  }

  std::unique_ptr<ControlFlow> share() const override {
    return std::unique_ptr<ControlFlow>(new If(node_, then_.share(), else_.share()));
  }

  std::vector<Tensor> run(Values values) override {
    const bool condition = truth_of(node_, required_value(values, node_, 0), "the condition");
    return (condition ? then_ : else_).run({}, values);
  }

  std::vector<const Session*> sessions() const override { return {&then_.session(), &else_.session()}; }

 private:
  If(const Node& node, Subgraph then, Subgraph otherwise)
      : node_(node), then_(std::move(then)), else_(std::move(otherwise)) {}

  const Node& node_;
  Subgraph then_, else_;
};

class Loop final : public ControlFlow {
 public:
  Loop(const Graph& graph, const Node& node, const PlanOptions& options)
      : Loop(node, Iteration({graph, node, "body", options})) {
    require(node.inputs.size() >= 2, node, "has {} inputs, at least 2 are right", node.inputs.size());
    require(node.outputs.size() >= carried(), node, "has {} outputs, at least {} are right", node.outputs.size(),
            carried());
    check_counts(node, iteration_.body(), carried() + 2, node.outputs.size() + 1);
  }

  std::unique_ptr<ControlFlow> share() const override {
    return std::unique_ptr<ControlFlow>(new Loop(node_, Iteration(iteration_.body().share())));
  }

  std::vector<Tensor> run(Values values) override {
    const std::int64_t times = trip_count(values);
    const Tensor first = value_of(values, node_, 1);
    bool goes_on = !first.defined() || first.count() == 0 || truth_of(node_, first, "the condition");
    std::vector<Tensor> state;
    for (std::size_t i = 0; i < carried(); ++i) state.push_back(required_value(values, node_, i + 2));
    const std::size_t collected = node_.outputs.size() - carried();
    std::vector<Stack> stacks(collected, Stack(node_, 0));
    for (std::int64_t i = 0; i < times && goes_on; ++i) {
      std::vector<Tensor> inputs{Tensor::scalar<std::int64_t>(i), Tensor::scalar<bool>(true)};
      inputs.insert(inputs.end(), state.begin(), state.end());
      const std::vector<Tensor> made = iteration_.run(std::move(inputs), values);
      goes_on = truth_of(node_, made[0], "the condition that its body makes");
      std::copy_n(made.begin() + 1, carried(), state.begin());
      for (std::size_t k = 0; k < collected; ++k) stacks[k].push(made[1 + carried() + k]);
    }
    for (std::size_t k = 0; k < collected; ++k) {
      state.push_back(stacks[k].take(iteration_.body().output(1 + carried() + k), false));
    }
    return state;
  }

  std::vector<const Session*> sessions() const override { return iteration_.sessions(); }

 private:
  Loop(const Node& node, Iteration iteration) : node_(node), iteration_(std::move(iteration)) {}

  std::size_t carried() const { return node_.inputs.size() - 2; }

  std::int64_t trip_count(Values values) const {
    const Tensor count = value_of(values, node_, 0);
    if (!count.defined() || count.count() == 0) return std::numeric_limits<std::int64_t>::max();
    require(count.type() == ElementType::int64 && count.count() == 1, node_,
            "the trip count is {} {}, wanted one int64", graph::name_of(count.type()), graph::to_string(count.shape()));
    return count.values<std::int64_t>()[0];
  }

  const Node& node_;
  Iteration iteration_;
};

Tensor run_transpose(const Tensor& tensor, std::vector<std::int64_t> order) {
  Node node;
  node.name = "scan_axis";
  node.op_type = "Transpose";
  node.outputs = {0};
  node.attributes["perm"] = std::move(order);
  const Tensor* input = &tensor;
  return ops::run_node(node, 13, {&input, 1}).at(0);
}

// `axis` becomes the first, the others keep their order.
Tensor axis_to_front(const Tensor& tensor, std::size_t axis) {
  if (axis == 0) return tensor;
  std::vector<std::int64_t> order(tensor.shape().size());
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(axis),
              order.begin() + static_cast<std::ptrdiff_t>(axis) + 1);
  return run_transpose(tensor, std::move(order));
}

Tensor front_to_axis(const Tensor& tensor, std::size_t axis) {
  if (axis == 0) return tensor;
  std::vector<std::int64_t> order(tensor.shape().size());
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + 1, order.begin() + static_cast<std::ptrdiff_t>(axis) + 1);
  return run_transpose(tensor, std::move(order));
}

// Part `index` of the first axis; shares the bytes.
Tensor slice_of(const Tensor& tensor, std::int64_t index) {
  const Shape shape(tensor.shape().begin() + 1, tensor.shape().end());
  const std::size_t bytes = tensor.byte_count() / static_cast<std::size_t>(tensor.shape()[0]);
  auto* start = static_cast<std::byte*>(const_cast<void*>(tensor.bytes())) + static_cast<std::size_t>(index) * bytes;
  return Tensor::view(tensor.type(), shape, start, std::make_shared<const Tensor>(tensor));
}

class Scan final : public ControlFlow {
 public:
  Scan(const Graph& graph, const Node& node, const PlanOptions& options)
      : Scan(node, graph.opset_of(node) <= kWithBatch, Iteration({graph, node, "body", options})) {
    const std::int64_t scanned = node.integer("num_scan_inputs", 0);
    const auto most = static_cast<std::int64_t>(node.inputs.size() - first_input());
    require(node.inputs.size() > first_input() && scanned >= 1 && scanned <= most, node,
            "num_scan_inputs is {}, 1 to {} are right", scanned, most);
    require(node.outputs.size() >= states(), node, "has {} outputs, at least {} are right", node.outputs.size(),
            states());
    check_counts(node, iteration_.body(), states() + scanned_inputs(), node.outputs.size());
  }

  std::unique_ptr<ControlFlow> share() const override {
    return std::unique_ptr<ControlFlow>(new Scan(node_, batched_, Iteration(iteration_.body().share())));
  }

  std::vector<Tensor> run(Values values) override {
    std::vector<Tensor> inputs;
    for (std::size_t i = first_input(); i < node_.inputs.size(); ++i) {
      inputs.push_back(required_value(values, node_, i));
    }
    if (batched_) return run_batch(inputs, values);
    for (std::size_t i = 0; i < scanned_inputs(); ++i) {
      Tensor& input = inputs[states() + i];
      input = axis_to_front(input, axis_of("scan_input_axes", i, input.shape().size()));
    }
    return run_sequence(std::move(inputs), -1, values);
  }

  std::vector<const Session*> sessions() const override { return iteration_.sessions(); }

 private:
  Scan(const Node& node, bool batched, Iteration iteration)
      : node_(node), batched_(batched), iteration_(std::move(iteration)) {}

  std::size_t first_input() const { return batched_ ? 1 : 0; }  // behind the lengths of the sequences
  std::size_t scanned_inputs() const { return static_cast<std::size_t>(node_.integer("num_scan_inputs", 0)); }
  std::size_t states() const { return node_.inputs.size() - first_input() - scanned_inputs(); }

  std::size_t axis_of(std::string_view attribute, std::size_t index, std::size_t rank) const {
    const std::vector<std::int64_t> axes = node_.integers(attribute);
    require(axes.empty() || index < axes.size(), node_, "{} has {} entries, one for each is right", attribute,
            axes.size());
    return ops::normal_axis(node_, axes.empty() ? 0 : axes[index], rank);
  }

  bool is_backward(std::string_view attribute, std::size_t index) const {
    const std::vector<std::int64_t> directions = node_.integers(attribute);
    require(directions.empty() || index < directions.size(), node_, "{} has {} entries, one for each is right",
            attribute, directions.size());
    return !directions.empty() && directions[index] != 0;
  }

  // Inputs with the scanned axis first; `length` limits the steps (-1: all).
  std::vector<Tensor> run_sequence(std::vector<Tensor> inputs, std::int64_t length, Values values) {
    std::int64_t steps = -1;
    for (std::size_t i = states(); i < inputs.size(); ++i) {
      require(!inputs[i].shape().empty(), node_, "scanned input {} is a scalar", i - states());
      const std::int64_t size = inputs[i].shape()[0];
      require(steps < 0 || size == steps, node_, "scanned inputs have {} and {} steps", steps, size);
      steps = size;
    }
    if (length >= 0) steps = std::min(steps, length);
    const std::size_t collected = node_.outputs.size() - states();
    std::vector<Stack> stacks(collected, Stack(node_, static_cast<std::size_t>(std::max<std::int64_t>(steps, 0))));
    std::vector<Tensor> state(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(states()));
    const char* const input_directions = batched_ ? "directions" : "scan_input_directions";
    for (std::int64_t step = 0; step < steps; ++step) {
      std::vector<Tensor> fed = state;
      for (std::size_t i = 0; i < scanned_inputs(); ++i) {
        const bool backward = is_backward(input_directions, i);
        fed.push_back(slice_of(inputs[states() + i], backward ? steps - 1 - step : step));
      }
      const std::vector<Tensor> made = iteration_.run(std::move(fed), values);
      std::copy_n(made.begin(), states(), state.begin());
      for (std::size_t k = 0; k < collected; ++k) stacks[k].push(made[states() + k]);
    }
    for (std::size_t k = 0; k < collected; ++k) {
      const bool backward = !batched_ && is_backward("scan_output_directions", k);
      const Tensor whole = stacks[k].take(iteration_.body().output(states() + k), backward);
      state.push_back(front_to_axis(whole, batched_ ? 0 : axis_of("scan_output_axes", k, whole.shape().size())));
    }
    return state;
  }

  // Opset 8: axis 0 of everything is the batch, axis 1 of what is scanned the sequence.
  std::vector<Tensor> run_batch(const std::vector<Tensor>& inputs, Values values) {
    for (const Tensor& input : inputs) require(!input.shape().empty(), node_, "an input has no batch axis");
    const std::int64_t batch = inputs.at(0).shape()[0];
    const Tensor lengths = value_of(values, node_, 0);
    std::vector<Stack> stacks(node_.outputs.size(), Stack(node_, static_cast<std::size_t>(batch)));
    for (std::int64_t sample = 0; sample < batch; ++sample) {
      std::vector<Tensor> one;
      for (const Tensor& input : inputs) {
        require(input.shape()[0] == batch, node_, "inputs have batches of {} and {}", batch, input.shape()[0]);
        one.push_back(slice_of(input, sample));
      }
      const std::vector<Tensor> made = run_sequence(std::move(one), length_of(lengths, sample), values);
      for (std::size_t k = 0; k < made.size(); ++k) stacks[k].push(made[k]);
    }
    std::vector<Tensor> outputs;
    for (std::size_t k = 0; k < stacks.size(); ++k)
      outputs.push_back(stacks[k].take(iteration_.body().output(k), false));
    return outputs;
  }

  std::int64_t length_of(const Tensor& lengths, std::int64_t sample) const {
    if (!lengths.defined()) return -1;
    const std::vector<std::int64_t> all = ops::integers_of(node_, lengths);
    require(sample < static_cast<std::int64_t>(all.size()) && all[static_cast<std::size_t>(sample)] >= 0, node_,
            "there is no length for sample {}", sample);
    return all[static_cast<std::size_t>(sample)];
  }

  const Node& node_;
  const bool batched_;
  Iteration iteration_;
};

}  // namespace

bool is_control_flow(const Node& node) { return node.is("If") || node.is("Loop") || node.is("Scan"); }

std::unique_ptr<ControlFlow> ControlFlow::make(const Graph& graph, const Node& node, const PlanOptions& options) {
  if (node.is("If")) return std::make_unique<If>(graph, node, options);
  if (node.is("Loop")) return std::make_unique<Loop>(graph, node, options);
  if (node.is("Scan")) return std::make_unique<Scan>(graph, node, options);
  fail(node, "is no operator that runs sub-graphs");
}

}  // namespace ns::runtime
