#include "common/search_space.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace ns {
namespace {

// The refused field and that the sentence begins with it.
std::string refused(const std::string& text) {
  try {
    parse_search_space(text);
  } catch (const Error& failure) {
    EXPECT_EQ(failure.code(), ErrorCode::invalid);
    EXPECT_EQ(std::string(failure.what()).rfind(failure.field(), 0), 0u) << failure.what();
    return failure.field();
  }
  return "accepted";
}

TEST(SearchSpace, reads_every_type_in_order_of_name) {
  const SearchSpace space = parse_search_space(R"({
    "j": {"_type": "choice", "_value": [1, "two", 3.5]},
    "a": {"_type": "randint", "_value": [0, 10]},
    "b": {"_type": "uniform", "_value": [0, 1]},
    "c": {"_type": "quniform", "_value": [0, 1, 0.1]},
    "d": {"_type": "loguniform", "_value": [0.001, 1]},
    "e": {"_type": "qloguniform", "_value": [1, 100, 2]},
    "f": {"_type": "normal", "_value": [0, 1]},
    "g": {"_type": "qnormal", "_value": [0, 1, 0.5]},
    "h": {"_type": "lognormal", "_value": [0, 1]},
    "i": {"_type": "qlognormal", "_value": [0, 1, 0.5]}})");
  ASSERT_EQ(space.parameters.size(), 10u);
  EXPECT_EQ(space.parameters.front().name, "a");
  EXPECT_EQ(space.parameters.back().options, (std::vector<std::string>{"1", "\"two\"", "3.5"}));
  EXPECT_EQ(space.parameters[2].step, 0.1);
  EXPECT_FALSE(is_discrete(space));
}

TEST(SearchSpace, options_that_all_have_names_are_branches) {
  const SearchSpace space = parse_search_space(R"({"layer": {"_type": "choice", "_value": [
    {"_name": "none"}, {"_name": "dense", "units": {"_type": "randint", "_value": [1, 5]}}]}})");
  ASSERT_EQ(space.parameters[0].branches.size(), 2u);
  EXPECT_EQ(space.parameters[0].branches[1].parameters[0].name, "units");
  EXPECT_TRUE(is_discrete(space));
  const SearchSpace plain = parse_search_space(R"({"x": {"_type": "choice", "_value": [{"_name": "a"}, 3]}})");
  EXPECT_TRUE(plain.parameters[0].branches.empty());
}

TEST(SearchSpace, names_what_is_wrong) {
  EXPECT_EQ(refused("["), "search_space");
  EXPECT_EQ(refused("[]"), "search_space");
  EXPECT_EQ(refused("{}"), "search_space");
  EXPECT_EQ(refused(R"({"x": 3})"), "search_space.x");
  EXPECT_EQ(refused(R"({"x": {"_value": [0, 1]}})"), "search_space.x");
  EXPECT_EQ(refused(R"({"x": {"_type": "unifrom", "_value": [0, 1]}})"), "search_space.x._type");
  EXPECT_EQ(refused(R"({"x": {"_type": "uniform", "_value": 3}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "uniform", "_value": [0]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "uniform", "_value": [1, 0]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "uniform", "_value": [0, "1"]}})"), "search_space.x._value[1]");
  EXPECT_EQ(refused(R"({"x": {"_type": "randint", "_value": [0, 1.5]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "loguniform", "_value": [0, 1]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "quniform", "_value": [0, 1, 0]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "normal", "_value": [0, 0]}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "choice", "_value": []}})"), "search_space.x._value");
  EXPECT_EQ(refused(R"({"x": {"_type": "choice", "_value": [1], "_default": 1}})"), "search_space.x._default");
  EXPECT_EQ(
      refused(R"({"x": {"_type": "choice", "_value": [{"_name": "a", "y": {"_type": "uniform", "_value": [2, 1]}}]}})"),
      "search_space.x._value[0].y._value");
}

}  // namespace
}  // namespace ns
