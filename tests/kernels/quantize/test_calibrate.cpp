#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/quantize/quantize.h"
#include "kernels/runtime/session.h"
#include "tests/kernels/data/archive.h"
#include "tests/kernels/quantize/graphs.h"

namespace ns::quantize {
namespace {

using graph::Graph;
using namespace testing;        // NOLINT: graphs.h
using namespace data::testing;  // NOLINT: archive.h

data::DataSet feed(const Graph& model, std::string_view shape, const std::vector<float>& values) {
  const TemporaryFile file(zip_bytes({{"x.npy", npy<float>("<f4", shape, values)}}));
  return data::DataSet::load(file.path(), model, {});
}

std::vector<float> noise(std::size_t count) {
  std::vector<float> values(count);
  std::uint32_t random = 7;
  for (float& value : values) {
    random = random * 1664525u + 1013904223u;
    value = static_cast<float>(random >> 8) / static_cast<float>(1 << 23) - 1.0f;
  }
  return values;
}

Graph residual_model() {
  return Builder()
      .input("x", {-1, 3, 8, 8})
      .conv("x", "a", 3, 4)
      .node("Relu", {"a"}, "r")
      .conv("r", "b", 4, 4)
      .node("Add", {"b", "r"}, "sum")
      .conv("sum", "c", 4, 2)
      .output("c")
      .build();
}

void expect_equal(const Calibration& left, const Calibration& right) {
  ASSERT_EQ(left.ranges.size(), right.ranges.size());
  for (const auto& [name, range] : left.ranges) {
    EXPECT_EQ(range.low, right.ranges.at(name).low) << name;
    EXPECT_EQ(range.high, right.ranges.at(name).high) << name;
  }
}

TEST(Calibrate, records_least_and_largest_of_every_value) {
  const Graph model =
      Builder().input("x", {-1, 2}).weights("k", {2, 2}).node("MatMul", {"x", "k"}, "y").output("y").build();
  const auto calibration =
      calibrate(std::make_shared<Graph>(model), feed(model, "(3, 2)", {1.0f, -2.0f, 0.5f, 7.0f, 3.0f, 0.0f}),
                CalibrationMethod::minmax, 1);
  EXPECT_EQ(calibration.samples, 3);
  EXPECT_EQ(calibration.ranges.at("x").low, -2.0f);
  EXPECT_EQ(calibration.ranges.at("x").high, 7.0f);
  EXPECT_EQ(calibration.ranges.count("y"), 1u);
}

TEST(Calibrate, passes_over_infinities_and_nan) {
  const Graph model =
      Builder().input("x", {-1, 2}).weights("k", {2, 2}).node("MatMul", {"x", "k"}, "y").output("y").build();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto calibration =
      calibrate(std::make_shared<Graph>(model), feed(model, "(3, 2)", {1.0f, infinity, -infinity, 2.0f, NAN, 0.5f}),
                CalibrationMethod::minmax, 1);
  EXPECT_EQ(calibration.ranges.at("x").low, 0.5f);
  EXPECT_EQ(calibration.ranges.at("x").high, 2.0f);
}

TEST(Calibrate, does_not_depend_on_the_number_of_threads) {
  const auto model = std::make_shared<const Graph>(residual_model());
  const auto set = feed(*model, "(37, 3, 8, 8)", noise(37 * 3 * 64));
  const auto one = calibrate(model, set, CalibrationMethod::minmax, 1);
  expect_equal(one, calibrate(model, set, CalibrationMethod::minmax, 2));
}

// The ranges of the whole set suffice for every configuration.
TEST(Calibrate, covers_every_configuration) {
  const auto model = std::make_shared<const Graph>(residual_model());
  const auto calibration =
      calibrate(model, feed(*model, "(2, 3, 8, 8)", noise(2 * 3 * 64)), CalibrationMethod::minmax, 1);
  const auto nodes = quantizable_nodes(*model);
  for (std::uint32_t choice = 0; choice < 1u << nodes.size(); ++choice) {
    QuantizeConfig config;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if ((choice >> i & 1) != 0) config.float_nodes.insert(nodes[i].node);
    }
    EXPECT_NO_THROW(insert(*model, calibration, config)) << choice;
  }
}

TEST(Insert, int8_outputs_stay_close_to_float) {
  const auto model = std::make_shared<const Graph>(residual_model());
  const auto set = feed(*model, "(8, 3, 8, 8)", noise(8 * 3 * 64));
  const auto calibration = calibrate(model, set, CalibrationMethod::minmax, 1);
  const auto inputs = set.batch(0, 8);
  runtime::Session reference(model, {});
  const graph::Tensor wanted = reference.run(inputs)[0].clone();
  for (const ActivationType activation : {ActivationType::uint8, ActivationType::int8}) {
    for (const BiasType bias : {BiasType::int32, BiasType::float32}) {
      const QuantizeConfig config{{}, activation, bias};
      runtime::Session session(std::make_shared<const Graph>(insert(*model, calibration, config)), {});
      const graph::Tensor given = session.run(inputs)[0];
      double error = 0, power = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.count()); ++i) {
        error += std::pow(given.values<float>()[i] - wanted.values<float>()[i], 2);
        power += std::pow(wanted.values<float>()[i], 2);
      }
      EXPECT_LT(error, 1e-3 * power);
      EXPECT_GT(error, 0.0);
    }
  }
}

TEST(RankByError, puts_the_harmful_node_first_whatever_the_threads) {
  Graph model = residual_model();
  const auto set = feed(model, "(9, 3, 8, 8)", noise(9 * 3 * 64));
  auto calibration = calibrate(std::make_shared<Graph>(model), set, CalibrationMethod::minmax, 1);
  // As if an outlier had been seen: only b's output loses nearly all its steps.
  calibration.ranges.at("b").high *= 40;
  const auto shared = std::make_shared<const Graph>(std::move(model));
  const auto one = rank_by_error(shared, calibration, {}, set, 9, 1);
  const auto two = rank_by_error(shared, calibration, {}, set, 9, 2);
  ASSERT_EQ(one.size(), 4u);
  EXPECT_TRUE(one[0].node == "b_node" || one[0].node == "sum_node");
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].node, two[i].node);
    EXPECT_EQ(one[i].error, two[i].error);
    EXPECT_GT(one[i].error, 0.0);
    if (i > 0) {
      EXPECT_LE(one[i].error, one[i - 1].error);
    }
  }
}

}  // namespace
}  // namespace ns::quantize
