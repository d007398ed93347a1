// Real trained models through calibration, insertion and evaluation in our own engine.
#include <gtest/gtest.h>

#include <iostream>

#include "kernels/metrics/metric.h"
#include "kernels/onnx/onnx.h"
#include "kernels/quantize/lint.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/evaluate.h"
#include "tests/kernels/quantize/shared_models.h"

namespace ns::quantize {
namespace {

using graph::Graph;
using namespace testing;  // NOLINT: shared_models.h

constexpr double kPoint = 0.01;

double top1(std::shared_ptr<const Graph> graph, const data::DataSet& set) {
  runtime::EvaluateOptions options;
  options.threads = 2;
  return runtime::evaluate(std::move(graph), set, *metrics::find_metric("top1"), options).metric;
}

class TrainedModels : public ::testing::TestWithParam<const char*> {};

TEST_P(TrainedModels, keep_their_accuracy_in_int8) {
  const std::string name = GetParam();
  if (!std::filesystem::exists(shared_model_folder(name))) {
    GTEST_SKIP() << shared_model_folder(name) << " is not there";
  }
  const TrainedModel model = load_shared_model(name);
  const Calibration calibration = calibrate(model.graph, *model.calibration, CalibrationMethod::minmax, 2);
  const double fp32 = top1(model.graph, *model.evaluation);
  EXPECT_NEAR(fp32, model.top1, 0.0015);
  for (const ActivationType activation : {ActivationType::uint8, ActivationType::int8}) {
    QuantizeConfig config;
    config.activation = activation;
    const Graph quantized = insert(*model.graph, calibration, config);
    for (const Finding& finding : lint_qdq(quantized)) ADD_FAILURE() << finding.node << ": " << finding.reason;
    // Measured on what would be handed over.
    const auto exported = std::make_shared<const Graph>(onnx::read_bytes(onnx::write_bytes(quantized)));
    const double int8 = top1(exported, *model.evaluation);
    EXPECT_GE(int8, fp32 - kPoint);
    std::cout << name << ": fp32 " << fp32 << ", int8 " << int8
              << (activation == ActivationType::uint8 ? " (uint8 activations)\n" : " (int8 activations)\n");
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, TrainedModels,
                         ::testing::Values("mnist8", "resnet20-cifar10", "kws-dscnn", "squeezenet11-imagenet"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace ns::quantize
