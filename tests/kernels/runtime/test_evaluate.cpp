// Evaluation and latency on a tiny classifier: the label is the largest of three inputs.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernels/runtime/evaluate.h"
#include "tests/kernels/runtime/graph_builder.h"

namespace ns::runtime {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

// A format-1.0 .npy.
template <typename T>
std::string npy(const std::string& type, const graph::Shape& shape, const std::vector<T>& values) {
  std::string dims;
  for (const std::int64_t size : shape) dims += std::to_string(size) + ",";
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  header.resize((header.size() + 10 + 64) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return file;
}

class Evaluate : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ns-evaluate-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // `samples` rows; the model's answer is right for all but every `wrong_every`-th.
  data::DataSet set(GraphBuilder& builder, std::int64_t samples) {
    const Tensor rows = builder.random_floats({samples, 3}, -1, 1);
    const std::vector<float> values(rows.values<float>().begin(), rows.values<float>().end());
    const fs::path file = folder_ / "set.npy";
    std::ofstream(file, std::ios::binary) << npy<float>("<f4", {samples, 3}, values);
    return data::DataSet::load(file, *builder.graph(), {});
  }

  // output = input: no label is needed, the metric below reads the numbers.
  GraphBuilder identity() {
    GraphBuilder builder(51);
    const graph::ValueId x = builder.input({1, 3});
    (*builder.edit().value(x).shape)[0] = {.size = -1, .name = "N"};
    builder.output(builder.node("Relu", {x}));
    return builder;
  }

  fs::path folder_;
};

// Part of the samples whose first output is above zero.
class Positive final : public metrics::Score {
 public:
  void add(std::span<const Tensor> outputs, std::span<const std::int64_t>) override {
    const auto values = outputs[0].values<float>();
    const auto row = static_cast<std::size_t>(outputs[0].shape()[1]);
    for (std::size_t i = 0; i < values.size(); i += row, ++samples_) positive_ += values[i] > 0 ? 1 : 0;
  }
  void merge(const metrics::Score& other) override {
    positive_ += dynamic_cast<const Positive&>(other).positive_;
    samples_ += other.samples();
  }
  double value() const override { return static_cast<double>(positive_) / static_cast<double>(samples_); }
  std::int64_t samples() const override { return samples_; }
  double best_possible(std::int64_t remaining) const override {
    return static_cast<double>(positive_ + remaining) / static_cast<double>(samples_ + remaining);
  }

 private:
  std::int64_t positive_ = 0, samples_ = 0;
};
const metrics::MetricDefinition kPositive{"positive", true, false,
                                          [] { return std::unique_ptr<metrics::Score>(new Positive()); }};

TEST_F(Evaluate, result_does_not_depend_on_threads_or_batch) {
  GraphBuilder builder = identity();
  const data::DataSet data = set(builder, 103);
  const Evaluation one =
      evaluate(builder.graph(), data, kPositive, {.threads = 1, .batch = 103, .give_up_below = {}, .progress = {}});
  EXPECT_EQ(one.samples, 103);
  EXPECT_GT(one.throughput, 0);
  for (const int threads : {1, 2, 4}) {
    for (const std::int64_t batch : {1, 10, 64}) {
      const Evaluation other = evaluate(builder.graph(), data, kPositive,
                                        {.threads = threads, .batch = batch, .give_up_below = {}, .progress = {}});
      EXPECT_EQ(other.metric, one.metric);
      EXPECT_EQ(other.samples, 103);
    }
  }
}

TEST_F(Evaluate, gives_up_at_the_same_sample_whatever_the_threads) {
  GraphBuilder builder = identity();
  const data::DataSet data = set(builder, 1000);
  const EvaluateOptions options{.threads = 1, .batch = 10, .give_up_below = 0.9, .progress = {}};
  const Evaluation one = evaluate(builder.graph(), data, kPositive, options);
  EXPECT_TRUE(one.gave_up);
  EXPECT_LT(one.samples, 400);  // half are wrong: 100 errors are seen by then
  for (const int threads : {2, 3}) {
    EvaluateOptions other = options;
    other.threads = threads;
    const Evaluation again = evaluate(builder.graph(), data, kPositive, other);
    EXPECT_TRUE(again.gave_up);
    EXPECT_EQ(again.samples, one.samples);
    EXPECT_EQ(again.metric, one.metric);
  }
}

TEST_F(Evaluate, does_not_give_up_what_can_still_be_reached) {
  GraphBuilder builder = identity();
  const data::DataSet data = set(builder, 200);
  const double metric = evaluate(builder.graph(), data, kPositive, {}).metric;
  const Evaluation exact =
      evaluate(builder.graph(), data, kPositive, {.batch = 7, .give_up_below = metric, .progress = {}});
  EXPECT_FALSE(exact.gave_up);
  EXPECT_EQ(exact.samples, 200);
}

TEST_F(Evaluate, progress_may_cancel) {
  GraphBuilder builder = identity();
  const data::DataSet data = set(builder, 100);
  std::int64_t last = 0;
  EvaluateOptions options{.threads = 2, .batch = 5, .give_up_below = {}, .progress = {}};
  options.progress = [&](std::int64_t done, std::int64_t all) {
    EXPECT_EQ(all, 100);
    EXPECT_GE(done, last);
    last = done;
    return true;
  };
  evaluate(builder.graph(), data, kPositive, options);
  EXPECT_EQ(last, 100);
  options.progress = [](std::int64_t, std::int64_t) { return false; };
  try {
    evaluate(builder.graph(), data, kPositive, options);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
}

TEST_F(Evaluate, latency_of_several_models_in_one_go) {
  GraphBuilder builder = identity();
  const data::DataSet data = set(builder, 5);
  const std::vector<std::shared_ptr<const graph::Graph>> graphs{builder.graph(), builder.graph()};
  LatencyOptions options;
  options.threads = 2;
  options.budget = std::chrono::milliseconds(40);
  options.min_runs = 20;
  const std::vector<Latency> latencies = measure_latency(graphs, data, options);
  ASSERT_EQ(latencies.size(), 2U);
  for (const Latency& latency : latencies) {
    EXPECT_GE(latency.runs, 5);  // 20 unless the machine stalls
    EXPECT_GT(latency.min_ms, 0);
    EXPECT_LE(latency.min_ms, latency.median_ms);
    EXPECT_LE(latency.median_ms, latency.p99_ms);
    EXPECT_TRUE(latency.threads == 1 || latency.threads == 2);
  }
}

}  // namespace
}  // namespace ns::runtime
