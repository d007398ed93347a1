#include "tests/fuzz/engine_graph.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstring>
#include <set>

#include "kernels/ops/op.h"

namespace ns::fuzz {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;

constexpr int kMostNodes = 8;
constexpr std::int64_t kLargestSize = 6;  // of an axis: what operators multiply stays small
constexpr int kMostRank = 5;
constexpr int kDeepest = 2;  // sub-graphs within sub-graphs

constexpr std::array<ElementType, 14> kTypes{
    ElementType::float32, ElementType::float32, ElementType::float32, ElementType::int64,   ElementType::int64,
    ElementType::uint8,   ElementType::int8,    ElementType::int32,   ElementType::boolean, ElementType::float16,
    ElementType::float64, ElementType::uint16,  ElementType::uint64,  ElementType::bfloat16};

constexpr std::array kIntegers{"axis",
                               "keepdims",
                               "group",
                               "transA",
                               "transB",
                               "ceil_mode",
                               "to",
                               "blocksize",
                               "batch_dims",
                               "count_include_pad",
                               "block_size",
                               "start",
                               "end",
                               "allowzero",
                               "noop_with_empty_axes",
                               "num_outputs",
                               "k",
                               "largest",
                               "hidden_size",
                               "select_last_index",
                               "storage_order",
                               "fmod",
                               "exclusive",
                               "linear_before_reset",
                               "exclude_outside"};
constexpr std::array kReals{"alpha", "beta", "epsilon", "gamma", "lambd", "bias", "min", "max", "clip"};
constexpr std::array kLists{"axes",  "pads",         "strides", "dilations", "kernel_shape", "output_padding",
                            "split", "output_shape", "perm",    "starts",    "ends"};
constexpr std::array kTexts{"auto_pad",     "mode",       "coordinate_transformation_mode",
                            "nearest_mode", "direction",  "equation",
                            "reduction",    "approximate"};
constexpr std::array kWords{"SAME_UPPER",
                            "SAME_LOWER",
                            "VALID",
                            "NOTSET",
                            "constant",
                            "reflect",
                            "edge",
                            "wrap",
                            "linear",
                            "nearest",
                            "cubic",
                            "DCR",
                            "CRD",
                            "half_pixel",
                            "align_corners",
                            "asymmetric",
                            "floor",
                            "ceil",
                            "round_prefer_floor",
                            "bidirectional",
                            "reverse",
                            "ij,jk->ik",
                            "...ij->...ji",
                            "add",
                            "mul",
                            "tanh",
                            ""};

class Maker {
 public:
  Maker(FuzzedDataProvider& bytes, int depth) : bytes_(bytes), depth_(depth) {}

  Graph make(const std::set<std::string>& captured) {
    graph_.name = "fuzzed";
    graph_.opsets[""] = bytes_.PickValueInArray<std::int64_t>({13, 17, 18, 21, 11, 9, 7});
    for (const std::string& name : captured)
      values_.push_back(graph_.add_value({name, ElementType::undefined, {}, {}}));
    const int inputs = bytes_.ConsumeIntegralInRange(depth_ == 0 ? 1 : 0, 2);
    for (int i = 0; i < inputs; ++i) add_input();
    const int nodes = bytes_.ConsumeIntegralInRange(1, kMostNodes);
    for (int i = 0; i < nodes; ++i) add_something();
    const int outputs = bytes_.ConsumeIntegralInRange(1, 2);
    for (int i = 0; i < outputs; ++i) graph_.outputs.push_back(i == 0 ? last() : any());
    return std::move(graph_);
  }

 private:
  std::int64_t small() { return bytes_.ConsumeIntegralInRange<std::int64_t>(-3, kLargestSize + 1); }
  ElementType type() { return bytes_.PickValueInArray(kTypes); }
  ValueId last() const { return values_.back(); }
  ValueId any() { return values_[bytes_.ConsumeIntegralInRange<std::size_t>(0, values_.size() - 1)]; }
  bool often() { return bytes_.ConsumeIntegralInRange(0, 7) != 0; }
  bool rarely() { return bytes_.ConsumeIntegralInRange(0, 15) == 15; }
  std::string name() { return "v" + std::to_string(depth_) + "_" + std::to_string(graph_.value_count()); }

