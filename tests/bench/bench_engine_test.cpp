// bench_engine on a model that the test writes; what the figures are is the machine's affair.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/data/dataset.h"
#include "kernels/onnx/onnx.h"
#include "tests/kernels/graph/graph_builder.h"
#include "tests/support/processes.h"

namespace ns {
namespace {

namespace fs = std::filesystem;

class BenchEngine : public testing::Test {
 protected:
  BenchEngine() {
    const fs::path model = folder_.path() / "small";
    fs::create_directory(model);
    graph::Graph graph = test::GraphBuilder()
                             .input("x", {-1, 16})
                             .constant("w", test::sample({16, 4}))
                             .node("MatMul", {"x", "w"}, {"y"})
                             .output("y")
                             .build();
    graph.value(graph.outputs[0]).type = graph::ElementType::float32;
    onnx::write_file(graph, model / "model.onnx");
    data::write_npz(model / "calib.npz", {{"x", test::sample({8, 16})}});
    data::write_npz(model / "eval.npz",
                    {{"x", test::sample({8, 16})}, {"labels", test::integers({0, 1, 2, 3, 0, 1, 2, 3})}});
    std::ofstream(model / "meta.json") << R"({"metric": "top1", "inputs": {"x": {"dtype": "float32"}}})";
  }

  int run(const std::string& options) const {
    const std::string command =
        fmt::format("{}/bench_engine --models {} {} --rounds 2 --budget 10 > {} 2> {}", NS_BENCH_BIN_DIR,
                    folder_.path().string(), options, path("out"), path("err"));
    return WEXITSTATUS(::system(command.c_str()));
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  test::TempFolder folder_;
};

TEST_F(BenchEngine, reports_every_case_of_every_model_in_a_folder) {
  ASSERT_EQ(run("--no-reference --json --accuracy --batch 1 8 32 --threads 1"), 0);
  const auto told = nlohmann::json::parse(std::ifstream(path("out")));
  ASSERT_EQ(told.at("cases").size(), 4u);  // batch 32 is more than the data has
  for (const auto& one : told.at("cases")) EXPECT_GT(one.at("own_ms"), 0) << one;
  EXPECT_TRUE(told.at("cases")[1].contains("int8_speedup"));
  EXPECT_EQ(told.at("instances").size(), 2u);
  EXPECT_EQ(told.at("accuracy").size(), 2u);
  EXPECT_TRUE(told.at("not_loaded").empty());
}

TEST_F(BenchEngine, lists_what_does_not_load_with_the_reason) {
  graph::Graph graph =
      test::GraphBuilder().input("x", {-1, 16}).node("NoSuchOperator", {"x"}, {"y"}).output("y").build();
  graph.value(graph.outputs[0]).type = graph::ElementType::float32;
  onnx::write_file(graph, folder_.path() / "small" / "model.onnx");
  EXPECT_EQ(run("--no-reference --json --batch 1 --threads 1"), 1);
  const auto told = nlohmann::json::parse(std::ifstream(path("out")));
  ASSERT_FALSE(told.at("not_loaded").empty());
  EXPECT_NE(told.at("not_loaded")[0].at("reason").get<std::string>().find("NoSuchOperator"), std::string::npos);
}

TEST_F(BenchEngine, says_how_to_get_the_reference) {
  EXPECT_EQ(run("--reference " + path("none")), 3);
  std::ostringstream said;
  said << std::ifstream(path("err")).rdbuf();
  EXPECT_NE(said.str().find("tests/interop/install"), std::string::npos) << said.str();
  EXPECT_NE(said.str().find("--no-reference"), std::string::npos) << said.str();
}

}  // namespace
}  // namespace ns
