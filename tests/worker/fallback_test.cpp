#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "worker/tuning/tuner.h"

namespace ns::worker::tuning {
namespace {

using nlohmann::json;

struct Verdict {
  bool meets = false;
  bool accepted = false;
  bool completed = true;
};

struct Course {
  std::vector<std::set<std::string>> tried;
  std::vector<std::size_t> rounds;
  std::vector<bool> ranked;
};

std::string node(std::size_t index) { return fmt::format("n{:02}", index); }

json list(std::size_t nodes, bool reversed = false) {
  json entries = json::array();
  for (std::size_t index = 0; index < nodes; ++index)
    entries.push_back({{"node", node(reversed ? nodes - 1 - index : index)}});
  return entries;
}

// A world of `nodes` operators, ranked n00 (worst) on, that answers what `judge` says of a set of float operators.
Course search(std::size_t nodes, const std::function<Verdict(const std::set<std::string>&)>& judge,
              std::uint32_t limit = 1000) {
  auto tuner = find_tuner("fallback", false).make({});
  Course course;
  std::uint32_t proposal = 0;
  for (;;) {
    const auto round = tuner->ask(limit - static_cast<std::uint32_t>(course.tried.size()));
    if (round.empty()) return course;
    course.rounds.push_back(round.size());
    for (const std::string& text : round) {
      const json parameters = json::parse(text);
      const auto floated = parameters.at("float_nodes").get<std::set<std::string>>();
      course.tried.push_back(floated);
      course.ranked.push_back(parameters.at("rank"));
      const Verdict verdict = judge(floated);
      Observation observation;
      observation.proposal = proposal++;
      observation.completed = verdict.completed;
      observation.meets_criterion = verdict.meets;
      observation.accepted = verdict.accepted;
      json details = {{"cost", list(nodes, true)}};
      if (!verdict.meets) details["ranking"] = list(nodes);
      observation.details = details.dump();
      tuner->tell(observation);
    }
  }
}

Verdict accurate_with(std::size_t wanted, const std::set<std::string>& floated) {
  for (std::size_t index = 0; index < wanted; ++index) {
    if (!floated.contains(node(index))) return {};
  }
  return {true, true};
}

TEST(Fallback, all_int8_that_is_good_is_the_end) {
  const Course course = search(10, [](const auto&) { return Verdict{true, true}; });
  ASSERT_EQ(course.tried.size(), 1u);
  EXPECT_TRUE(course.tried[0].empty());
  EXPECT_TRUE(course.ranked[0]);
}

TEST(Fallback, finds_the_smallest_number_wherever_it_lies) {
  for (std::size_t nodes : {2u, 3u, 4u, 7u, 20u, 53u}) {
    for (std::size_t wanted = 1; wanted < nodes; ++wanted) {
      const Course course = search(nodes, [&](const auto& floated) { return accurate_with(wanted, floated); });
      std::size_t fewest = nodes;
      for (const auto& floated : course.tried) {
        if (accurate_with(wanted, floated).meets) fewest = std::min(fewest, floated.size());
      }
      EXPECT_EQ(fewest, wanted) << nodes << " operators";
      // Each round of two leaves a third: far fewer than one trial an operator.
      std::size_t bound = 1;
      for (std::size_t left = nodes; left > 1; left = (left + 2) / 3) bound += 2;
      EXPECT_LE(course.tried.size(), bound + 2) << nodes << " operators, " << wanted << " wanted";
    }
  }
}

TEST(Fallback, rounds_have_at_most_two_and_no_configuration_comes_twice) {
  const Course course = search(53, [](const auto& floated) { return accurate_with(17, floated); });
  for (std::size_t size : course.rounds) EXPECT_LE(size, 2u);
  EXPECT_EQ(std::set<std::set<std::string>>(course.tried.begin(), course.tried.end()).size(), course.tried.size());
}

TEST(Fallback, gives_up_where_nothing_meets_the_criterion) {
  const Course course = search(20, [](const auto&) { return Verdict{}; });
  EXPECT_GT(course.tried.size(), 1u);
  EXPECT_LE(course.tried.size(), 10u);
  for (const auto& floated : course.tried) EXPECT_LT(floated.size(), 20u);  // all in float is no int8 model
  EXPECT_EQ(course.tried.back().size(), 19u);
}

TEST(Fallback, one_operator_that_misses_leaves_nothing_to_try) {
  EXPECT_EQ(search(1, [](const auto&) { return Verdict{}; }).tried.size(), 1u);
}

TEST(Fallback, a_landscape_with_a_hole_still_ends_at_a_hit) {
  // 6 and more meet it, 9 to 12 do not.
  const auto judge = [](const std::set<std::string>& floated) {
    const bool meets = floated.size() >= 6 && !(floated.size() >= 9 && floated.size() <= 12);
    return Verdict{meets, meets};
  };
  const Course course = search(20, judge);
  bool hit = false;
  for (const auto& floated : course.tried) hit = hit || judge(floated).meets;
  EXPECT_TRUE(hit);
  EXPECT_LE(course.tried.size(), 10u);
}

TEST(Fallback, a_failed_trial_counts_as_a_miss) {
  const Course course = search(10, [](const std::set<std::string>& floated) {
    if (floated.size() == 3) return Verdict{false, false, false};
    return accurate_with(2, floated);
  });
  EXPECT_GT(course.tried.size(), 2u);
  EXPECT_EQ(search(10, [](const auto&) { return Verdict{false, false, false}; }).tried.size(), 1u);
}

TEST(Fallback, accurate_but_slow_keeps_the_most_costly_in_int8) {
  // n15 is the most costly; only 4 or fewer in int8 are fast enough.
  const Course course = search(16, [](const std::set<std::string>& floated) {
    return Verdict{true, 16 - floated.size() <= 4};
  });
  ASSERT_EQ(course.tried.size(), 3u);  // all, then a half and a quarter
  EXPECT_EQ(course.tried[1].size(), 8u);
  EXPECT_EQ(course.tried[2].size(), 12u);
  EXPECT_FALSE(course.tried[2].contains("n15"));
  EXPECT_TRUE(course.tried[2].contains("n00"));
}

TEST(Fallback, never_fast_enough_ends_after_a_few_rounds) {
  const Course course = search(16, [](const auto&) { return Verdict{true, false}; });
  EXPECT_EQ(course.tried.size(), 5u);
  EXPECT_EQ(course.rounds.size(), 3u);
}

TEST(Fallback, thinning_keeps_in_float_what_accuracy_needs) {
  const Course course = search(16, [](const std::set<std::string>& floated) {
    return Verdict{accurate_with(3, floated).meets, floated.size() >= 12};
  });
  EXPECT_GE(course.tried.back().size(), 12u);
  for (std::size_t index = 0; index < 3; ++index) EXPECT_TRUE(course.tried.back().contains(node(index)));
}

TEST(Fallback, keeps_to_the_limit) {
  for (std::uint32_t limit = 1; limit < 8; ++limit) {
    EXPECT_LE(search(
                  50, [](const auto& floated) { return accurate_with(31, floated); }, limit)
                  .tried.size(),
              limit);
  }
}

TEST(Fallback, a_result_without_rankings_ends_the_search) {
  auto tuner = find_tuner("fallback", false).make({});
  tuner->ask(10);
  Observation observation;
  observation.completed = true;
  observation.meets_criterion = observation.accepted = false;
  observation.details = "not JSON";
  tuner->tell(observation);
  EXPECT_TRUE(tuner->ask(10).empty());
}

}  // namespace
}  // namespace ns::worker::tuning
