#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/worker/workbench.h"
#include "worker/tasks/quantize/search.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;

TEST(Criterion, is_met_on_its_edge_and_not_beyond) {
  const Criterion relative{true, 0.01, true}, absolute{false, 0.01, true};
  EXPECT_TRUE(relative.meets(0.98 * 0.99, 0.98));
  EXPECT_FALSE(relative.meets(0.97, 0.98));
  EXPECT_TRUE(absolute.meets(0.97, 0.98));
  EXPECT_FALSE(absolute.meets(0.9699, 0.98));
  const Criterion lower{true, 0.1, false};
  EXPECT_TRUE(lower.meets(1.1, 1.0));
  EXPECT_FALSE(lower.meets(1.2, 1.0));
  EXPECT_TRUE(lower.meets(0.5, 1.0));
  EXPECT_FALSE((Criterion{true, 1, true}.meets(std::nan(""), 0.9)));
}

// How a configuration with these operators in float does.
struct Outcomes {
  double accuracy = 0.98;
  double speedup = 2;
};

class QuantizeSearchTest : public testing::Test {
 protected:
  static json spec() {
    return {{"kind", "quantize"},
            {"model", "sha256:0"},
            {"data", {{"calibration", {{"npz", "sha256:1"}}}, {"evaluation", {{"npz", "sha256:2"}}}}}};
  }

  static FinishedTrial run_trial(std::uint32_t number, const std::string& parameters,
                                 const std::function<Outcomes(std::size_t)>& world,
                                 const std::function<Outcomes(std::size_t)>& at_finish) {
    const json asked = json::parse(parameters);
    const std::string action = asked.at("action");
    json result;
    if (action == "baseline") {
      result["metrics"] = {{"accuracy", 0.98}};
    } else {
      const std::size_t floated = asked.at("float_nodes").size();
      const Outcomes did = action == "try" ? world(floated) : at_finish(floated);
      result["metrics"] = {{"accuracy", did.accuracy},
                           {"speedup", did.speedup},
                           {"throughput", 100 * did.speedup},
                           {"size_bytes", 1000 + 100 * floated}};
      json nodes = json::array(), ranking = json::array();
      for (const char* name : {"a", "b", "c", "d"}) {
        ranking.push_back({{"node", name}});
        nodes.push_back({{"node", name}, {"type", "int8"}});
      }
      result["details"] = {
          {"ranking", ranking},
          {"cost", ranking},
          {"nodes", nodes},
          {"int8_kernels", json::array()},
          {"environment", json::object()},
          {"fp32", {{"accuracy", 0.98}, {"latency_ms", did.speedup}, {"size_bytes", 4000}}},
          {"int8", {{"accuracy", did.accuracy}, {"latency_ms", 1}, {"size_bytes", 1000 + 100 * floated}}}};
      result["artifacts"] = {{"model.onnx", "sha256:m"}};
    }
    return {number, TrialState::succeeded, parameters, result.dump(), {}};
  }

  json search(const json& text, const std::function<Outcomes(std::size_t)>& world,
              std::function<Outcomes(std::size_t)> at_finish = {}) {
    if (!at_finish) at_finish = world;
    QuantizeSearch search(read_quantize_spec(text.dump()));
    asked_.clear();
    std::uint32_t number = 0;
    for (auto round = search.next_round({}); !round.empty(); round = search.next_round({})) {
      std::vector<FinishedTrial> ended;
      for (const std::string& parameters : round) {
        asked_.push_back(json::parse(parameters));
        ended.push_back(run_trial(number++, parameters, world, at_finish));
      }
      for (const FinishedTrial& trial : ended) search.tell(trial);
    }
    return json::parse(search.result(workbench_));
  }

  Workbench workbench_;
  std::vector<json> asked_;
};

