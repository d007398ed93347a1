// What we export runs in ONNX Runtime, is fused there, and gives the same answers.
//
// Tolerances. In float: 1e-4 of the largest output (other orders of summation). In int8 the engines may round a tie in
// an inner layer differently, which moves an activation by one quantization step; so each output may be off by what one
// step of the last int8 values can do to it: for a Gemm or MatMul head, step * sum of |weights| of that output; for a
// pooled or flattened int8 value, one step. The predictions must be the same wherever the two best classes are further
// apart than that allows, and accuracies at most 0.1 points apart.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "kernels/metrics/metric.h"
#include "kernels/onnx/onnx.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/session.h"
#include "tests/interop/reference_engine.h"
#include "tests/kernels/quantize/shared_models.h"

namespace ns::interop {
namespace {

using graph::Graph;
using graph::Node;
using graph::Tensor;
using quantize::testing::TrainedModel;

constexpr std::int64_t kBatch = 50;
constexpr double kTenthOfAPoint = 0.001;

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

// Runs our engine over the set; inputs and outputs of all runs, joined along axis 0.
struct OwnRun {
  std::vector<Tensor> inputs;
  Tensor output;
};

Tensor joined(const std::vector<Tensor>& parts) {
  graph::Shape shape = parts.front().shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.shape()[0];
  Tensor whole(parts.front().type(), shape);
  auto* to = static_cast<std::byte*>(whole.bytes());
  for (const Tensor& part : parts) {
    std::copy_n(static_cast<const std::byte*>(part.bytes()), part.byte_count(), to);
    to += part.byte_count();
  }
  return whole;
}

OwnRun run_own(std::shared_ptr<const Graph> graph, const data::DataSet& set, std::int64_t batch) {
  runtime::Session session(std::move(graph), {});
  std::vector<std::vector<Tensor>> inputs;
  std::vector<Tensor> outputs;
  for (std::int64_t first = 0; first < set.size(); first += batch) {
    const auto fed = set.batch(first, std::min(batch, set.size() - first));
    inputs.resize(fed.size());
    for (std::size_t i = 0; i < fed.size(); ++i) inputs[i].push_back(fed[i]);
    outputs.push_back(session.run(fed)[0].clone());
  }
  OwnRun own;
  for (const auto& parts : inputs) own.inputs.push_back(joined(parts));
  own.output = joined(outputs);
  return own;
}

double top1(const Tensor& output, const data::DataSet& set) {
  const auto score = metrics::find_metric("top1")->make();
  score->add(std::span(&output, 1), set.labels(0, set.size()));
  return score->value();
}

const Node* producer(const Graph& graph, graph::ValueId id) {
  for (const Node& node : graph.nodes) {
    if (std::find(node.outputs.begin(), node.outputs.end(), id) != node.outputs.end()) return &node;
  }
  return nullptr;
}

float scale_of(const Graph& graph, const Node& dequantizer) {
  return graph.value(dequantizer.inputs[1]).constant.values<float>()[0];
}

// The most that one step in every int8 input of this Gemm or MatMul can do to one of its outputs.
double head_tolerance(const Graph& graph, const Node& head) {
  const Node& weights = *producer(graph, head.inputs[1]);
  const Tensor& integers = graph.value(weights.inputs[0]).constant;
  const Tensor& scales = graph.value(weights.inputs[1]).constant;
  const auto columns = integers.shape()[1];
  const bool transposed = head.integer("transB", 0) != 0;
  std::vector<double> sums(size(scales.count()), 0.0);
  for (std::int64_t i = 0; i < integers.count(); ++i) {
    const std::size_t channel = size(transposed ? i / columns : i % columns);
    sums[channel] += std::abs(integers.values<std::int8_t>()[size(i)]) * double{scales.values<float>()[channel]};
  }
  return scale_of(graph, *producer(graph, head.inputs[0])) * *std::max_element(sums.begin(), sums.end());
}

// Back from the output to the last int8 values. Softmax, pooling and adding a constant make no difference larger.
double int8_tolerance(const Graph& graph) {
  for (const Node* node = producer(graph, graph.outputs[0]); node != nullptr; node = producer(graph, node->inputs[0])) {
    if (node->is("DequantizeLinear")) return scale_of(graph, *node);
    if (node->is("Gemm") || node->is("MatMul")) return head_tolerance(graph, *node);
  }
  throw std::runtime_error("the output does not come from int8 values");
}

double largest(const Tensor& tensor) {
  double most = 0;
  for (const float value : tensor.values<float>()) most = std::max(most, std::abs(double{value}));
  return most;
}

struct Comparison {
  double largest_difference = 0;
  std::int64_t other_predictions = 0;  // where the two best classes are closer than the tolerance explains
  std::int64_t wrong_predictions = 0;  // where they are not
};

Comparison compare(const Tensor& own, const Tensor& reference, double tolerance) {
  Comparison comparison;
  const std::size_t classes = size(own.shape().back());
  const auto mine = own.values<float>(), theirs = reference.values<float>();
  for (std::size_t row = 0; row < mine.size(); row += classes) {
    const auto a = mine.subspan(row, classes), b = theirs.subspan(row, classes);
    for (std::size_t i = 0; i < classes; ++i) {
      const double difference = std::abs(double{a[i]} - b[i]);
      // A NaN compares as no difference otherwise.
      comparison.largest_difference =
          difference <= comparison.largest_difference ? comparison.largest_difference : difference;
    }
    const auto my_best = std::max_element(a.begin(), a.end()) - a.begin();
    const auto their_best = std::max_element(b.begin(), b.end()) - b.begin();
    if (my_best == their_best) continue;
    const double gap = double{b[size(their_best)]} - b[size(my_best)];
    ++(gap <= 2 * tolerance ? comparison.other_predictions : comparison.wrong_predictions);
  }
  return comparison;
}

void expect_same(const std::string& what, const TrainedModel& model, std::shared_ptr<const Graph> graph,
                 std::int64_t batch, bool int8, Graph& optimized) {
  const OwnRun own = run_own(graph, *model.evaluation, batch);
  ReferenceRun reference = run_reference(*graph, own.inputs, batch);
  optimized = std::move(reference.optimized);
  ASSERT_EQ(own.output.shape(), reference.outputs[0].shape());
  const double tolerance = int8 ? int8_tolerance(*graph) : 1e-4 * largest(reference.outputs[0]);
  const Comparison comparison = compare(own.output, reference.outputs[0], tolerance);
  const double mine = top1(own.output, *model.evaluation), theirs = top1(reference.outputs[0], *model.evaluation);
  std::cout << fmt::format(
      "{}: top1 {:.4f} here, {:.4f} there; outputs up to {:.3g}, differ by at most {:.3g} (tolerance {:.3g}); {} "
      "predictions on a tie\n",
      what, mine, theirs, largest(reference.outputs[0]), comparison.largest_difference, tolerance,
      comparison.other_predictions);
  EXPECT_LE(comparison.largest_difference, tolerance) << what;
  EXPECT_EQ(comparison.wrong_predictions, 0) << what;
  EXPECT_LE(comparison.other_predictions, model.evaluation->size() / 200) << what;
  EXPECT_NEAR(mine, theirs, kTenthOfAPoint) << what;
}

int count(const Graph& graph, std::initializer_list<std::string_view> types) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    return std::find(types.begin(), types.end(), node.op_type) != types.end();
  }));
}

