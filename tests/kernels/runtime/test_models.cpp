// Whole models with their data: accuracy as documented, the plan as accurate as the plain operators, int8 where it was
// asked for.
#include "kernels/metrics/metric.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/evaluate.h"
#include "tests/kernels/runtime/graph_builder.h"
#include "tests/kernels/runtime/model_folder.h"
#include "tests/support/shared_folder.h"

namespace ns::runtime {
namespace {

using graph::Tensor;

EvaluateOptions everything() {
  EvaluateOptions options;
  options.threads = 2;
  return options;
}

class Models : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder = test::shared_folder(NS_SOURCE_DIR) / "models" / GetParam();
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  }
  std::filesystem::path folder;
};

TEST_P(Models, accuracy_is_that_of_meta_json) {
  const ModelFolder model(folder);
  const Evaluation evaluation =
      evaluate(model.graph, model.data("eval.npz", true), *metrics::find_metric("top1"), everything());
  EXPECT_NEAR(evaluation.metric, model.meta.at("fp32").at("top1").get<double>(), 5e-5);
  EXPECT_FALSE(evaluation.gave_up);
}

TEST_P(Models, plan_agrees_with_plain_operators) {
  const ModelFolder model(folder);
  const data::DataSet data = model.data("eval.npz", false);
  Session fast(model.graph, {.threads = 1}), both(model.graph, {.threads = 2}), plain(model.graph, {.plain = true});
  for (std::int64_t sample = 0; sample < std::min<std::int64_t>(2, data.size()); ++sample) {
    const std::vector<Tensor> inputs = data.batch(sample, 1);
    const std::vector<Tensor> expected = plain.run(inputs);
    double largest = 0;
    for (const float one : expected[0].values<float>()) largest = std::max(largest, std::abs(static_cast<double>(one)));
    EXPECT_LE(difference(fast.run(inputs), expected), 1e-4 * largest);
    EXPECT_LE(difference(both.run(inputs), expected), 1e-4 * largest);
  }
}

TEST_P(Models, quantized_model_runs_in_int8_and_as_plain_execution_does) {
  const ModelFolder model(folder);
  const data::DataSet calibration = model.data("calib.npz", false);
  const data::DataSet part = calibration.slice(0, std::min<std::int64_t>(32, calibration.size()));
  const quantize::Calibration ranges = quantize::calibrate(model.graph, part, quantize::CalibrationMethod::minmax, 2);
  const auto quantized = std::make_shared<const graph::Graph>(quantize::insert(*model.graph, ranges, {}));
  Session fast(quantized, {.threads = 1}), plain(quantized, {.plain = true});
  const std::vector<Tensor> inputs = part.batch(0, 1);
  const std::vector<Tensor> expected = plain.run(inputs);
  double largest = 0;
  for (const float one : expected[0].values<float>()) largest = std::max(largest, std::abs(static_cast<double>(one)));
  // One step in an inner tensor may grow on the way; a wrong scale or layout would be off by far more.
  EXPECT_LE(difference(fast.run(inputs), expected), 0.1 * largest);
  const std::vector<std::string> int8 = fast.int8_nodes();
  for (const graph::Node& node : quantized->nodes) {
    if (!node.is("Conv")) continue;
    EXPECT_NE(std::find(int8.begin(), int8.end(), node.name), int8.end()) << node.name;
  }
}

INSTANTIATE_TEST_SUITE_P(shared, Models,
                         testing::Values("mnist8", "resnet20-cifar10", "squeezenet11-imagenet", "kws-dscnn"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace ns::runtime
