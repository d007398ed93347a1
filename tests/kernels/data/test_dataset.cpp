#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/data/dataset.h"
#include "tests/kernels/data/archive.h"

namespace ns::data {
namespace {

using graph::Dimension;
using graph::ElementType;
using namespace testing;  // NOLINT: archive.h

// A model with these inputs and nothing else; -1: a dynamic axis.
graph::Graph model_with(const std::vector<std::tuple<std::string, ElementType, std::vector<std::int64_t>>>& inputs) {
  graph::Graph model;
  for (const auto& [name, type, shape] : inputs) {
    graph::Value value;
    value.name = name;
    value.type = type;
    value.shape.emplace();
    for (const std::int64_t size : shape) value.shape->push_back({size, size < 0 ? "N" : ""});
    model.inputs.push_back(model.add_value(value));
  }
  return model;
}

graph::Graph picture_model(std::int64_t batch = -1) {
  return model_with({{"x", ElementType::float32, {batch, 2, 1, 2}}});
}

// Three samples of 2 channels of 1x2, and labels.
const std::string kPictures = npy<std::uint8_t>("|u1", "(3, 2, 1, 2)", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
const std::string kLabels = npy<std::int32_t>("<i4", "(3,)", {2, 0, 1});

DataSet load(const graph::Graph& model, const std::vector<std::pair<std::string, std::string>>& arrays,
             const DataSetOptions& options = {}) {
  const TemporaryFile file(zip_bytes(arrays));
  return DataSet::load(file.path(), model, options);
}

std::string refusal(const graph::Graph& model, const std::vector<std::pair<std::string, std::string>>& arrays,
                    const DataSetOptions& options = {}) {
  try {
    load(model, arrays, options);
  } catch (const Error& error) {
    return error.code() == ErrorCode::invalid ? error.what() : std::string("another code: ") + error.what();
  }
  return "accepted";
}

bool says(const std::string& sentence, const std::vector<std::string_view>& parts) {
  return std::all_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return sentence.find(part) != std::string::npos; });
}

TEST(DataSet, feeds_batches_of_the_models_type_with_labels) {
  DataSetOptions options;
  options.labels = "labels";
  const DataSet set = load(picture_model(), {{"x.npy", kPictures}, {"labels.npy", kLabels}}, options);
  EXPECT_EQ(set.size(), 3);
  EXPECT_EQ(set.max_batch(), 3);
  const auto batch = set.batch(1, 2);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].shape(), (graph::Shape{2, 2, 1, 2}));
  EXPECT_EQ(batch[0].values<float>()[0], 4.0f);
  EXPECT_EQ(batch[0].values<float>()[7], 11.0f);
  EXPECT_EQ(set.labels(1, 2), (std::vector<std::int64_t>{0, 1}));
}

TEST(DataSet, normalizes_per_channel) {
  DataSetOptions options;
  options.inputs["x"] = {{1.0f, 10.0f}, {2.0f}};
  const auto values = load(picture_model(), {{"x.npy", kPictures}}, options).batch(2, 1)[0];
  // Sample 2 is [8 9 | 10 11].
  EXPECT_EQ(std::vector<float>(values.values<float>().begin(), values.values<float>().end()),
            (std::vector<float>{3.5f, 4.0f, 0.0f, 0.5f}));
}

