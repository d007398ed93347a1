// Every tuner of the list keeps these promises.
#include "worker/tuning/tuner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ns::worker::tuning {
namespace {

using nlohmann::json;
using Rounds = std::vector<std::vector<std::string>>;

class EveryTuner : public testing::TestWithParam<TunerDefinition> {
 protected:
  static constexpr const char* kEndless =
      R"({"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "choice", "_value": ["a", "b"]}})";
  static constexpr const char* kSmall =
      R"({"x": {"_type": "randint", "_value": [0, 3]}, "y": {"_type": "choice", "_value": ["a", "b"]}})";

  std::unique_ptr<Tuner> make(const char* space = kEndless) const {
    TunerOptions options;
    options.seed = 3;
    if (GetParam().needs_space) options.space = parse_search_space(space);
    return GetParam().make(options);
  }

  // What a trial says is a function of its proposal's text; every third one fails.
  static Observation observe(std::uint32_t proposal, const std::string& text) {
    Observation observation;
    observation.proposal = proposal;
    const std::size_t digest = std::hash<std::string>{}(text);
    observation.completed = proposal == 0 || digest % 3 != 0;
    observation.meets_criterion = proposal != 0 && digest % 2 == 0;
    observation.accepted = observation.meets_criterion && digest % 5 != 0;
    observation.value = static_cast<double>(digest % 1000);
    json nodes = json::array();
    for (int node = 0; node < 30; ++node) nodes.push_back({{"node", fmt::format("n{}", node)}});
    observation.details = json{{"ranking", nodes}, {"cost", nodes}}.dump();
    return observation;
  }

  static Rounds run(Tuner& tuner, std::uint32_t most) {
    Rounds rounds;
    std::uint32_t proposed = 0;
    while (proposed < most) {
      rounds.push_back(tuner.ask(most - proposed));
      if (rounds.back().empty()) break;
      const std::uint32_t first = proposed;
      for (const std::string& text : rounds.back()) {
        EXPECT_TRUE(json::accept(text)) << text;
        ++proposed;
      }
      for (std::uint32_t index = 0; index < rounds.back().size(); ++index)
        tuner.tell(observe(first + index, rounds.back()[index]));
    }
    return rounds;
  }
};

TEST_P(EveryTuner, same_seed_and_same_tells_give_the_same_proposals) { EXPECT_EQ(run(*make(), 50), run(*make(), 50)); }

TEST_P(EveryTuner, replayed_history_leads_to_the_same_next_round) {
  const Rounds all = run(*make(), 300);
  for (std::size_t stop = 1; stop < all.size(); ++stop) {
    auto fresh = make();
    std::uint32_t proposed = 0;
    for (std::size_t round = 0; round < stop; ++round) {
      ASSERT_EQ(fresh->ask(300 - proposed), all[round]);
      for (const std::string& text : all[round]) {
        fresh->tell(observe(proposed, text));
        ++proposed;
      }
    }
    EXPECT_EQ(fresh->ask(300 - proposed), all[stop]);
  }
}

TEST_P(EveryTuner, asks_for_no_more_than_the_limit) {
  for (std::uint32_t most : {0u, 1u, 2u, 3u, 7u}) {
    std::size_t proposed = 0;
    for (const auto& round : run(*make(), most)) proposed += round.size();
    EXPECT_LE(proposed, most);
  }
}

TEST_P(EveryTuner, is_not_asked_before_its_round_is_told) {
  auto tuner = make();
  ASSERT_FALSE(tuner->ask(5).empty());
  EXPECT_THROW(tuner->ask(5), Error);
}

TEST_P(EveryTuner, refuses_what_it_never_proposed_and_what_it_knows) {
  auto tuner = make();
  EXPECT_THROW(tuner->tell(observe(0, "")), Error);
  const auto round = tuner->ask(1);
  ASSERT_EQ(round.size(), 1u);
  EXPECT_THROW(tuner->tell(observe(1, "")), Error);
  tuner->tell(observe(0, round[0]));
  EXPECT_THROW(tuner->tell(observe(0, round[0])), Error);
}

TEST_P(EveryTuner, stays_finished) {
  auto tuner = make(kSmall);
  std::uint32_t proposed = 0;
  for (auto round = tuner->ask(3); !round.empty(); round = tuner->ask(3)) {
    for (const std::string& text : round) tuner->tell(observe(proposed++, text));
    ASSERT_LT(proposed, 2000u);
  }
  EXPECT_TRUE(tuner->ask(3).empty());
  EXPECT_TRUE(tuner->ask(3).empty());
}

TEST_P(EveryTuner, goes_on_or_ends_when_every_trial_fails) {
  auto tuner = make();
  std::uint32_t proposed = 0;
  for (auto round = tuner->ask(10); !round.empty() && proposed < 100; round = tuner->ask(10)) {
    for (std::size_t index = 0; index < round.size(); ++index) {
      Observation failed;
      failed.proposal = proposed++;
      tuner->tell(failed);
    }
  }
  EXPECT_GT(proposed, 0u);
}

INSTANTIATE_TEST_SUITE_P(List, EveryTuner, testing::ValuesIn(all_tuners().begin(), all_tuners().end()),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(TunerList, an_unknown_name_is_refused_with_those_there_are) {
  try {
    find_tuner("best", true);
    FAIL() << "accepted";
  } catch (const Error& failure) {
    EXPECT_EQ(failure.field(), "strategy.name");
    EXPECT_NE(std::string(failure.what()).find("random"), std::string::npos);
  }
}

}  // namespace
}  // namespace ns::worker::tuning
