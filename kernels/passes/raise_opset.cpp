// raise_opset: the same model in a newer opset. Mostly attributes became inputs:
//
//   x -> Clip(min=0, max=6) -> y        becomes   x, 0#, 6# -> Clip -> y                       (since 11)
//   x -> Softmax(axis=1) -> y           becomes   x -> Flatten(1) -> Softmax(-1) -> Reshape(shape of x) -> y
//                                                 (since 13; only where axis is not the last)
//   x -> Upsample(scales=...) -> y      becomes   x, scales# -> Resize(asymmetric, floor) -> y (since 10, 11)
#include <fmt/format.h>

#include <array>
#include <set>

#include "common/error.h"
#include "kernels/passes/passes.h"
#include "kernels/passes/value_types.h"

namespace ns::passes {

namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

constexpr std::int64_t kLowest = 13;   // per-channel QuantizeLinear needs it
constexpr std::int64_t kHighest = 21;  // the newest whose operators are known here

[[noreturn]] void cannot(const Node& node, const std::string& why) {
  throw Error(ErrorCode::unsupported, fmt::format("{}: cannot be raised to a newer opset: {}", describe(node), why));
}

Tensor list_of(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor scalar_of(const Node& node, ElementType type, float value) {
  if (type == ElementType::float32) return Tensor::scalar<float>(value);
  if (type == ElementType::float64) return Tensor::scalar<double>(static_cast<double>(value));
  cannot(node, fmt::format("a constant of {} would be needed", name_of(type)));
}

// What the steps may rely on: the inputs that an operator cannot do without, and an output.
void check_is_complete(const Node& node, std::size_t inputs) {
  for (std::size_t i = 0; i < inputs; ++i) {
    if (i >= node.inputs.size() || node.inputs[i] == kAbsent) cannot(node, fmt::format("it has no input {}", i));
  }
  if (node.outputs.empty() || node.outputs[0] == kAbsent) cannot(node, "it has no output");
}

class Raiser {
 public:
  Raiser(Graph& graph, std::int64_t from, std::int64_t to)
      : graph_(graph), from_(from), to_(to), types_(example_types(graph)) {}

  void run();

 private:
  // The step from opset `since - 1` to `since` changes nodes of this type.
  struct Step {
    std::string_view op_type;
    std::int64_t since;
    void (Raiser::*raise)(Node&);
  };
  static const std::vector<Step>& steps();

  bool crosses(std::int64_t since) const { return from_ < since && to_ >= since; }

  ValueId constant(const Node& node, std::string_view role, Tensor tensor) {
    return graph_.add_constant(graph_.unused_name(fmt::format("{}_{}", node.name, role)), std::move(tensor));
  }

  void set_input(Node& node, std::size_t index, ValueId id) {
    if (node.inputs.size() <= index) node.inputs.resize(index + 1, kAbsent);
    node.inputs[index] = id;
  }

  void list_to_input(Node& node, std::string_view attribute, std::size_t index) {
    if (!node.has(attribute)) return;
    set_input(node, index, constant(node, attribute, list_of(node.integers(attribute))));
    node.attributes.erase(std::string(attribute));
  }

  const std::optional<ops::TensorType>& type_of(ValueId id) const {
    static const std::optional<ops::TensorType> none;
    const auto place = static_cast<std::size_t>(id);
    return id != kAbsent && place < types_.size() ? types_[place] : none;
  }

  ElementType element_of(const Node& node) const {
    const ValueId id = node.inputs.empty() ? kAbsent : node.inputs[0];
    if (const auto& type = type_of(id)) return type->element;
    if (id != kAbsent && graph_.value(id).type != ElementType::undefined) return graph_.value(id).type;
    cannot(node, "the element type of its input is not known");
  }

  void axes_to_input(Node& node) { list_to_input(node, "axes", 1); }
  void split_to_input(Node& node) { list_to_input(node, "split", 1); }
  void shape_to_input(Node& node) {
    list_to_input(node, "shape", 1);
    drop_consumed_inputs(node);
  }
  void name_outputs(Node& node) {
    if (node.inputs.size() < 2 || node.inputs[1] == kAbsent) {
      node.attributes["num_outputs"] = static_cast<std::int64_t>(node.outputs.size());
    }
  }
  void drop_consumed_inputs(Node& node) { node.attributes.erase("consumed_inputs"); }

  void limits_to_inputs(Node& node) {
    std::size_t index = 1;
    for (const std::string attribute : {"min", "max"}) {
      if (node.has(attribute)) {
        const Tensor limit = scalar_of(node, element_of(node), node.real(attribute, 0));
        set_input(node, index, constant(node, attribute, limit));
        node.attributes.erase(attribute);
      }
      ++index;
    }
  }

  void pads_to_inputs(Node& node) {
    if (!node.has("pads")) cannot(node, "the attribute pads is missing");
    list_to_input(node, "pads", 1);
    if (node.text("mode", "constant") == "constant" && node.has("value")) {
      set_input(node, 2, constant(node, "value", scalar_of(node, element_of(node), node.real("value", 0))));
    }
    node.attributes.erase("value");
  }

  void slice_to_inputs(Node& node) {
    list_to_input(node, "starts", 1);
    list_to_input(node, "ends", 2);
    list_to_input(node, "axes", 3);
  }

  void ratio_to_input(Node& node) {
    if (node.has("ratio")) set_input(node, 1, constant(node, "ratio", Tensor::scalar<float>(node.real("ratio", 0.5f))));
    node.attributes.erase("ratio");
    node.attributes.erase("is_test");
  }

  void drop_spatial(Node& node) {
    if (node.integer("spatial", 1) == 0) cannot(node, "spatial=0 has no counterpart");
    node.attributes.erase("spatial");
    node.attributes.erase("is_test");
  }

  void scales_to_input(Node& node) {  // Upsample 7 -> 9
    if (!node.has("scales")) return;
    const std::vector<float> scales = node.reals("scales");
    set_input(node, 1,
              constant(node, "scales", Tensor::from<float>({static_cast<std::int64_t>(scales.size())}, scales)));
    node.attributes.erase("scales");
  }

  void upsample_to_resize(Node& node) {  // Upsample 9 -> Resize 10
    node.op_type = "Resize";
    if (node.text("mode", "nearest") == "bilinear") node.attributes["mode"] = std::string("linear");
    resize_with_roi(node);
  }

  // Up to Resize 10 the nearest was the one below where an axis grows and the one above where it shrinks.
  std::string_view old_nearest_mode(const Node& node) const {
    if (node.text("mode", "nearest") != "nearest") return "floor";
    const Tensor& scales = graph_.value(node.inputs[2]).constant;
    if (scales.type() != ElementType::float32) cannot(node, "its scales are not constant");
    bool grows = false;
    bool shrinks = false;
    for (const float scale : scales.values<float>()) {
      grows = grows || scale > 1;
      shrinks = shrinks || scale < 1;
    }
    if (grows && shrinks) cannot(node, "it grows along one axis and shrinks along another");
    return shrinks ? "ceil" : "floor";
  }

  void resize_with_roi(Node& node) {  // Resize 10 -> 11
    if (node.inputs.size() != 2 || node.inputs[1] == kAbsent) cannot(node, "it has no scales");
    node.inputs = {node.inputs[0], kAbsent, node.inputs[1]};
    node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
    node.attributes["nearest_mode"] = std::string(old_nearest_mode(node));
  }

  // Up to opset 6 the second input was lined up with `axis` of the first.
  void drop_broadcast(Node& node) {
    drop_consumed_inputs(node);
    const bool broadcast = node.integer("broadcast", 0) != 0;
    const bool has_axis = node.has("axis");
    const std::int64_t axis = node.integer("axis", 0);
    node.attributes.erase("broadcast");
    node.attributes.erase("axis");
    if (!broadcast || !has_axis || axis == -1) return;
    const auto& a = type_of(node.inputs.at(0));
    const Tensor second = graph_.value(node.inputs.at(1)).constant;
    if (!a || !second.defined()) cannot(node, "broadcast along an axis needs a constant and a known rank");
    graph::Shape shape = second.shape();
    const auto rank = static_cast<std::int64_t>(a->shape.size());
    const std::int64_t trailing = rank - (axis < 0 ? axis + rank : axis) - static_cast<std::int64_t>(shape.size());
    if (trailing < 0) cannot(node, "axis does not fit");
    shape.insert(shape.end(), static_cast<std::size_t>(trailing), 1);
    node.inputs[1] = constant(node, "operand", second.reshaped(shape));
  }

  // Up to opset 6 a list of slopes had one for each channel.
  void align_slope(Node& node) {
    const auto& x = type_of(node.inputs.at(0));
    const Tensor slope = graph_.value(node.inputs.at(1)).constant;
    if (!x || !slope.defined()) cannot(node, "its slope is not constant, or its rank not known");
    if (slope.shape().size() != 1 || slope.count() == 1 || x->shape.size() < 2) return;
    graph::Shape shape = slope.shape();
    shape.resize(x->shape.size() - 1, 1);
    node.inputs[1] = constant(node, "slope", slope.reshaped(shape));
  }

  void name_axis(Node& node) {
    if (!node.has("axis")) node.attributes["axis"] = std::int64_t{1};
  }

  void one_axis_softmax(Node& node) {
    const std::int64_t axis = node.integer("axis", 1);
    if (axis == -1) return;  // the last, whatever the rank
    const auto& type = type_of(node.inputs.at(0));
    if (type) {
      const auto rank = static_cast<std::int64_t>(type->shape.size());
      const std::int64_t last = rank - 1;
      if ((axis < 0 ? axis + rank : axis) == last) {
        node.attributes["axis"] = std::int64_t{-1};
        return;
      }
    }
    flatten_softmax(node, axis);
  }

  void flatten_softmax(Node& node, std::int64_t axis);
  void raise_subgraphs(Node& node);
  void refuse_group_normalization(Node& node) { cannot(node, "scale and bias changed their meaning"); }

  ValueId new_value(const Node& node, std::string_view role, ElementType type) {
    graph::Value value;
    value.name = graph_.unused_name(fmt::format("{}_{}", node.name, role));
    value.type = type;
    return graph_.add_value(std::move(value));
  }

  Node new_node(const Node& node, std::string op_type, std::vector<ValueId> inputs, ValueId output) {
    Node made;
    made.name = fmt::format("{}_{}", node.name, op_type);
    for (int i = 1; node_names_.count(made.name) > 0; ++i) made.name = fmt::format("{}_{}_{}", node.name, op_type, i);
    node_names_.insert(made.name);
    made.op_type = std::move(op_type);
    made.inputs = std::move(inputs);
    made.outputs = {output};
    return made;
  }

  Graph& graph_;
  std::int64_t from_, to_;
  ValueTypes types_;
  std::set<std::string> node_names_;
  std::vector<Node> before_, after_;  // nodes to stand around the one at hand
};

const std::vector<Raiser::Step>& Raiser::steps() {
  static const std::vector<Step> list = [] {
    std::vector<Step> all{
        {"Reshape", 5, &Raiser::shape_to_input},
        {"Concat", 4, &Raiser::name_axis},
        {"BatchNormalization", 6, &Raiser::drop_consumed_inputs},
        {"BatchNormalization", 9, &Raiser::drop_spatial},
        {"Gemm", 7, &Raiser::drop_broadcast},
        {"PRelu", 7, &Raiser::align_slope},
        {"Upsample", 9, &Raiser::scales_to_input},
        {"Resize", 11, &Raiser::resize_with_roi},
        {"Upsample", 10, &Raiser::upsample_to_resize},
        {"Slice", 10, &Raiser::slice_to_inputs},
        {"Clip", 11, &Raiser::limits_to_inputs},
        {"Pad", 11, &Raiser::pads_to_inputs},
        {"Dropout", 12, &Raiser::ratio_to_input},
        {"Split", 13, &Raiser::split_to_input},
        {"Split", 18, &Raiser::name_outputs},
        {"GroupNormalization", 21, &Raiser::refuse_group_normalization},
    };
    for (const char* type : {"Softmax", "LogSoftmax", "Hardmax"}) all.push_back({type, 13, &Raiser::one_axis_softmax});
    for (const char* type : {"Squeeze", "Unsqueeze", "ReduceSum"}) all.push_back({type, 13, &Raiser::axes_to_input});
    for (const char* type : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                             "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"}) {
      all.push_back({type, 18, &Raiser::axes_to_input});
    }
    for (const char* type : {"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater"}) {
      all.push_back({type, 7, &Raiser::drop_broadcast});
    }
    for (const char* type : {"Relu",        "LeakyRelu",
                             "PRelu",       "Elu",
                             "Selu",        "Sigmoid",
                             "HardSigmoid", "Tanh",
                             "Exp",         "Log",
                             "Sqrt",        "Abs",
                             "Neg",         "Reciprocal",
                             "Floor",       "Ceil",
                             "Sum",         "Mean",
                             "Max",         "Min",
                             "Clip",        "InstanceNormalization",
                             "Dropout"}) {
      all.push_back({type, 6, &Raiser::drop_consumed_inputs});
    }
    return all;
  }();
  return list;
}

void Raiser::flatten_softmax(Node& node, std::int64_t axis) {
  const ValueId x = node.inputs.at(0);
  const ValueId y = node.outputs.at(0);
  const ElementType element = type_of(x) ? type_of(x)->element : graph_.value(x).type;
  const ValueId shape = new_value(node, "shape", ElementType::int64);
  const ValueId matrix = new_value(node, "matrix", element);
  const ValueId result = new_value(node, "rows", element);
  before_.push_back(new_node(node, "Shape", {x}, shape));
  before_.push_back(new_node(node, "Flatten", {x}, matrix));
  before_.back().attributes["axis"] = axis;
  after_.push_back(new_node(node, "Reshape", {result, shape}, y));
  node.inputs[0] = matrix;
  node.outputs[0] = result;
  node.attributes["axis"] = std::int64_t{-1};
}

void Raiser::raise_subgraphs(Node& node) {
  for (auto& [key, attribute] : node.attributes) {
    if (auto* subgraph = std::get_if<std::shared_ptr<const Graph>>(&attribute)) {
      auto copy = std::make_shared<Graph>(**subgraph);
      Raiser(*copy, from_, to_).run();
      copy->opsets[""] = to_;
      *subgraph = std::move(copy);
    }
  }
}

void Raiser::run() {
  for (const Node& node : graph_.nodes) node_names_.insert(node.name);
  std::vector<Node> raised;
  for (Node node : graph_.nodes) {
    raise_subgraphs(node);
    if (node.domain.empty() && subgraphs_of(node).empty()) {
      const ops::OpDefinition* definition = ops::find_op("", node.op_type, from_);
      if (definition == nullptr) cannot(node, "the operator is not known");
      const std::string op_type = node.op_type;  // Upsample turns into Resize once and for all
      for (const Step& step : steps()) {
        if (step.op_type != op_type || !crosses(step.since)) continue;
        check_is_complete(node, static_cast<std::size_t>(definition->min_inputs));
        (this->*step.raise)(node);
      }
    }
    for (Node& made : before_) raised.push_back(std::move(made));
    raised.push_back(std::move(node));
    for (Node& made : after_) raised.push_back(std::move(made));
    before_.clear();
    after_.clear();
  }
  graph_.nodes = std::move(raised);
}

}  // namespace

void raise_opset(Graph& graph, std::int64_t opset) {
  if (opset < kLowest || opset > kHighest) {
    throw Error(ErrorCode::invalid, fmt::format("the opset {} is not one of {} to {}", opset, kLowest, kHighest),
                "opset");
  }
  if (graph.opset() >= opset) return;
  Graph raised = graph;
  Raiser(raised, graph.opset(), opset).run();
  raised.opsets[""] = opset;
  verify(raised);
  graph = std::move(raised);
}

}  // namespace ns::passes
