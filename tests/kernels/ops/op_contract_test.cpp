// What every operator owes, run over all of them: an operator without a case here fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "common/error.h"
#include "kernels/ops/op.h"
#include "tests/kernels/graph/graph_builder.h"

namespace ns::ops {
namespace {

using graph::Attribute;
using graph::ElementType;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using test::floats;
using test::integers;
using test::sample;

using Attributes = std::map<std::string, Attribute, std::less<>>;
using Integers = std::vector<std::int64_t>;

struct Case {
  std::vector<Tensor> inputs;  // an undefined one is left out
  Attributes attributes;
  std::size_t outputs = 1;
};

Tensor bools() { return Tensor::from<bool>({2, 2}, std::array<bool, 4>{true, false, true, true}); }
Tensor bytes(std::vector<std::uint8_t> values) {
  return Tensor::from<std::uint8_t>({static_cast<std::int64_t>(values.size())}, values);
}
Tensor positive(const Shape& shape, unsigned seed) {
  Tensor tensor = sample(shape, seed);
  for (float& value : tensor.values<float>()) value = std::abs(value) + 0.1f;
  return tensor;
}

using Table = std::map<std::string, Case>;

void add_indexing(Table& all) {
  all["CumSum"] = {{sample({3, 4}), integers({-1})}, {}};
  all["TopK"] = {{sample({3, 4}), integers({2})}, {}, 2};
  all["Trilu"] = {{sample({2, 3, 4}), Tensor::scalar<std::int64_t>(1)}, {}};
  all["OneHot"] = {{integers({1, -1, 7}), Tensor::scalar<std::int64_t>(3), floats({2}, {0, 1})}, {}};
  all["NonZero"] = {{bools()}, {}};
  all["Compress"] = {{sample({2, 3}), bools().reshaped({4})}, {}};
  all["GatherND"] = {{sample({2, 3}), integers({1, -1})}, {}};
  all["Scatter"] = all["ScatterElements"] = {{sample({5}), integers({0, -1}), sample({2}, 2)}, {}};
  all["ScatterND"] = {{sample({2, 3}), integers({1}), sample({3}, 2)}, {}};
}

void add_products(Table& all) {
  all["Einsum"] = {{sample({2, 3, 4}), sample({2, 4, 5}, 2)}, {{"equation", std::string("...ij,...jk->...ik")}}};
  const std::int64_t hidden = 3;
  const auto recurrent = [&](std::int64_t gates, std::size_t outputs) {
    return Case{
        {sample({4, 2, 2}), sample({1, gates * hidden, 2}, 2), sample({1, gates * hidden, hidden}, 3),
         sample({1, 2 * gates * hidden}, 4), Tensor::from<std::int32_t>({2}, std::array<std::int32_t, 2>{4, 2})},
        {{"hidden_size", hidden}},
        outputs};
  };
  all["RNN"] = recurrent(1, 2);
  all["GRU"] = recurrent(3, 2);
  all["LSTM"] = recurrent(4, 3);
}

Tensor signed_bytes(const Shape& shape, std::vector<std::int8_t> values) {
  return Tensor::from<std::int8_t>(shape, values);
}

void add_quantized(Table& all) {
  const Tensor scale = Tensor::scalar<float>(0.5f);
  const Tensor zero = Tensor::scalar<std::uint8_t>(3);
  const Tensor none = Tensor::scalar<std::int8_t>(0);
  const Tensor a = bytes({1, 2, 3, 200}).reshaped({2, 2});
  const Tensor b = signed_bytes({2, 2}, {1, -2, 3, -4});
  const Tensor image = bytes({1, 2, 3, 4, 5, 6, 7, 8, 9}).reshaped({1, 1, 3, 3});
  const Tensor filter = signed_bytes({1, 1, 2, 2}, {1, -2, 3, -4});
  all["MatMulInteger"] = {{a, b, zero, none}, {}};
  all["QLinearMatMul"] = {{a, scale, zero, b, scale, none, scale, zero}, {}};
  all["ConvInteger"] = {{image, filter, zero, none}, {}};
  all["QLinearConv"] = {{image, scale, zero, filter, scale, none, scale, zero}, {}};
  all["DynamicQuantizeLinear"] = {{sample({3, 4})}, {}, 3};
}

void add_vision(Table& all) {
  const Tensor image = sample({1, 2, 4, 4});
  all["GroupNormalization"] = {{sample({2, 4, 3}), sample({2}), sample({2})}, {{"num_groups", std::int64_t{2}}}};
  all["MeanVarianceNormalization"] = {{image}, {}};
  all["NonMaxSuppression"] = {{floats({1, 2, 4}, {0, 0, 1, 1, 0, 0, 1, 0.9f}), floats({1, 1, 2}, {0.5f, 0.7f}),
                               Tensor::scalar<std::int64_t>(3), Tensor::scalar<float>(0.5f)},
                              {}};
  all["RoiAlign"] = {{image, floats({1, 4}, {0, 1, 3, 3}), integers({0})}, {{"output_height", std::int64_t{2}}}};
  all["MaxRoiPool"] = {{image, floats({1, 5}, {0, 0, 1, 3, 3})}, {{"pooled_shape", Integers{2, 2}}}};
  all["GridSample"] = {{image, sample({1, 2, 3, 2}, 3)}, {{"padding_mode", std::string("reflection")}}};
  all["AffineGrid"] = {{sample({1, 2, 3}), integers({1, 1, 2, 2})}, {}};
  all["DeformConv"] = {{image, sample({2, 2, 2, 2}), sample({1, 8, 3, 3}), sample({2}), sample({1, 4, 3, 3})}, {}};
  all["Col2Im"] = {{sample({1, 4, 9}), integers({4, 4}), integers({2, 2})}, {}};
  all["CenterCropPad"] = {{sample({3, 4}), integers({5, 2})}, {}};
  all["LpPool"] = {{image}, {{"kernel_shape", Integers{2, 2}}}};
  all["GlobalLpPool"] = {{image}, {}};
  all["MaxUnpool"] = {{sample({1, 1, 2, 2}), integers({0, 2, 8, 10}).reshaped({1, 1, 2, 2})},
                      {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}}};
}

void add_signals(Table& all) {
  for (const char* type : {"BlackmanWindow", "HammingWindow", "HannWindow"})
    all[type] = {{Tensor::scalar<std::int64_t>(5)}, {}};
  all["DFT"] = {{sample({2, 5, 1}), Tensor::scalar<std::int64_t>(6)}, {{"onesided", std::int64_t{1}}}};
  all["STFT"] = {{sample({1, 9, 1}), Tensor::scalar<std::int64_t>(2), sample({4}, 2)}, {}};
  all["MelWeightMatrix"] = {{Tensor::scalar<std::int64_t>(3), Tensor::scalar<std::int64_t>(16),
                             Tensor::scalar<std::int64_t>(8000), Tensor::scalar<float>(0), Tensor::scalar<float>(4000)},
                            {}};
  all["Det"] = {{sample({2, 3, 3})}, {}};
  all["EyeLike"] = {{sample({3, 4})}, {{"k", std::int64_t{1}}}};
  all["ReverseSequence"] = {{sample({3, 2, 2}), integers({1, 3})}, {}};
  all["Unique"] = {{sample({3, 2})}, {{"axis", std::int64_t{0}}}, 4};
}

void add_contributed_quantized(Table& all) {
  const Tensor scale = Tensor::scalar<float>(0.5f);
  const Tensor zero = Tensor::scalar<std::uint8_t>(3);
  const Tensor none = Tensor::scalar<std::int8_t>(0);
  const Tensor a = bytes({1, 2, 3, 200}).reshaped({2, 2});
  const Tensor b = signed_bytes({2, 2}, {1, -2, 3, -4});
  const Tensor image = bytes({1, 2, 3, 4, 5, 6, 7, 8, 9}).reshaped({1, 1, 3, 3});
  const std::string domain = "com.microsoft.";
  all[domain + "QuantizeLinear"] = all["QuantizeLinear"];
  all[domain + "DequantizeLinear"] = all["DequantizeLinear"];
  for (const char* type : {"QLinearAdd", "QLinearMul"})
    all[domain + type] = {{a, scale, zero, a, scale, zero, scale, zero}, {}};
  for (const char* type : {"QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearGlobalAveragePool"}) {
    all[domain + type] = {{image, scale, zero, scale, zero}, {}};
  }
  all[domain + "QLinearSoftmax"].attributes["opset"] = std::int64_t{13};
  all[domain + "QLinearAveragePool"] = {{image, scale, zero, scale, zero}, {{"kernel_shape", Integers{2, 2}}}};
  all[domain + "QLinearConcat"] = {{scale, zero, a, scale, zero, a, scale, zero}, {{"axis", std::int64_t{0}}}};
  all[domain + "QLinearWhere"] = {{bools(), a, scale, zero, a, scale, zero, scale, zero}, {}};
  all[domain + "NhwcMaxPool"] = {{image}, {{"kernel_shape", Integers{1, 2}}}};
  all[domain + "QGemm"] = {{a, scale, zero, b, scale, none, {}, scale, zero}, {{"transB", std::int64_t{1}}}};
  all[domain + "MatMulIntegerToFloat"] = {{a, b, scale, scale, zero, none, sample({2})}, {}};
  all[domain + "DynamicQuantizeMatMul"] = {{sample({3, 2}), b, scale, none, sample({2})}, {}};
  all[domain + "MatMulNBits"] = {
      {sample({2, 16}), bytes({1, 2, 3, 4, 5, 6, 7, 8, 255, 128, 16, 15, 0, 0, 1, 1}).reshaped({2, 1, 8}), sample({2})},
      {{"N", std::int64_t{2}}, {"K", std::int64_t{16}}, {"bits", std::int64_t{4}}, {"block_size", std::int64_t{16}}}};
}

void add_contributed_fused(Table& all) {
  const std::string domain = "com.microsoft.";
  const Tensor x = sample({2, 3, 4});
  for (const char* type : {"Gelu", "QuickGelu"}) all[domain + type] = {{x}, {}};
  for (const char* type : {"BiasGelu", "FastGelu"}) all[domain + type] = {{x, sample({4}, 2)}, {}};
  all[domain + "BiasAdd"] = {{x, sample({4}, 2), sample({2, 3, 4}, 3)}, {}};
  all[domain + "BiasSoftmax"] = {{x, sample({1, 3, 4}, 2)},
                                 {{"axis", std::int64_t{2}}, {"is_inner_broadcast", std::int64_t{0}}}};
  all[domain + "FusedConv"] = {{sample({1, 2, 5, 5}), sample({3, 2, 3, 3}), sample({3}), sample({1, 3, 3, 3}, 4)},
                               {{"activation", std::string("Relu")}}};
  all[domain + "FusedGemm"] = {{sample({2, 3}), sample({3, 4}), sample({4})},
                               {{"activation", std::string("LeakyRelu")}, {"activation_alpha", 0.1f}}};
  all[domain + "FusedMatMul"] = {{x, x}, {{"transB", std::int64_t{1}}, {"alpha", 0.5f}}};
  all["SimplifiedLayerNormalization"] = {{x, sample({4})}, {}, 2};
  all[domain + "SkipLayerNormalization"] = {{x, sample({3, 4}, 2), sample({4}), sample({4}, 3), sample({4}, 5)}, {}, 4};
  all[domain + "SkipSimplifiedLayerNormalization"] = {{x, x, sample({4}), sample({4}, 3)}, {}};
  const Tensor ids = Tensor::from<std::int32_t>({2, 2}, std::array<std::int32_t, 4>{0, 1, 2, 1});
  all[domain + "EmbedLayerNormalization"] = {
      {ids, {}, sample({3, 4}), sample({2, 4}, 2), {}, sample({4}), sample({4}, 3), ids}, {}, 3};
}

void add_attention(Table& all) {
  const std::string domain = "com.microsoft.";
  const Attributes heads{{"num_heads", std::int64_t{2}}};
  const Tensor x = sample({1, 3, 4});
  const Tensor mask = Tensor::from<std::int32_t>({1, 3}, std::array<std::int32_t, 3>{1, 1, 0});
  all[domain + "Attention"] = {{x, sample({4, 12}, 2), sample({12}, 3), mask}, heads, 2};
  all[domain + "MultiHeadAttention"] = {{x, sample({1, 3, 4}, 2), x, sample({12}, 3), mask}, heads, 3};
  const Tensor cosines = sample({8, 1}, 5);
  const Tensor sines = sample({8, 1}, 6);
  all[domain + "RotaryEmbedding"] = {{x, integers({2}), cosines, sines}, heads};
  all[domain + "GroupQueryAttention"] = {
      {sample({1, 3, 32}), sample({1, 3, 16}, 2), sample({1, 3, 16}, 3), sample({1, 1, 2, 16}, 4),
       sample({1, 1, 2, 16}, 5), Tensor::from<std::int32_t>({1}, std::array<std::int32_t, 1>{4}),
       Tensor::scalar<std::int32_t>(5), sample({8, 8}, 6), sample({8, 8}, 7)},
      {{"num_heads", std::int64_t{2}}, {"kv_num_heads", std::int64_t{1}}, {"do_rotary", std::int64_t{1}}},
      3};
}

const Table& cases() {
  static const Table table = [] {
    Table all;
    add_indexing(all);
    add_products(all);
    add_quantized(all);
    add_vision(all);
    add_signals(all);
    for (const char* type : {"Abs",          "Acos",
                             "Acosh",        "Asin",
                             "Asinh",        "Atan",
                             "Atanh",        "Ceil",
                             "Celu",         "Cos",
                             "Cosh",         "Elu",
                             "Erf",          "Exp",
                             "Floor",        "Gelu",
                             "HardSigmoid",  "HardSwish",
                             "Hardmax",      "Identity",
                             "IsInf",        "IsNaN",
                             "LeakyRelu",    "Log",
                             "LogSoftmax",   "LpNormalization",
                             "Mish",         "Neg",
                             "Reciprocal",   "Relu",
                             "Round",        "Selu",
                             "Shrink",       "Sigmoid",
                             "Sign",         "Sin",
                             "Sinh",         "Softmax",
                             "Softplus",     "Softsign",
                             "Sqrt",         "Tan",
                             "Tanh",         "ThresholdedRelu",
                             "Clip",         "Shape",
                             "Size",         "Transpose",
                             "Flatten",      "ArgMax",
                             "ArgMin",       "Dropout",
                             "ReduceL1",     "ReduceL2",
                             "ReduceLogSum", "ReduceLogSumExp",
                             "ReduceMax",    "ReduceMean",
                             "ReduceMin",    "ReduceProd",
                             "ReduceSum",    "ReduceSumSquare"}) {
      all[type] = {{sample({3, 4})}, {}};
    }
    for (const char* type : {"Add", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean",
                             "Min", "Mod", "Mul", "Pow", "Sub", "Sum", "CastLike"}) {
      all[type] = {{sample({3, 4}), sample({4}, 2)}, {}};
    }
    for (const char* type : {"And", "Or", "Xor"}) all[type] = {{bools(), bools()}, {}};
    for (const char* type : {"BitwiseAnd", "BitwiseOr", "BitwiseXor"}) all[type] = {{bytes({1, 6}), bytes({3, 2})}, {}};
    all["Not"] = {{bools()}, {}};
    all["BitwiseNot"] = {{bytes({1, 6})}, {}};
    all["BitShift"] = {{bytes({1, 6}), bytes({3, 200})}, {{"direction", std::string("LEFT")}}};
    all["PRelu"] = {{sample({3, 4}), sample({4}, 2)}, {}};
    all["Cast"] = {{sample({3, 4})}, {{"to", std::int64_t{6}}}};
    all["Where"] = {{bools(), sample({2, 2}), sample({2}, 2)}, {}};
    all["Conv"] = {{sample({1, 2, 5, 5}), sample({3, 2, 3, 3}), sample({3})}, {{"pads", Integers{1, 1, 0, 0}}}};
    all["ConvTranspose"] = {{sample({1, 2, 3, 3}), sample({2, 3, 2, 2})}, {{"strides", Integers{2, 2}}}};
    all["MaxPool"] = {{sample({1, 2, 5, 5})}, {{"kernel_shape", Integers{2, 2}}, {"ceil_mode", std::int64_t{1}}}, 2};
    all["AveragePool"] = {{sample({1, 2, 5})}, {{"kernel_shape", Integers{2}}, {"strides", Integers{2}}}};
    all["GlobalAveragePool"] = all["GlobalMaxPool"] = {{sample({1, 2, 3, 3})}, {}};
    all["Gemm"] = {{sample({2, 3}), sample({3, 4}), sample({4})}, {{"alpha", 0.5f}}};
    all["MatMul"] = {{sample({2, 1, 2, 3}), sample({4, 3, 2})}, {}};
    all["BatchNormalization"] = {{sample({2, 3, 2}), sample({3}), sample({3}), sample({3}), positive({3}, 2)}, {}};
    all["InstanceNormalization"] = {{sample({2, 3, 4}), sample({3}), sample({3})}, {}};
    all["LayerNormalization"] = {{sample({2, 3}), sample({3}), sample({3})}, {}, 3};
    all["LRN"] = {{sample({1, 4, 2})}, {{"size", std::int64_t{3}}}};
    all["Reshape"] = {{sample({3, 4}), integers({0, -1, 2})}, {}};
    all["Expand"] = {{sample({3, 1}), integers({2, 1, 4})}, {}};
    all["Tile"] = {{sample({3, 2}), integers({1, 3})}, {}};
    all["Squeeze"] = {{sample({3, 1}), integers({1})}, {}};
    all["Unsqueeze"] = {{sample({3}), integers({0, -1})}, {}};
    all["Concat"] = {{sample({3, 2}), sample({3, 1})}, {{"axis", std::int64_t{1}}}};
    all["Split"] = {{sample({3, 2}), integers({1, 2})}, {}, 2};
    all["Slice"] = {{sample({5, 4}), integers({-1}), integers({0}), integers({0}), integers({-2})}, {}};
    all["Gather"] = {{sample({5, 4}), integers({0, -1})}, {}};
    all["GatherElements"] = {{sample({5}), integers({0, -1})}, {}};
    all["Pad"] = {{sample({2, 3}), integers({0, 1, 1, -1})}, {}};
    all["Constant"] = {{}, {{"value", sample({2})}}};
    all["ConstantOfShape"] = {{integers({2, 3})}, {}};
    all["Range"] = {
        {Tensor::scalar<std::int64_t>(3), Tensor::scalar<std::int64_t>(-4), Tensor::scalar<std::int64_t>(-2)}, {}};
    all["Resize"] = {{sample({1, 1, 3, 3}), {}, floats({4}, {1, 1, 2, 1.5f})}, {{"mode", std::string("linear")}}};
    all["Upsample"] = {{sample({1, 1, 3, 3}), floats({4}, {1, 1, 2, 1.5f})}, {}};
    all["DepthToSpace"] = {{sample({1, 4, 2, 3})}, {{"blocksize", std::int64_t{2}}}};
    all["SpaceToDepth"] = {{sample({1, 1, 4, 2})}, {{"blocksize", std::int64_t{2}}}};
    all["QuantizeLinear"] = {{sample({2, 3}), positive({3}, 2), bytes({1, 2, 3})}, {{"axis", std::int64_t{1}}}};
    all["DequantizeLinear"] = {{bytes({1, 200}), Tensor::scalar<float>(0.5f), Tensor::scalar<std::uint8_t>(7)}, {}};
    add_contributed_quantized(all);
    add_contributed_fused(all);
    add_attention(all);
    return all;
  }();
  return table;
}

// The type, with its domain in front where that is not ONNX's own.
std::string full_name(const OpDefinition& definition) {
  const std::string type(definition.type);
  return definition.domain.empty() ? type : std::string(definition.domain) + "." + type;
}

class EveryOperator : public testing::TestWithParam<OpDefinition> {
 protected:
  void SetUp() override {
    const auto found = cases().find(full_name(GetParam()));
    ASSERT_NE(found, cases().end()) << "write a case for " << full_name(GetParam());
    case_ = &found->second;
    node_.name = "n";
    node_.domain = std::string(GetParam().domain);
    node_.op_type = std::string(GetParam().type);
    node_.attributes = case_->attributes;
    for (std::size_t i = 0; i < case_->outputs; ++i) node_.outputs.push_back(static_cast<graph::ValueId>(i));
    for (const Tensor& tensor : case_->inputs) inputs_.push_back(tensor.defined() ? &tensor : nullptr);
    opset_ = std::max<std::int64_t>(GetParam().since, 13);
  }

