// Every model in the folder beside the repository: its outputs agree with ONNX Runtime's, and it reaches the accuracy
// that its meta.json states. A model that the engine does not know all operators of is skipped, with the reason.
//
// ONNX Runtime adds float32 in float32, we in float64. Where a model subtracts sums that are nearly equal (a variance
// as mean of squares less square of mean), that alone moves its outputs by more than the tolerance; so a model that
// does not agree has to agree with ONNX Runtime on the same model with its sums in float64.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "kernels/metrics/metric.h"
#include "kernels/runtime/evaluate.h"
#include "kernels/runtime/session.h"
#include "tests/interop/faces.h"
#include "tests/interop/reference_engine.h"
#include "tests/kernels/runtime/model_folder.h"
#include "tests/support/processes.h"
#include "tests/support/shared_folder.h"

namespace ns::interop {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

constexpr std::int64_t kSamples = 32;
constexpr double kTolerance = 1e-4;  // of the largest value of an output

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(test::shared_folder(NS_SOURCE_DIR) / "models", none)) {
    if (fs::exists(entry.path() / "meta.json")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// Of each sample, along a first axis of their own.
Tensor stacked(const std::vector<Tensor>& parts) {
  graph::Shape shape = parts.front().shape();
  shape.insert(shape.begin(), static_cast<std::int64_t>(parts.size()));
  Tensor whole(parts.front().type(), shape);
  auto* to = static_cast<std::byte*>(whole.bytes());
  for (const Tensor& part : parts) {
    to = std::copy_n(static_cast<const std::byte*>(part.bytes()), part.byte_count(), to);
  }
  return whole;
}

struct BothRuns {
  std::vector<Tensor> own, reference;  // by output, the samples along a first axis of their own
};

void collect(const std::vector<Tensor>& values, std::vector<std::vector<Tensor>>& into) {
  into.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) into[i].push_back(values[i].clone());
}

std::vector<Tensor> all_stacked(const std::vector<std::vector<Tensor>>& lists) {
  std::vector<Tensor> whole;
  for (const auto& parts : lists) whole.push_back(stacked(parts));
  return whole;
}

class SharedModels : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    try {
      model_.emplace(GetParam());
      session_.emplace(model_->graph, runtime::PlanOptions{});
      session_->run(model_->data("eval.npz", false).batch(0, 1));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      GTEST_SKIP() << error.what();
    }
    metric_ = model_->meta.at("metric").get<std::string>();
    stated_ = model_->meta.at("fp32").at(metric_).get<double>();
  }

  BothRuns run_both(const fs::path& reference, const data::DataSet& data, std::int64_t samples) {
    std::vector<std::vector<Tensor>> inputs, outputs;
    for (std::int64_t i = 0; i < std::min(samples, data.size()); ++i) {
      const std::vector<Tensor> fed = data.batch(i, 1);
      collect(fed, inputs);
      collect(session_->run(fed), outputs);
    }
    return {all_stacked(outputs), run_reference_on_whole_inputs(reference, *model_->graph, all_stacked(inputs))};
  }

  double top1() {
    runtime::EvaluateOptions how;
    how.threads = 2;
    return runtime::evaluate(model_->graph, model_->data("eval.npz", true), *metrics::find_metric("top1"), how).metric;
  }

  // The mean over the pictures, in values of 0 to 255.
  double psnr() {
    const Tensor target = data::read_npz(GetParam() / "eval.npz").at("target");
    const data::DataSet data = model_->data("eval.npz", false);
    double sum = 0;
    for (std::int64_t i = 0; i < data.size(); ++i) {
      const Tensor output = session_->run(data.batch(i, 1))[0];
      const auto made = output.values<float>();
      const auto wanted = target.values<std::uint8_t>().subspan(static_cast<std::size_t>(i) * made.size(), made.size());
      double squares = 0;
      for (std::size_t at = 0; at < made.size(); ++at) {
        const double difference = std::clamp(255.0 * made[at], 0.0, 255.0) - wanted[at];
        squares += difference * difference;
      }
      sum += 10 * std::log10(255.0 * 255.0 * static_cast<double>(made.size()) / squares);
    }
    return sum / static_cast<double>(data.size());
  }

  std::optional<runtime::ModelFolder> model_;
  std::optional<runtime::Session> session_;
  std::string metric_;
  double stated_ = 0;
};

std::span<const float> sample_of(const Tensor& stacked, std::int64_t sample) {
  const auto each = static_cast<std::size_t>(stacked.count() / stacked.shape()[0]);
  return stacked.values<float>().subspan(static_cast<std::size_t>(sample) * each, each);
}