// Every operator that we put into int8 is an int8 operator there too.
void expect_fused(const Graph& quantized, const Graph& optimized) {
  int convolutions = 0, products = 0, adds = 0;
  for (const quantize::QuantizableNode& node : quantize::quantizable_nodes(quantized)) {
    ADD_FAILURE() << node.node << " is still quantizable";  // all weights are behind a DQ
  }
  for (const Node& node : quantized.nodes) {
    const bool int8_weights = node.inputs.size() > 1 && node.inputs[1] != graph::kAbsent &&
                              producer(quantized, node.inputs[1]) != nullptr &&
                              producer(quantized, node.inputs[1])->is("DequantizeLinear");
    convolutions += node.is("Conv") && int8_weights;
    products += (node.is("Gemm") || node.is("MatMul")) && int8_weights;
    adds += node.is("Add") && int8_weights;  // the second input of a residual Add is behind a DQ too
  }
  EXPECT_GT(convolutions, 0);
  EXPECT_EQ(count(optimized, {"QLinearConv"}), convolutions);
  EXPECT_EQ(count(optimized, {"QGemm", "QLinearMatMul", "MatMulIntegerToFloat"}), products);
  EXPECT_EQ(count(optimized, {"QLinearAdd"}), adds);
  EXPECT_EQ(count(optimized, {"Conv", "FusedConv", "Gemm", "MatMul", "Relu", "Clip"}), 0);
}

void compare_engines(const TrainedModel& model) {
  const std::int64_t batch = std::min(kBatch, model.evaluation->max_batch());
  Graph optimized;
  expect_same("fp32", model, model.graph, batch, false, optimized);
  const auto calibration = quantize::calibrate(model.graph, *model.calibration, quantize::CalibrationMethod::minmax, 2);
  const auto quantized = std::make_shared<const Graph>(quantize::insert(*model.graph, calibration, {}));
  expect_same("int8", model, quantized, batch, true, optimized);
  expect_fused(*quantized, optimized);
}

class OnnxRuntime : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = why_not_available(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(OnnxRuntime, agrees_on_resnet20) {
  const auto folder = quantize::testing::shared_model_folder("resnet20-cifar10");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  compare_engines(quantize::testing::load_shared_model("resnet20-cifar10"));
}

TEST_F(OnnxRuntime, agrees_on_squeezenet) {
  const auto folder = quantize::testing::shared_model_folder("squeezenet11-imagenet");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  compare_engines(quantize::testing::load_shared_model("squeezenet11-imagenet"));
}

TEST_F(OnnxRuntime, agrees_on_keyword_spotting) {
  const auto folder = quantize::testing::shared_model_folder("kws-dscnn");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  compare_engines(quantize::testing::load_shared_model("kws-dscnn"));
}

TEST_F(OnnxRuntime, agrees_on_the_digits_example) {
  const auto folder = std::filesystem::path(NS_SOURCE_DIR) / "client" / "examples" / "digits";
  if (!std::filesystem::exists(folder / "model.onnx")) GTEST_SKIP() << folder << " has no model.onnx";
  // As task.yaml beside it says: the arrays hold uint8 0..16.
  compare_engines(quantize::testing::load_model(folder, {{"input", {{4.88f}, {6.02f}}}}));
}

}  // namespace
}  // namespace ns::interop
