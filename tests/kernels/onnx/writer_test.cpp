#include <gtest/gtest.h>

#include <filesystem>

#include "kernels/onnx/onnx.h"
#include "tests/kernels/graph/graph_builder.h"
#include "tests/support/shared_folder.h"

namespace ns::onnx {
namespace {

namespace fs = std::filesystem;
using graph::Graph;
using test::GraphBuilder;

Graph rich_graph() {
  GraphBuilder inner;
  inner.node("Relu", {"x"}, {"r"}).output("r");
  GraphBuilder builder(17);
  builder.input("x", {-1, 3, 8, 8}).input("cond", {}, graph::ElementType::boolean);
  builder.constant("w", test::sample({4, 3, 3, 3})).constant("empty", graph::Tensor(graph::ElementType::float32, {0}));
  builder.node("Conv", {"x", "w", ""}, {"c"},
               {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}, {"auto_pad", std::string("NOTSET")}});
  builder.node("If", {"cond"}, {"y"}, {{"then_branch", std::make_shared<const Graph>(inner.build())}});
  builder.node("Scale", {"c"}, {"z"},
               {{"alpha", 0.5f},
                {"list", std::vector<float>{1, 2}},
                {"names", std::vector<std::string>{"a", "b"}},
                {"value", graph::Tensor::scalar<std::int64_t>(3)}});
  builder.output("z").output("y");
  Graph graph = builder.build();
  graph.nodes[2].domain = "com.example";
  graph.opsets["com.example"] = 1;
  graph.producer = "test";
  return graph;
}

TEST(Writer, what_is_written_reads_back_equal) {
  const Graph graph = rich_graph();
  const Graph back = read_bytes(write_bytes(graph));
  EXPECT_TRUE(equal(graph, back)) << dump(graph) << dump(back);
}

// Two elements a byte in the file, one a byte in memory; the last byte of an odd count is half used.
TEST(Writer, integers_of_4_bits_are_packed_and_come_back) {
  for (const graph::ElementType type : {graph::ElementType::int4, graph::ElementType::uint4}) {
    graph::Tensor tensor(type, {3});
    auto* elements = static_cast<std::int8_t*>(tensor.bytes());
    elements[0] = type == graph::ElementType::int4 ? -8 : 15;
    elements[1] = 7;
    elements[2] = type == graph::ElementType::int4 ? -1 : 9;
    GraphBuilder builder(21);
    builder.constant("w", tensor).node("Identity", {"w"}, {"y"}).output("y");
    Graph graph = builder.build();
    graph.ir_version = 10;
    EXPECT_TRUE(equal(graph, read_bytes(write_bytes(graph))));
  }
}

TEST(Writer, equal_graphs_give_equal_bytes) {
  const std::string bytes = write_bytes(rich_graph());
  EXPECT_EQ(bytes, write_bytes(rich_graph()));
  EXPECT_EQ(bytes, write_bytes(read_bytes(bytes)));
}

TEST(Writer, symbolic_sizes_keep_their_names) {
  const Graph back = read_bytes(write_bytes(rich_graph()));
  EXPECT_EQ(back.value(back.inputs[0]).shape->at(0).name, "N");
}

TEST(Writer, ir_version_is_raised_to_what_the_opset_needs) {
  Graph graph = rich_graph();
  graph.ir_version = 3;
  EXPECT_EQ(read_bytes(write_bytes(graph)).ir_version, 8);
  graph.opsets[""] = 21;
  EXPECT_EQ(read_bytes(write_bytes(graph)).ir_version, 10);
}

TEST(Writer, a_file_appears_whole_or_not_at_all) {
  std::string pattern = (fs::temp_directory_path() / "ns-writer-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const fs::path folder = pattern;
  write_file(rich_graph(), folder / "model.onnx");
  EXPECT_TRUE(equal(read_file(folder / "model.onnx"), rich_graph()));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
  EXPECT_THROW(write_file(rich_graph(), folder / "missing" / "model.onnx"), Error);
  fs::remove_all(folder);
}

TEST(Writer, real_models_survive_a_round_trip) {
  const fs::path models = test::shared_folder(NS_SOURCE_DIR) / "models";
  if (!fs::exists(models)) GTEST_SKIP() << models << " is not there";
  for (const auto& entry : fs::directory_iterator(models)) {
    if (!fs::exists(entry.path() / "model.onnx")) continue;
    Graph graph = read_file(entry.path() / "model.onnx");
    const std::string bytes = write_bytes(graph);
    const Graph back = read_bytes(bytes);
    graph.ir_version = back.ir_version;
    EXPECT_TRUE(equal(graph, back)) << entry.path();
    EXPECT_EQ(write_bytes(back), bytes) << entry.path();
  }
}

}  // namespace
}  // namespace ns::onnx
