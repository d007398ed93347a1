// ns-worker inspect, run, benchmark and evaluate: the real program on small models, with good and with bad input.
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
using graph::Tensor;

struct Finished {
  int status;
  std::string out, err;
  nlohmann::json json() const { return nlohmann::json::parse(out); }
  bool says(const std::string& part) const { return err.find(part) != std::string::npos; }
};

class Verbs : public testing::Test {
 protected:
  // y = relu(x * identity): the largest of x wins.
  Verbs() {
    write("model.onnx", test::GraphBuilder()
                            .input("x", {-1, 3})
                            .constant("w", test::floats({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}))
                            .node("MatMul", {"x", "w"}, {"z"})
                            .node("Relu", {"z"}, {"y"})
                            .output("y"));
    write("unknown.onnx", test::GraphBuilder().input("x", {1, 3}).node("NoSuchOperator", {"x"}, {"y"}).output("y"));
    write("open.onnx", test::GraphBuilder().input("x", {-1, 3, -1}).node("Relu", {"x"}, {"y"}).output("y"));
    std::ofstream(path("damaged.onnx")) << "not a model";
    arrays_["x"] = test::floats({4, 3}, {3, 1, 2, 1, 3, 2, 1, 2, 3, 3, -2, 1});
    arrays_["labels"] = test::integers({0, 1, 2, 1});
    data::write_npz(path("data.npz"), arrays_);
  }

  void write(const std::string& name, const test::GraphBuilder& builder) {
    graph::Graph graph = builder.build();
    for (const graph::ValueId id : graph.outputs) graph.value(id).type = graph::ElementType::float32;
    onnx::write_file(graph, path(name));
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  // Words that name a file of the folder are written with '@' before them.
  Finished call(const std::string& words) const {
    std::string command = std::string(NS_BIN_DIR) + "/ns-worker";
    std::istringstream stream(words);
    for (std::string word; stream >> word;) command += " '" + (word[0] == '@' ? path(word.substr(1)) : word) + "'";
    command += fmt::format(" > {} 2> {}", path("out"), path("err"));
    const int status = ::system(command.c_str());
    return {WEXITSTATUS(status), text("out"), text("err")};
  }

  std::string text(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }

  test::TempFolder folder_;
  std::map<std::string, Tensor> arrays_;
};

TEST_F(Verbs, inspect_tells_what_a_model_is_made_of) {
  const Finished told = call("inspect @model.onnx --json");
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_EQ(told.json().at("operators"), (nlohmann::json{{"MatMul", 1}, {"Relu", 1}}));
  EXPECT_EQ(told.json().at("parameters"), 9);
  EXPECT_EQ(told.json().at("flops"), 2 * 9 + 3);
  EXPECT_EQ(told.json().at("quantizable")[0].at("node"), "z_node");
  EXPECT_EQ(told.json().at("inputs")[0].at("shape"), (nlohmann::json{"N", 3}));
  EXPECT_TRUE(told.json().at("unsupported").empty());
  EXPECT_EQ(call("inspect @model.onnx --json --shape x=10x3").json().at("flops"), 10 * (2 * 9 + 3));
  const Finished text = call("inspect @model.onnx");
  EXPECT_NE(text.out.find("parameters: 9"), std::string::npos) << text.out;
}

TEST_F(Verbs, inspect_lists_what_is_unsupported_and_where) {
  const Finished told = call("inspect @unknown.onnx --json");
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_EQ(told.json().at("unsupported")[0].at("operator"), "NoSuchOperator");
  EXPECT_EQ(told.json().at("unsupported")[0].at("node"), "y_node");
  EXPECT_TRUE(told.json().at("flops").is_null());
}

TEST_F(Verbs, inspect_says_which_shape_it_wants) {
  const Finished told = call("inspect @open.onnx --json");
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_NE(told.json().at("flops_unknown").get<std::string>().find("--shape x="), std::string::npos);
  EXPECT_EQ(call("inspect @open.onnx --json --shape x=2x3x5").json().at("flops"), 30);
  const Finished unfit = call("inspect @open.onnx --shape x=2x4x5");
  EXPECT_EQ(unfit.status, 2);
  EXPECT_TRUE(unfit.says("[N, 3, N]")) << unfit.err;
  const Finished malformed = call("inspect @open.onnx --shape x");
  EXPECT_EQ(malformed.status, 2);
  EXPECT_TRUE(malformed.says("NAME=1x3x224x224")) << malformed.err;
}

TEST_F(Verbs, run_writes_the_outputs) {
  for (const char* how : {"", " --plain", " --threads 2"}) {
    const Finished told = call(std::string("run @model.onnx --input @data.npz --output @out.npz --json") + how);
    ASSERT_EQ(told.status, 0) << told.err;
    EXPECT_EQ(told.json().at("outputs")[0].at("shape"), (nlohmann::json{4, 3}));
    const auto written = data::read_npz(path("out.npz"));
    EXPECT_TRUE(graph::equal(written.at("y"), test::floats({4, 3}, {3, 1, 2, 1, 3, 2, 1, 2, 3, 3, 0, 1})));
  }
}

TEST_F(Verbs, run_names_what_is_missing_or_unfit) {
  data::write_npz(path("other.npz"), {{"z", test::floats({1, 3}, {1, 2, 3})}});
  const Finished missing = call("run @model.onnx --input @other.npz --output @out.npz");
  EXPECT_EQ(missing.status, 2);
  EXPECT_TRUE(missing.says("no array 'x'") && missing.says("arrays: z")) << missing.err;
  data::write_npz(path("other.npz"), {{"x", test::floats({1, 2}, {1, 2})}});
  const Finished unfit = call("run @model.onnx --input @other.npz --output @out.npz");
  EXPECT_EQ(unfit.status, 2);
  EXPECT_TRUE(unfit.says("[1, 2]") && unfit.says("[N, 3]")) << unfit.err;
}

TEST_F(Verbs, benchmark_measures) {
  const Finished told = call("benchmark @model.onnx --seconds 0.05 --batch 2 --instances 2 --profile --json");
  ASSERT_EQ(told.status, 0) << told.err;
  const nlohmann::json figures = told.json();
  EXPECT_LE(figures.at("latency_ms").at("min"), figures.at("latency_ms").at("p50"));
  EXPECT_LE(figures.at("latency_ms").at("p50"), figures.at("latency_ms").at("p90"));
  EXPECT_LE(figures.at("latency_ms").at("p90"), figures.at("latency_ms").at("p99"));
  EXPECT_GT(figures.at("runs"), 0);
  EXPECT_GT(figures.at("samples_per_second"), 0);
  EXPECT_GT(figures.at("peak_memory_bytes"), 0);
  EXPECT_FALSE(figures.at("profile").at("nodes").empty());
  EXPECT_FALSE(figures.at("profile").at("groups").empty());
  const Finished text = call("benchmark @model.onnx --data @data.npz --seconds 0.05 --threads 2 --profile");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("p99"), std::string::npos) << text.out;
}