  std::vector<Tensor> run() const { return run_node(node_, opset_, inputs_); }

  // Runs; whatever is wrong must come as an Error.
  void run_or_refuse() const {
    try {
      run();
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal);
      EXPECT_NE(std::string(error.what()), "");
    }
  }

  const Case* case_ = nullptr;
  Node node_;
  std::vector<const Tensor*> inputs_;
  std::int64_t opset_ = 13;
};

TEST_P(EveryOperator, is_found_from_its_first_opset_on) {
  const OpDefinition& definition = GetParam();
  EXPECT_NE(find_op(definition.domain, definition.type, definition.since), nullptr);
  EXPECT_NE(find_op(definition.domain, definition.type, 21), nullptr);
  EXPECT_EQ(find_op("unknown", definition.type, 21), nullptr);
}

TEST_P(EveryOperator, makes_what_it_infers_and_the_same_each_time) {
  const std::vector<Tensor> first = run();
  ASSERT_EQ(first.size(), case_->outputs);
  const std::vector<Tensor> second = run();
  for (std::size_t i = 0; i < first.size(); ++i) {
    ASSERT_TRUE(first[i].defined());
    EXPECT_TRUE(equal(first[i], second[i]));
  }
}

TEST_P(EveryOperator, refuses_missing_inputs) {
  if (GetParam().min_inputs == 0) return;
  inputs_.clear();
  EXPECT_THROW(run(), Error);
  inputs_.assign(static_cast<std::size_t>(GetParam().min_inputs), nullptr);
  EXPECT_THROW(run(), Error);
}

