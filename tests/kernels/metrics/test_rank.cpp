#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/metrics/metric.h"

namespace ns::metrics {
namespace {

using graph::Tensor;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::unique_ptr<Score> make(std::string_view name) { return find_metric(name)->make(); }

void add(Score& score, graph::Shape shape, const std::vector<float>& values, const std::vector<std::int64_t>& labels) {
  const std::vector<Tensor> outputs{Tensor::from<float>(std::move(shape), std::span<const float>(values))};
  score.add(outputs, labels);
}

TEST(Metrics, are_found_by_name) {
  ASSERT_NE(find_metric("top1"), nullptr);
  EXPECT_TRUE(find_metric("top1")->higher_is_better);
  EXPECT_EQ(find_metric("top2"), nullptr);
  for (const MetricDefinition& metric : all_metrics()) EXPECT_TRUE(std::isnan(metric.make()->value())) << metric.name;
}

TEST(Top1, counts_the_first_of_equal_values) {
  const auto score = make("top1");
  add(*score, {3, 3}, {1, 5, 5, 1, 5, 5, 2, 1, 0}, {1, 2, 0});
  EXPECT_EQ(score->samples(), 3);
  EXPECT_DOUBLE_EQ(score->value(), 2.0 / 3);
}

TEST(Top1, a_row_with_nan_is_never_right) {
  const auto score = make("top1");
  add(*score, {3, 2}, {kNaN, 1, 1, kNaN, kNaN, kNaN}, {0, 0, 1});
  EXPECT_EQ(score->value(), 0.0);
}

TEST(Top5, counts_labels_among_the_five_largest) {
  const auto score = make("top5");
  add(*score, {3, 7}, {7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1}, {4, 5, 4});
  EXPECT_DOUBLE_EQ(score->value(), 2.0 / 3);
}

TEST(Rank, merges_and_bounds_exactly) {
  const auto one = make("top1"), two = make("top1");
  add(*one, {2, 2}, {1, 0, 1, 0}, {0, 1});
  add(*two, {1, 2}, {0, 1}, {1});
  one->merge(*two);
  EXPECT_EQ(one->samples(), 3);
  EXPECT_EQ(one->best_possible(0), 2.0 / 3);
  EXPECT_EQ(one->best_possible(7), 0.9);
}

TEST(Rank, refuses_outputs_and_labels_that_do_not_fit) {
  const auto score = make("top1");
  EXPECT_THROW(add(*score, {2, 2}, {1, 0, 1, 0}, {0}), Error);
  EXPECT_THROW(add(*score, {2}, {1, 0}, {0, 1}), Error);
  EXPECT_THROW(add(*score, {1, 2}, {1, 0}, {2}), Error);
  EXPECT_THROW(add(*score, {1, 2}, {1, 0}, {-1}), Error);
  EXPECT_THROW(score->add({}, {}), Error);
  const std::vector<Tensor> booleans{Tensor(graph::ElementType::boolean, {1, 2})};
  EXPECT_THROW(score->add(booleans, std::vector<std::int64_t>{0}), Error);
  EXPECT_THROW(add(*make("top5"), {1, 5}, {1, 2, 3, 4, 5}, {0}), Error);
  EXPECT_EQ(score->samples(), 0);
}

TEST(Rank, takes_axes_of_one_between_batch_and_classes) {
  const auto score = make("top1");
  add(*score, {2, 1, 1, 2}, {1, 0, 0, 1}, {0, 1});
  EXPECT_EQ(score->value(), 1.0);
}

}  // namespace
}  // namespace ns::metrics