Tensor tensor_of(std::span<const float> values) {
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

double binary_agreement(const BothRuns& runs) {
  const auto own = runs.own[0].values<float>(), reference = runs.reference[0].values<float>();
  std::int64_t same = 0;
  for (std::size_t i = 0; i < own.size(); ++i) same += (own[i] > 0.5f) == (reference[i] > 0.5f);
  return static_cast<double>(same) / static_cast<double>(own.size());
}

double face_agreement(const BothRuns& runs) {
  Matches matches;
  for (std::int64_t i = 0; i < runs.own[0].shape()[0]; ++i) {
    const auto found = [&](const std::vector<Tensor>& outputs) {
      return faces(tensor_of(sample_of(outputs[0], i)), tensor_of(sample_of(outputs[1], i)));
    };
    matches.add(found(runs.own), found(runs.reference));
  }
  return matches.f1();
}

// The same model with sums and means in float64: each behind one Cast and before another.
graph::Graph with_wide_sums(graph::Graph model) {
  const auto cast = [&](graph::ValueId from, graph::ValueId to, graph::ElementType type, const std::string& name) {
    graph::Node node;
    node.name = name;
    node.op_type = "Cast";
    node.inputs = {from};
    node.outputs = {to};
    node.attributes["to"] = static_cast<std::int64_t>(type);
    return node;
  };
  std::vector<graph::Node> nodes;
  for (graph::Node& node : model.nodes) {
    const bool sums = node.is("ReduceSum") || node.is("ReduceMean");
    const graph::ValueId input = sums ? node.inputs[0] : graph::kAbsent,
                         output = sums ? node.outputs[0] : graph::kAbsent;
    if (sums) {
      node.inputs[0] = model.add_value({model.unused_name("wide"), graph::ElementType::float64, {}, {}});
      node.outputs[0] = model.add_value({model.unused_name("sum"), graph::ElementType::float64, {}, {}});
      nodes.push_back(cast(input, node.inputs[0], graph::ElementType::float64, node.name + "_wide"));
    }
    const graph::ValueId sum = node.outputs[0];
    const std::string name = node.name + "_narrow";
    nodes.push_back(std::move(node));
    if (sums) nodes.push_back(cast(sum, output, graph::ElementType::float32, name));
  }
  model.nodes = std::move(nodes);
  return model;
}

// The largest difference of any output, by the largest value of that output; infinity where one is not finite.
double difference(const BothRuns& runs) {
  double worst = 0;
  for (std::size_t output = 0; output < runs.own.size(); ++output) {
    const auto own = runs.own[output].values<float>(), reference = runs.reference[output].values<float>();
    double largest = 0, differs = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!std::isfinite(own[i])) return std::numeric_limits<double>::infinity();
      largest = std::max(largest, std::abs(double{reference[i]}));
      differs = std::max(differs, std::abs(double{own[i]} - reference[i]));
    }
    worst = std::max(worst, largest > 0 ? differs / largest : differs);
  }
  return worst;
}

TEST_P(SharedModels, outputs_agree_with_the_reference) {
  if (const std::string reason = why_not_available(); !reason.empty()) GTEST_SKIP() << reason;
  const data::DataSet data = model_->data("eval.npz", false);
  const BothRuns runs = run_both(GetParam() / "model.onnx", data, kSamples);
  ASSERT_EQ(runs.own.size(), runs.reference.size());
  for (std::size_t output = 0; output < runs.own.size(); ++output) {
    ASSERT_EQ(runs.own[output].shape(), runs.reference[output].shape());
  }
  const double narrow = difference(runs);
  std::cout << fmt::format("differs by at most {:.3g} of the largest value\n", narrow);
  if (narrow <= kTolerance) return;
  const test::TempFolder folder;
  const fs::path wide = folder.path() / "wide.onnx";
  onnx::write_file(with_wide_sums(onnx::read_file(GetParam() / "model.onnx")), wide);
  const double widely = difference(run_both(wide, data, kSamples));
  std::cout << fmt::format("and by at most {:.3g} where its sums are in float64\n", widely);
  EXPECT_LE(widely, kTolerance);
}

TEST_P(SharedModels, accuracy_is_that_of_meta_json) {
  constexpr double kAsWritten = 5e-5;  // meta.json states four digits
  if (metric_ == "top1") {
    EXPECT_NEAR(top1(), stated_, kAsWritten);
  } else if (metric_ == "psnr") {
    EXPECT_NEAR(psnr(), stated_, 1e-3);
  } else if (metric_ == "snr") {
    GTEST_SKIP() << "fp32 is its own reference: how far outputs agree says the same";
  } else {
    if (const std::string reason = why_not_available(); !reason.empty()) GTEST_SKIP() << reason;
    const data::DataSet data = model_->data("eval.npz", false);
    const BothRuns runs = run_both(GetParam() / "model.onnx", data, data.size());
    ASSERT_TRUE(metric_ == "face_f1" || metric_ == "binary_agree") << metric_ << " is no metric of these folders";
    EXPECT_NEAR(metric_ == "face_f1" ? face_agreement(runs) : binary_agreement(runs), stated_, kAsWritten);
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedModels);
INSTANTIATE_TEST_SUITE_P(shared, SharedModels, testing::ValuesIn(model_folders()), [](const auto& parameter) {
  std::string name = parameter.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace ns::interop