TEST_P(EveryOperator, refuses_too_many_inputs_and_outputs) {
  if (GetParam().max_inputs < 100) {
    inputs_.resize(static_cast<std::size_t>(GetParam().max_inputs) + 1, nullptr);
    EXPECT_THROW(run(), Error);
    SetUp();
  }
  if (GetParam().max_outputs < 100) {
    node_.outputs.resize(static_cast<std::size_t>(GetParam().max_outputs) + 1, graph::kAbsent);
    EXPECT_THROW(run(), Error);
  }
}

TEST_P(EveryOperator, survives_strange_shapes_and_types) {
  const std::vector<Tensor> strange{Tensor::scalar<float>(1),
                                    sample({0}),
                                    sample({1}),
                                    sample({0, 3, 0, 2}),
                                    sample({2, 2, 2, 2, 2, 2}),
                                    bools(),
                                    integers({-1, 0, 1 << 20}),
                                    integers({std::numeric_limits<std::int64_t>::min()}),
                                    bytes({255}),
                                    Tensor(ElementType::bfloat16, {0, 2}),
                                    Tensor(ElementType::int4, {0}),
                                    Tensor(ElementType::float8e5m2, {2, 0}),
                                    Tensor::scalar<std::int64_t>(std::numeric_limits<std::int64_t>::max())};
  for (std::size_t i = 0; i < case_->inputs.size(); ++i) {
    const Tensor* kept = inputs_[i];
    for (const Tensor& tensor : strange) {
      inputs_[i] = &tensor;
      run_or_refuse();
    }
    inputs_[i] = kept;
  }
}