TEST(DataSet, normalizes_per_channel_of_whole_inputs) {
  DataSetOptions options;
  options.inputs["x"] = {{0.0f, 10.0f}, {}};
  const std::string whole = npy<std::uint8_t>("|u1", "(3, 1, 2, 1, 2)", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const DataSet set = load(picture_model(1), {{"x.npy", whole}}, options);
  EXPECT_EQ(set.max_batch(), 1);
  const auto batch = set.batch(2, 1);
  EXPECT_EQ(batch[0].shape(), (graph::Shape{1, 2, 1, 2}));
  EXPECT_EQ(batch[0].values<float>()[1], 9.0f);
  EXPECT_EQ(batch[0].values<float>()[3], 1.0f);
}

TEST(DataSet, a_fixed_batch_of_1_takes_one_sample_a_run) {
  const DataSet set = load(picture_model(1), {{"x.npy", kPictures}});
  EXPECT_EQ(set.max_batch(), 1);
  EXPECT_EQ(set.batch(0, 1)[0].shape(), (graph::Shape{1, 2, 1, 2}));
}

TEST(DataSet, slices_keep_order_and_labels) {
  DataSetOptions options;
  options.labels = "labels";
  const DataSet set = load(picture_model(), {{"x.npy", kPictures}, {"labels.npy", kLabels}}, options).slice(1, 2);
  EXPECT_EQ(set.size(), 2);
  EXPECT_EQ(set.batch(0, 1)[0].values<float>()[0], 4.0f);
  EXPECT_EQ(set.slice(1, 1).labels(0, 1), (std::vector<std::int64_t>{1}));
  EXPECT_THROW(set.slice(0, 0), Error);
  EXPECT_THROW(set.slice(1, 2), Error);
  EXPECT_THROW(set.batch(2, 1), Error);
}

TEST(DataSet, feeds_constants) {
  const auto model = model_with({{"x", ElementType::float32, {-1, 2, 1, 2}},
                                 {"rate", ElementType::int64, {}},
                                 {"mask", ElementType::int64, {-1, 2}}});
  DataSetOptions options;
  options.constants = {{"rate", 16000}, {"mask", 1}};
  const auto batch = load(model, {{"x.npy", kPictures}}, options).batch(0, 3);
  EXPECT_EQ(batch[1].shape(), graph::Shape{});
  EXPECT_EQ(batch[1].values<std::int64_t>()[0], 16000);
  EXPECT_EQ(batch[2].shape(), (graph::Shape{3, 2}));
}

TEST(DataSet, refuses_constants_that_do_not_fit) {
  const auto model = model_with({{"x", ElementType::float32, {-1, 2, 1, 2}}, {"flag", ElementType::uint8, {}}});
  for (const double value : {-1.0, 256.0, 0.5, 1e300}) {
    DataSetOptions options;
    options.constants["flag"] = value;
    EXPECT_TRUE(says(refusal(model, {{"x.npy", kPictures}}, options), {"flag", "uint8"})) << value;
  }
}

TEST(DataSet, refuses_arrays_that_do_not_fit_naming_both_shapes) {
  const auto model = picture_model();
  EXPECT_TRUE(says(refusal(model, {{"y.npy", kPictures}}), {"no array 'x'", "[N, 2, 1, 2]", "arrays: y"}));
  EXPECT_TRUE(says(refusal(model, {{"x.npy", npy<float>("<f4", "(1, 3, 1, 2)", std::vector<float>(6))}}),
                   {"'x'", "[1, 3, 1, 2]", "[N, 2, 1, 2]", "axis 1 of the array must be 2"}));
  EXPECT_TRUE(says(refusal(model, {{"x.npy", npy<float>("<f4", "(4,)", std::vector<float>(4))}}), {"4 axes", "or 5"}));
  EXPECT_TRUE(says(refusal(model, {{"x.npy", npy<float>("<f4", "()", {1})}}), {"first axis must be the samples"}));
  EXPECT_TRUE(says(refusal(model, {{"x.npy", npy<float>("<f4", "(0, 2, 1, 2)", {})}}), {"no samples"}));
  EXPECT_TRUE(says(refusal(picture_model(4), {{"x.npy", kPictures}}), {"batch is fixed at 4"}));
}

TEST(DataSet, refuses_values_that_the_input_cannot_take) {
  const auto model = model_with({{"ids", ElementType::int32, {-1, 1}}});
  EXPECT_TRUE(says(refusal(model, {{"ids.npy", npy<float>("<f4", "(1, 1)", {1})}}), {"float32", "int32"}));
  EXPECT_TRUE(says(refusal(model, {{"ids.npy", npy<std::int64_t>("<i8", "(1, 1)", {1ll << 40})}}), {"do not fit"}));
}

TEST(DataSet, refuses_wrong_normalization) {
  const auto refuse = [&](Normalization normalization) {
    DataSetOptions options;
    options.inputs["x"] = std::move(normalization);
    return refusal(picture_model(), {{"x.npy", kPictures}}, options);
  };
  EXPECT_TRUE(says(refuse({{1, 2, 3}, {}}), {"mean", "3 entries", "(2)"}));
  EXPECT_TRUE(says(refuse({{}, {1, 0}}), {"std", "above 0"}));
  EXPECT_TRUE(says(refuse({{NAN}, {}}), {"mean", "finite"}));
  DataSetOptions options;
  options.inputs["z"] = {{1}, {1}};
  EXPECT_TRUE(says(refusal(picture_model(), {{"x.npy", kPictures}}, options), {"'z' is not an input", "x"}));
}

TEST(DataSet, refuses_wrong_labels) {
  DataSetOptions options;
  options.labels = "labels";
  const auto refuse = [&](const std::string& labels) {
    return refusal(picture_model(), {{"x.npy", kPictures}, {"labels.npy", labels}}, options);
  };
  EXPECT_TRUE(says(refuse(npy<float>("<f4", "(3,)", {0, 1, 2})), {"float32", "integers"}));
  EXPECT_TRUE(says(refuse(npy<std::int64_t>("<i8", "(2,)", {0, 1})), {"2 samples", "3"}));
  EXPECT_TRUE(says(refuse(npy<std::int64_t>("<i8", "(3, 2)", std::vector<std::int64_t>(6))), {"one number a sample"}));
  EXPECT_TRUE(says(refusal(picture_model(), {{"x.npy", kPictures}}, options), {"no array 'labels'"}));
  const DataSet unlabelled = load(picture_model(), {{"x.npy", kPictures}});
  EXPECT_FALSE(unlabelled.has_labels());
  EXPECT_THROW(unlabelled.labels(0, 1), Error);
}

TEST(DataSet, digests_tell_equal_samples_apart_from_others) {
  const DataSet set = load(picture_model(),
                           {{"x.npy", npy<std::uint8_t>("|u1", "(3, 2, 1, 2)", {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 5})}});
  const auto digests = set.sample_digests();
  ASSERT_EQ(digests.size(), 3u);
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_NE(digests[0], digests[2]);
  EXPECT_EQ(digests[0].size(), 64u);
  EXPECT_EQ(set.slice(2, 1).sample_digests()[0], digests[2]);
}

}  // namespace
}  // namespace ns::data