  Shape shape() {
    Shape sizes(static_cast<std::size_t>(bytes_.ConsumeIntegralInRange(0, kMostRank)));
    for (std::int64_t& size : sizes) {
      size = rarely() ? 0 : bytes_.ConsumeIntegralInRange<std::int64_t>(1, kLargestSize);
    }
    return sizes;
  }

  Tensor tensor(ElementType element, const Shape& sizes) {
    Tensor made(element, sizes);
    auto* to = static_cast<std::uint8_t*>(made.bytes());
    for (std::size_t i = 0; i < made.byte_count(); ++i) to[i] = 0;
    fill(made);
    return made;
  }

  // Small whole numbers: as sizes and indices they mean something, and nothing grows beyond bounds.
  void fill(Tensor& made) {
    for (std::int64_t i = 0; i < made.count(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (made.type() == ElementType::float32) made.values<float>()[at] = static_cast<float>(small()) / 2;
      if (made.type() == ElementType::float64) made.values<double>()[at] = static_cast<double>(small()) / 2;
      if (made.type() == ElementType::int64) made.values<std::int64_t>()[at] = small();
      if (made.type() == ElementType::int32) made.values<std::int32_t>()[at] = static_cast<std::int32_t>(small());
      if (made.type() == ElementType::boolean) made.values<bool>()[at] = bytes_.ConsumeBool();
      if (made.type() == ElementType::int8) made.values<std::int8_t>()[at] = bytes_.ConsumeIntegral<std::int8_t>();
      if (made.type() == ElementType::uint8) made.values<std::uint8_t>()[at] = bytes_.ConsumeIntegral<std::uint8_t>();
    }
  }

  ValueId constant(Tensor made) { return graph_.add_constant(name(), std::move(made)); }
  ValueId scalar(float value) { return constant(Tensor::scalar(value)); }

  void add_input() {
    graph::Value value{name(), type(), std::vector<graph::Dimension>{}, {}};
    for (const std::int64_t size : shape()) {
      const bool open = bytes_.ConsumeIntegralInRange(0, 3) == 3;
      value.shape->push_back(open ? graph::Dimension{-1, bytes_.ConsumeBool() ? "N" : ""} : graph::Dimension{size, ""});
    }
    if (rarely()) value.shape.reset();
    values_.push_back(graph_.add_value(std::move(value)));
    graph_.inputs.push_back(values_.back());
  }

  ValueId add_node(const std::string& op_type, std::vector<ValueId> inputs,
                   std::map<std::string, graph::Attribute, std::less<>> attributes = {}, std::size_t outputs = 1,
                   const std::string& domain = {}) {
    Node node;
    node.name = "n" + std::to_string(depth_) + "_" + std::to_string(graph_.nodes.size());
    node.op_type = op_type;
    node.domain = domain;
    if (!domain.empty()) graph_.opsets[domain] = 1;
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    for (std::size_t i = 0; i < outputs; ++i) {
      values_.push_back(graph_.add_value({name(), ElementType::undefined, {}, {}}));
      node.outputs.push_back(values_.back());
    }
    const ValueId first = node.outputs.empty() ? kAbsent : node.outputs[0];
    graph_.nodes.push_back(std::move(node));
    return first;
  }

  void add_something() {
    switch (bytes_.ConsumeIntegralInRange(0, 9)) {
      case 0:
        values_.push_back(constant(tensor(type(), shape())));
        return;
      case 1:
        return add_convolution();
      case 2:
        return add_product();
      case 3:
        quantized(source());
        return;
      case 4:
        add_node(bytes_.PickValueInArray({"Relu", "Sigmoid", "Clip", "Erf", "Add", "Mul", "Sub", "HardSwish"}),
                 {source(), source()});
        return;
      case 5:
        if (depth_ < kDeepest) return add_control_flow();
        [[fallthrough]];
      default:
        return add_any_operator();
    }
  }

  ValueId source() {
    if (values_.empty()) values_.push_back(constant(tensor(type(), shape())));
    return bytes_.ConsumeBool() ? last() : any();
  }

  // Q -> DQ behind a value, as a quantizer writes it.
  ValueId quantized(ValueId value) {
    const ValueId scale = scalar(0.25F * static_cast<float>(bytes_.ConsumeIntegralInRange(0, 8)));
    const bool is_signed = bytes_.ConsumeBool();
    const ValueId zero = constant(is_signed ? Tensor::scalar(bytes_.ConsumeIntegral<std::int8_t>())
                                            : Tensor::scalar(bytes_.ConsumeIntegral<std::uint8_t>()));
    const ValueId stored = add_node("QuantizeLinear", {value, scale, zero});
    return add_node("DequantizeLinear", {stored, scale, zero});
  }

  // Weights in float, or in int8 behind a DQ with a scale a channel.
  ValueId weights(const Shape& sizes, std::int64_t axis) {
    if (bytes_.ConsumeBool()) return constant(tensor(ElementType::float32, sizes));
    const std::int64_t channels = sizes[static_cast<std::size_t>(axis)];
    const ValueId stored = constant(tensor(ElementType::int8, sizes));
    const ValueId scale = constant(tensor(ElementType::float32, {channels}));
    const ValueId zero = constant(tensor(ElementType::int8, {channels}));
    return add_node("DequantizeLinear", {stored, scale, zero}, {{"axis", axis}});
  }

  void add_tail(ValueId value) {
    if (bytes_.ConsumeBool()) value = add_node("Relu", {value});
    if (bytes_.ConsumeBool()) value = add_node("Add", {value, any()});
    if (bytes_.ConsumeBool()) quantized(value);
  }

  void add_convolution() {
    const auto size = [&] { return bytes_.ConsumeIntegralInRange<std::int64_t>(1, 4); };
    const std::int64_t group = bytes_.ConsumeBool() ? 1 : size(), in = size(), out = group * size();
    Shape sizes{out, in, size(), size()};
    std::map<std::string, graph::Attribute, std::less<>> attributes{{"group", group}};
    if (bytes_.ConsumeBool())
      attributes["pads"] = std::vector<std::int64_t>{size() - 1, size() - 1, size() - 1, size() - 1};
    if (bytes_.ConsumeBool()) attributes["strides"] = std::vector<std::int64_t>{size(), size()};
    ValueId input = source();
    if (often()) {  // something that fits
      const Shape fits{bytes_.ConsumeIntegralInRange<std::int64_t>(1, 2), in * group, size() + 3, size() + 3};
      input = bytes_.ConsumeBool() ? add_reshaped(input, fits) : constant(tensor(ElementType::float32, fits));
    }
    if (bytes_.ConsumeBool()) input = quantized(input);
    std::vector<ValueId> inputs{input, weights(sizes, 0)};
    if (bytes_.ConsumeBool()) inputs.push_back(constant(tensor(ElementType::float32, {out})));
    const ValueId made = add_node(rarely() ? "ConvTranspose" : "Conv", std::move(inputs), std::move(attributes));
    add_tail(made);
  }

  // Any value as one of these sizes: expanded from its mean, so that it still depends on the model's input.
  ValueId add_reshaped(ValueId value, const Shape& sizes) {
    const ValueId mean = add_node("ReduceMean", {value}, {{"keepdims", std::int64_t{0}}});
    return add_node("Expand",
                    {mean, constant(Tensor::from<std::int64_t>({static_cast<std::int64_t>(sizes.size())}, sizes))});
  }

  void add_product() {
    const auto size = [&] { return bytes_.ConsumeIntegralInRange<std::int64_t>(1, kLargestSize); };
    const std::int64_t inner = size(), columns = size();
    ValueId left = source();
    if (often()) left = add_reshaped(left, bytes_.ConsumeBool() ? Shape{size(), inner} : Shape{2, size(), inner});
    if (bytes_.ConsumeBool()) left = quantized(left);
    const ValueId right = bytes_.ConsumeBool() ? weights({inner, columns}, 1) : source();
    add_tail(add_node(bytes_.PickValueInArray({"MatMul", "Gemm"}), {left, right}));
  }

  void add_control_flow() {
    std::set<std::string> names;
    for (const ValueId id : values_) names.insert(graph_.value(id).name);
    const auto body = [&] { return std::make_shared<const Graph>(Maker(bytes_, depth_ + 1).make(names)); };
    const ValueId condition = bytes_.ConsumeBool() ? source() : constant(Tensor::scalar(bytes_.ConsumeBool()));
    if (bytes_.ConsumeBool()) {
      add_node("If", {condition}, {{"then_branch", body()}, {"else_branch", body()}});
    } else {
      const ValueId trips = constant(Tensor::scalar(bytes_.ConsumeIntegralInRange<std::int64_t>(-1, 3)));
      add_node("Loop", {trips, condition, source()}, {{"body", body()}});
    }
  }

  graph::Attribute list() {
    std::vector<std::int64_t> entries(static_cast<std::size_t>(bytes_.ConsumeIntegralInRange(0, 6)));
    for (std::int64_t& entry : entries) entry = small();
    return entries;
  }

  void add_attribute(Node& node) {
    switch (bytes_.ConsumeIntegralInRange(0, 4)) {
      case 0:
        node.attributes[bytes_.PickValueInArray(kIntegers)] = small();
        return;
      case 1:
        node.attributes[bytes_.PickValueInArray(kReals)] = static_cast<float>(small()) / 2;
        return;
      case 2:
        node.attributes[bytes_.PickValueInArray(kLists)] = list();
        return;
      case 3:
        node.attributes[bytes_.PickValueInArray(kTexts)] = std::string(bytes_.PickValueInArray(kWords));
        return;
      default:  // of the wrong type, or the tensor of a Constant
        node.attributes[bytes_.ConsumeBool() ? "value" : bytes_.PickValueInArray(kIntegers)] = tensor(type(), shape());
    }
  }

  void add_any_operator() {
    const auto all = ops::all_ops();
    const ops::OpDefinition& op = all[bytes_.ConsumeIntegralInRange<std::size_t>(0, all.size() - 1)];
    std::vector<ValueId> inputs;
    const int count = often() ? bytes_.ConsumeIntegralInRange(std::min(op.min_inputs, 6), std::min(op.max_inputs, 6))
                              : bytes_.ConsumeIntegralInRange(0, 3);
    for (int i = 0; i < count; ++i) {
      if (rarely()) {
        inputs.push_back(kAbsent);
      } else if (i > 0 && bytes_.ConsumeBool()) {
        inputs.push_back(constant(
            tensor(type(), bytes_.ConsumeBool() ? Shape{bytes_.ConsumeIntegralInRange<std::int64_t>(0, 6)} : shape())));
      } else {
        inputs.push_back(source());
      }
    }
    const int outputs = bytes_.ConsumeIntegralInRange(std::min(op.min_outputs, 4), std::min(op.max_outputs, 4));
    add_node(std::string(op.type), std::move(inputs), {}, static_cast<std::size_t>(std::max(outputs, 1)),
             std::string(op.domain));
    for (int i = bytes_.ConsumeIntegralInRange(0, 4); i > 0; --i) add_attribute(graph_.nodes.back());
  }

  FuzzedDataProvider& bytes_;
  const int depth_;
  Graph graph_;
  std::vector<ValueId> values_;
};

}  // namespace

Graph graph_from(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider provider(bytes, size);
  return Maker(provider, 0).make({});
}

}  // namespace ns::fuzz