TEST_P(EveryOperator, survives_strange_attributes) {
  for (const char* name : {"axis",
                           "axes",
                           "pads",
                           "strides",
                           "dilations",
                           "kernel_shape",
                           "group",
                           "perm",
                           "size",
                           "blocksize",
                           "split",
                           "to",
                           "output_shape",
                           "output_padding",
                           "p",
                           "keepdims",
                           "scales",
                           "starts",
                           "ends",
                           "block_size",
                           "mode",
                           "auto_pad",
                           "k",
                           "largest",
                           "upper",
                           "batch_dims",
                           "reduction",
                           "exclusive",
                           "reverse",
                           "equation",
                           "direction",
                           "activations",
                           "hidden_size",
                           "layout",
                           "clip",
                           "activation_alpha",
                           "input_forget",
                           "num_groups",
                           "epsilon",
                           "sampling_ratio",
                           "output_height",
                           "spatial_scale",
                           "coordinate_transformation_mode",
                           "padding_mode",
                           "align_corners",
                           "pooled_shape",
                           "offset_group",
                           "center_point_box",
                           "output_datatype",
                           "periodic",
                           "dtype",
                           "onesided",
                           "inverse",
                           "sorted",
                           "batch_axis",
                           "time_axis",
                           "linear_before_reset",
                           "activation",
                           "activation_params",
                           "transA",
                           "transBatchA",
                           "N",
                           "K",
                           "bits",
                           "channels_last",
                           "opset",
                           "num_heads",
                           "kv_num_heads",
                           "qkv_hidden_sizes",
                           "unidirectional",
                           "local_window_size",
                           "do_rotary",
                           "scale",
                           "softcap",
                           "rotary_interleaved",
                           "interleaved"}) {
    const Attributes kept = node_.attributes;
    for (const Attribute& value :
         {Attribute(std::int64_t{-1}), Attribute(std::numeric_limits<std::int64_t>::min()),
          Attribute(std::numeric_limits<std::int64_t>::max()), Attribute(Integers{}), Attribute(Integers{0, 0}),
          Attribute(Integers{std::numeric_limits<std::int64_t>::max(), 1}), Attribute(Integers{-5, -5, -5, -5}),
          Attribute(std::string("nonsense")), Attribute(std::vector<float>{-1.0f})}) {
      node_.attributes[name] = value;
      run_or_refuse();
    }
    node_.attributes = kept;
  }
}

TEST_P(EveryOperator, does_not_change_its_inputs) {
  std::vector<Tensor> copies;
  for (const Tensor& tensor : case_->inputs) copies.push_back(tensor.clone());
  run();
  for (std::size_t i = 0; i < copies.size(); ++i) EXPECT_TRUE(equal(copies[i], case_->inputs[i]));
}

INSTANTIATE_TEST_SUITE_P(All, EveryOperator, testing::ValuesIn(all_ops().begin(), all_ops().end()),
                         [](const auto& parameter) {
                           std::string name = full_name(parameter.param);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace ns::ops
