// onnx_backend over suites that the test writes, and over the official tests where they are.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/onnx/onnx.h"
#include "kernels/onnx/tensor_bytes.h"
#include "tests/conformance/isolated.h"
#include "tests/conformance/suite.h"
#include "tests/support/processes.h"
#include "tests/support/shared_folder.h"

namespace ns::conformance {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

constexpr int kSeconds = 30;

TEST(Isolation, an_item_that_crashes_costs_only_itself) {
  const auto answers = run_isolated(
      4, kSeconds,
      [](std::size_t item) {
        if (item == 1) ::abort();
        if (item == 2) ::_exit(3);
        return fmt::format("did {}", item);
      },
      [](const std::string& reason) { return reason; });
  EXPECT_EQ(answers,
            (std::vector<std::string>{"did 0", "it crashed: Aborted", "it ended the process with status 3", "did 3"}));
}

TEST(Isolation, an_item_that_takes_too_long_is_given_up) {
  const auto answers = run_isolated(
      2, 1,
      [](std::size_t item) {
        while (item == 0) ::usleep(1000);
        return std::string("done");
      },
      [](const std::string& reason) { return reason; });
  EXPECT_EQ(answers, (std::vector<std::string>{"it took longer than 1 seconds", "done"}));
}

TEST(Comparison, follows_the_official_rule) {
  const auto tensor = [](std::vector<float> values) {
    return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, std::span<const float>(values));
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  const auto agree = [&](std::vector<float> a, std::vector<float> b) {
    return difference(tensor(std::move(a)), tensor(std::move(b)), {}).empty();
  };
  EXPECT_TRUE(agree({1.0009f, kNan, kInfinity}, {1, kNan, kInfinity}));
  EXPECT_FALSE(agree({1.002f}, {1}));
  EXPECT_FALSE(agree({1e-6f}, {0}));
  EXPECT_FALSE(agree({1}, {kInfinity}));
  EXPECT_FALSE(agree({-kInfinity}, {kInfinity}));
  EXPECT_FALSE(agree({1}, {kNan}));
  EXPECT_FALSE(agree({kNan}, {1}));
  EXPECT_FALSE(agree({1, 1}, {1}));
  EXPECT_FALSE(difference(Tensor::scalar(1.0f), Tensor::scalar(1.0), {}).empty());
  EXPECT_FALSE(difference(Tensor::scalar(std::uint8_t{200}), Tensor::scalar(std::uint8_t{201}), {1, 1}).empty());
}

// A suite of models with one node, one input and one output.
class Suite {
 public:
  Suite() { index_ << "test\tcategory\ttier\top_under_test\trtol\tatol\tdisputed\n"; }

  void add(const std::string& test, const std::string& operation, float input, float expected,
           const std::string& disputed = "-") {
    const fs::path folder = folder_.path() / "node" / test;
    fs::create_directories(folder / "test_data_set_0");
    onnx::write_file(model(operation), folder / "model.onnx");
    write(Tensor::from<float>({1}, std::span(&input, 1)), folder / "test_data_set_0/input_0.pb");
    write(Tensor::from<float>({1}, std::span(&expected, 1)), folder / "test_data_set_0/output_0.pb");
    index_ << fmt::format("{}\tnode\t1\t{}\t1e-3\t1e-7\t{}\n", test, operation, disputed);
  }

  nlohmann::json run(const std::string& options, int& status) {
    std::ofstream(folder_.path() / "index.tsv") << index_.str();
    const fs::path out = folder_.path() / "out.json";
    const std::string command = fmt::format("{}/onnx_backend {} {} --json {} > {}", NS_BIN_DIR, folder_.path().string(),
                                            (folder_.path() / "index.tsv").string(), options, out.string());
    status = WEXITSTATUS(::system(command.c_str()));
    return nlohmann::json::parse(std::ifstream(out));
  }