TEST_F(Verbs, benchmark_refuses_more_than_the_data_has) {
  const Finished told = call("benchmark @model.onnx --data @data.npz --batch 5 --seconds 0.01");
  EXPECT_EQ(told.status, 2);
  EXPECT_TRUE(told.says("--batch 5") && told.says("at most 4")) << told.err;
  const Finished open = call("benchmark @open.onnx --seconds 0.01");
  EXPECT_EQ(open.status, 2);
  EXPECT_TRUE(open.says("--shape x=")) << open.err;
}

TEST_F(Verbs, evaluate_measures_accuracy) {
  const Finished told = call("evaluate @model.onnx --data @data.npz --json");
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_EQ(told.json().at("metric"), "top1");
  EXPECT_EQ(told.json().at("value"), 0.75);
  EXPECT_EQ(told.json().at("samples"), 4);
}

TEST_F(Verbs, evaluate_names_what_is_wrong) {
  const Finished metric = call("evaluate @model.onnx --data @data.npz --metric best");
  EXPECT_EQ(metric.status, 2);
  EXPECT_TRUE(metric.says("\"best\"") && metric.says("top1")) << metric.err;
  const Finished labels = call("evaluate @model.onnx --data @data.npz --labels truth");
  EXPECT_EQ(labels.status, 2);
  EXPECT_TRUE(labels.says("'truth'") && labels.says("labels")) << labels.err;
  const Finished input = call("evaluate @model.onnx --data @data.npz --mean image=3");
  EXPECT_EQ(input.status, 2);
  EXPECT_TRUE(input.says("no input 'image'") && input.says("x")) << input.err;
}

TEST_F(Verbs, every_verb_teaches_and_refuses_what_is_no_model) {
  for (const std::string verb : {"inspect", "run", "benchmark", "evaluate"}) {
    const Finished help = call(verb + " --help");
    EXPECT_EQ(help.status, 0);
    EXPECT_NE(help.out.find("MODEL"), std::string::npos) << help.out;
    EXPECT_EQ(call(verb).status, 2) << verb;
    EXPECT_EQ(call(verb + " --no-such-option").status, 2) << verb;
    const std::string more = verb == "run"        ? " --input @data.npz --output @out.npz"
                             : verb == "evaluate" ? " --data @data.npz"
                                                  : "";
    const Finished none = call(verb + " @none.onnx" + more);
    EXPECT_EQ(none.status, 2) << none.err;
    EXPECT_TRUE(none.says("none.onnx")) << none.err;
    EXPECT_EQ(call(verb + " @damaged.onnx" + more).status, 2) << verb;
    if (verb == "inspect") continue;
    const Finished unknown = call(verb + " @unknown.onnx" + more);
    EXPECT_EQ(unknown.status, 2);
    EXPECT_TRUE(unknown.says("NoSuchOperator")) << unknown.err;
  }
}

TEST_F(Verbs, without_one_it_serves) {
  const Finished told = call("");
  EXPECT_EQ(told.status, 2);
  EXPECT_TRUE(told.says("--broker")) << told.err;
  EXPECT_NE(call("--help").out.find("ns-worker inspect"), std::string::npos);
}

}  // namespace
}  // namespace ns
