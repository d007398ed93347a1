// Every task kind of the list keeps these promises, on a small task of its own.
#include "worker/tasks/task_kind.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "common/task_spec.h"
#include "tests/support/shared_folder.h"
#include "tests/worker/workbench.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;

const std::filesystem::path kModels = test::shared_folder(NS_SOURCE_DIR) / "models";

class EveryKind : public testing::TestWithParam<TaskKind> {
 protected:
  void SetUp() override {
    if (GetParam().name == "quantize") {
      const auto folder = kModels / "mnist8";
      if (!std::filesystem::exists(folder / "model.onnx")) GTEST_SKIP() << folder << " is not there";
      spec_ = {{"kind", "quantize"},
               {"model", workbench_.put_file(folder / "model.onnx").text},
               {"data",
                {{"calibration", {{"npz", workbench_.put_file(folder / "calib.npz").text}}},
                 {"evaluation", {{"npz", workbench_.put_file(folder / "eval.npz").text}}}}},
               {"objective", "size"}};
    } else if (GetParam().name == "experiment") {
      const std::string script =
          R"(b='{"type": "FINAL", "sequence": 0, "value": "0.5"}'; printf 'ME%06d%s' ${#b} "$b" >> $NNI_SYS_DIR/.nni/metrics)";
      spec_ = {{"kind", "experiment"},
               {"command", {"/bin/sh", "-c", script}},
               {"search_space", {{"x", {{"_type", "uniform"}, {"_value", {0, 1}}}}}}};
    } else if (GetParam().name == "nothing") {
      spec_ = {{"kind", "nothing"}, {"trials", 3}};
    } else {
      FAIL() << "a new task kind needs a small task here";
    }
    spec_["stop"] = {{"max_trials", 3}};
    spec_["seed"] = 11;
  }

  // Parameters of every trial, in order, and the result.
  std::pair<std::vector<std::string>, json> run() {
    CheckedTask checked = GetParam().check(task_, spec_.dump(), workbench_);
    EXPECT_FALSE(checked.summary.empty());
    auto runner = GetParam().make_runner();
    std::vector<std::string> asked;
    for (auto round = checked.search->next_round({}); !round.empty(); round = checked.search->next_round({})) {
      std::vector<FinishedTrial> ended;
      for (const std::string& parameters : round) {
        const auto number = static_cast<std::uint32_t>(asked.size());
        asked.push_back(parameters);
        const TrialResult result = runner->run({task_, number, 1, spec_.dump(), parameters}, workbench_);
        EXPECT_EQ(result.outcome, Outcome::succeeded) << result.error;
        EXPECT_TRUE(json::parse(result.result).at("metrics").is_object());
        ended.push_back({number, TrialState::succeeded, parameters, result.result, {}});
      }
      for (const FinishedTrial& trial : ended) checked.search->tell(trial);
      EXPECT_GE(checked.search->planned(), 1u);
    }
    return {asked, json::parse(checked.search->result(workbench_))};
  }

  const TaskId task_{"01ARZ3NDEKTSV4RRFFQ69G5FAV"};
  Workbench workbench_;
  json spec_;
};

TEST_P(EveryKind, runs_to_a_result_of_the_agreed_form) {
  const auto [asked, result] = run();
  EXPECT_TRUE(result.at("met").is_boolean());
  EXPECT_FALSE(result.at("summary").get<std::string>().empty());
  EXPECT_EQ(result.at("trials"), asked.size());
  const json& table = result.at("table");
  for (const json& row : table.at("rows")) {
    EXPECT_EQ(row.size(), table.at("columns").size());
    for (const json& cell : row) EXPECT_TRUE(cell.is_string());
  }
  for (const auto& [name, artifact] : result.at("artifacts").items()) {
    EXPECT_TRUE(is_artifact_id(artifact.get<std::string>())) << name;
    EXPECT_NO_THROW(workbench_.artifact({artifact.get<std::string>()})) << name;
  }
}

TEST_P(EveryKind, proposes_the_same_again) { EXPECT_EQ(run().first, run().first); }

TEST_P(EveryKind, time_up_ends_it_with_an_honest_result) {
  CheckedTask checked = GetParam().check(task_, spec_.dump(), workbench_);
  auto runner = GetParam().make_runner();
  std::uint32_t number = 0;
  for (auto round = checked.search->next_round("time is up"); !round.empty();
       round = checked.search->next_round("time is up")) {
    ASSERT_LT(number, 3u);
    for (const std::string& parameters : round) {
      const TrialResult result = runner->run({task_, number, 1, spec_.dump(), parameters}, workbench_);
      checked.search->tell({number++, TrialState::succeeded, parameters, result.result, {}});
    }
  }
  EXPECT_FALSE(json::parse(checked.search->result(workbench_)).at("met"));
}

TEST_P(EveryKind, refuses_a_spec_that_is_none) {
  for (const char* text : {"", "[]", "{}", "{\"kind\": 3}"}) {
    EXPECT_THROW(GetParam().check(task_, text, workbench_), Error) << text;
    EXPECT_THROW(GetParam().make_runner()->run({task_, 0, 1, text, "{}"}, workbench_), Error) << text;
  }
}

TEST_P(EveryKind, refuses_a_strategy_that_is_none) {
  spec_["strategy"] = {{"name", "no such tuner"}};
  try {
    GetParam().check(task_, spec_.dump(), workbench_);
    FAIL() << "accepted";
  } catch (const Error& failure) {
    EXPECT_EQ(failure.field(), "strategy.name");
  }
}

INSTANTIATE_TEST_SUITE_P(List, EveryKind, testing::ValuesIn(all_kinds().begin(), all_kinds().end()),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace ns::worker::tasks