 private:
  static graph::Graph model(const std::string& operation) {
    graph::Graph graph;
    graph.name = "one";
    graph.opsets[""] = 13;
    graph::Value input, output;
    input.name = "x";
    output.name = "y";
    input.type = output.type = graph::ElementType::float32;
    input.shape = output.shape = {{1, ""}};
    graph.inputs = {graph.add_value(input)};
    graph.outputs = {graph.add_value(output)};
    graph::Node node;
    node.name = "only";
    node.op_type = operation;
    node.inputs = graph.inputs;
    node.outputs = graph.outputs;
    graph.nodes.push_back(node);
    return graph;
  }

  static void write(const Tensor& tensor, const fs::path& path) {
    onnx_schema::TensorProto proto;
    onnx::write_tensor(tensor, proto);
    std::ofstream file(path, std::ios::binary);
    proto.SerializeToOstream(&file);
  }

  test::TempFolder folder_;
  std::ostringstream index_;
};

TEST(OnnxBackend, counts_passed_failed_and_skipped) {
  Suite suite;
  suite.add("right", "Abs", -2, 2);
  suite.add("wrong", "Abs", -2, 3);
  suite.add("unknown", "NoSuchOperator", -2, 2);
  suite.add("doubtful", "Neg", 2, 2, "wrong: it says so");
  int status = -1;
  const nlohmann::json told = suite.run("", status);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(told.at("tiers").at("1"), (nlohmann::json{{"passed", 1}, {"failed", 1}, {"skipped", 1}}));
  EXPECT_EQ(told.at("operators").at("Abs"), (nlohmann::json{{"passed", 1}, {"failed", 1}, {"skipped", 0}}));
  EXPECT_EQ(told.at("tests")[1].at("reason"), "plain: output 0: element 0: 2, expected 3");
  EXPECT_NE(told.at("tests")[2].at("reason").get<std::string>().find("NoSuchOperator"), std::string::npos);
  EXPECT_EQ(told.at("tests")[3].at("outcome"), "failed");
}

TEST(OnnxBackend, ends_well_when_none_failed) {
  Suite suite;
  suite.add("near", "Abs", -2, 2.000001f);
  int status = -1;
  EXPECT_EQ(suite.run("--fast", status).at("tiers").at("1").at("passed"), 1);
  EXPECT_EQ(status, 0);
}

// The plain operators of whole topologies take minutes under a sanitizer; BackendSuite runs every one of them there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::string_view kWays = "--fast";
#else
constexpr std::string_view kWays = "";
#endif

void official(const std::string& archive, const std::string& index, const std::string& root) {
  const fs::path suite = test::shared_folder(NS_SOURCE_DIR) / "onnx-backend-tests";
  if (!fs::exists(suite / archive)) GTEST_SKIP() << suite / archive << " is not there";
  const test::TempFolder folder;
  unpack(suite / archive, folder.path());
  const fs::path out = folder.path() / "out.json";
  const std::string command = fmt::format("{}/onnx_backend {} {} {} --seconds 900 --json > {}", NS_BIN_DIR, kWays,
                                          (folder.path() / root).string(), (suite / index).string(), out.string());
  EXPECT_EQ(WEXITSTATUS(::system(command.c_str())), 0);
  const nlohmann::json told = nlohmann::json::parse(std::ifstream(out));
  for (const auto& [tier, counts] : told.at("tiers").items()) fmt::print("tier {}: {}\n", tier, counts.dump());
  EXPECT_GT(told.at("tiers").at("1").at("passed").get<int>(), 100) << "nearly nothing ran: is the suite whole?";
  for (const auto& one : told.at("tests")) {
    if (one.at("counted").get<bool>() && one.at("outcome") == "failed") ADD_FAILURE() << one.dump();
  }
}

TEST(OnnxBackend, passes_the_official_tests) { official("tests.tar.zst", "index.tsv", "onnx-backend-tests"); }

TEST(OnnxBackend, passes_the_official_tests_of_older_operator_versions) {
  official("tests-older-opsets.tar.zst", "index-older-opsets.tsv", "onnx-backend-tests-older-opsets");
}

}  // namespace
}  // namespace ns::conformance