TEST_F(QuantizeSearchTest, baseline_try_finish_is_all_that_a_good_model_needs) {
  const json result = search(spec(), [](std::size_t) { return Outcomes{}; });
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0].at("action"), "baseline");
  EXPECT_EQ(asked_[1].at("action"), "try");
  EXPECT_EQ(asked_[1].at("fp32_accuracy"), 0.98);
  EXPECT_EQ(asked_[2].at("action"), "finish");
  EXPECT_TRUE(result.at("met"));
  EXPECT_EQ(result.at("trials"), 3);
  EXPECT_EQ(result.at("best_trial"), 1);
  EXPECT_EQ(result.at("artifacts").at("model.onnx"), "sha256:m");
  EXPECT_TRUE(result.at("artifacts").contains("report.json"));
  EXPECT_EQ(result.at("table").at("rows").size(), 5u);
}

TEST_F(QuantizeSearchTest, a_miss_falls_back_to_the_fewest_in_float) {
  const json result = search(spec(), [](std::size_t floated) { return Outcomes{floated >= 2 ? 0.98 : 0.5, 2}; });
  EXPECT_TRUE(result.at("met"));
  EXPECT_EQ(asked_.back().at("action"), "finish");
  EXPECT_EQ(asked_.back().at("float_nodes"), json({"a", "b"}));
}

TEST_F(QuantizeSearchTest, slower_than_fp32_is_not_handed_over_for_latency) {
  const auto slow = [](std::size_t) { return Outcomes{0.98, 0.7}; };
  const json refused = search(spec(), slow);
  EXPECT_FALSE(refused.at("met"));
  EXPECT_FALSE(refused.at("artifacts").contains("model.onnx"));
  EXPECT_TRUE(refused.at("artifacts").contains("best_seen.onnx"));
  EXPECT_NE(refused.at("summary").get<std::string>().find("slower"), std::string::npos);
  json allowed = spec();
  allowed["allow_slower"] = true;
  EXPECT_TRUE(search(allowed, slow).at("met"));
  json for_size = spec();
  for_size["objective"] = "size";
  EXPECT_TRUE(search(for_size, slow).at("met"));
}

TEST_F(QuantizeSearchTest, what_the_finishing_trial_measures_decides) {
  const json result = search(
      spec(), [](std::size_t) { return Outcomes{}; },
      [](std::size_t) {
        return Outcomes{0.5, 2};
      });
  EXPECT_FALSE(result.at("met"));
}

TEST_F(QuantizeSearchTest, nothing_that_meets_ends_with_the_best_seen) {
  const json result = search(spec(), [](std::size_t floated) {
    return Outcomes{0.5 + 0.01 * static_cast<double>(floated), 2};
  });
  EXPECT_FALSE(result.at("met"));
  EXPECT_EQ(asked_.back().at("float_nodes").size(), 3u);
}

TEST_F(QuantizeSearchTest, keeps_to_max_trials) {
  json few = spec();
  few["stop"] = {{"max_trials", 2}};
  search(few, [](std::size_t) { return Outcomes{0.5, 2}; });
  EXPECT_EQ(asked_.size(), 4u);  // baseline, two tries, finish
}

TEST_F(QuantizeSearchTest, a_baseline_that_fails_fails_the_task_with_its_reason) {
  QuantizeSearch search(read_quantize_spec(spec().dump()));
  search.next_round({});
  try {
    search.tell({0, TrialState::failed, "{}", {}, "no such operator"});
    FAIL() << "went on";
  } catch (const Error& failure) {
    EXPECT_NE(std::string(failure.what()).find("no such operator"), std::string::npos);
  }
}

TEST_F(QuantizeSearchTest, a_try_that_fails_leaves_the_search_standing) {
  QuantizeSearch search(read_quantize_spec(spec().dump()));
  search.next_round({});
  search.tell({0, TrialState::succeeded, "{}", R"({"metrics": {"accuracy": 0.9}})", {}});
  const auto round = search.next_round({});
  ASSERT_EQ(round.size(), 1u);
  search.tell({1, TrialState::failed, round[0], {}, "crashed three times"});
  EXPECT_TRUE(search.next_round({}).empty());
  const json result = json::parse(search.result(workbench_));
  EXPECT_FALSE(result.at("met"));
  EXPECT_NE(result.at("summary").get<std::string>().find("crashed three times"), std::string::npos);
}

}  // namespace
}  // namespace ns::worker::tasks
