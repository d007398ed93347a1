#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/kernels/graph/graph_builder.h"

namespace ns::graph {
namespace {

using test::GraphBuilder;

void expect_invalid(const Graph& graph, const std::string& part) {
  try {
    verify(graph);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

GraphBuilder chain() {
  GraphBuilder builder;
  builder.input("x", {1, 2}).node("Relu", {"x"}, {"a"}).node("Abs", {"a"}, {"b"}).output("b");
  return builder;
}

TEST(Graph, a_chain_is_right) { EXPECT_NO_THROW(verify(chain().build())); }

TEST(Graph, names_of_values_are_unique) {
  Graph graph = chain().build();
  EXPECT_THROW(graph.add_value({"a", ElementType::float32, {}, {}}), Error);
  EXPECT_EQ(graph.unused_name("a"), "a_1");
  EXPECT_EQ(graph.unused_name("fresh"), "fresh");
}

TEST(Graph, node_names_are_unique) {
  Graph graph = chain().build();
  graph.nodes[1].name = graph.nodes[0].name;
  expect_invalid(graph, "unique");
}

TEST(Graph, a_value_is_made_once) {
  Graph graph = chain().build();
  graph.nodes[1].outputs = graph.nodes[0].outputs;
  expect_invalid(graph, "made twice");
}

TEST(Graph, producers_come_first_and_sort_puts_them_there) {
  Graph graph = chain().build();
  std::swap(graph.nodes[0], graph.nodes[1]);
  expect_invalid(graph, "neither an input");
  graph.sort();
  EXPECT_NO_THROW(verify(graph));
}

TEST(Graph, a_cycle_cannot_be_sorted) {
  Graph graph = chain().build();
  graph.nodes[0].inputs = graph.nodes[1].outputs;
  EXPECT_THROW(graph.sort(), Error);
}

TEST(Graph, an_output_that_nothing_makes_is_named) {
  Graph graph = chain().build();
  graph.outputs.push_back(graph.add_value({"ghost", ElementType::float32, {}, {}}));
  expect_invalid(graph, "ghost");
}

TEST(Graph, ids_out_of_range_are_found) {
  Graph graph = chain().build();
  graph.nodes[1].inputs[0] = 99;
  expect_invalid(graph, "99");
}

TEST(Graph, constants_hold_what_they_declare) {
  Graph graph = chain().build();
  const ValueId id = graph.add_constant("c", Tensor::scalar<float>(1));
  graph.value(id).type = ElementType::int8;
  expect_invalid(graph, "int8");
}

TEST(Graph, uses_tell_producer_consumers_and_outputs) {
  const Graph graph = chain().build();
  const Graph::Uses uses = graph.uses();
  const auto a = static_cast<std::size_t>(graph.find("a"));
  EXPECT_EQ(uses.producer[a], 0);
  EXPECT_EQ(uses.consumers[a], (std::vector<std::int32_t>{1}));
  EXPECT_FALSE(uses.is_output[a]);
  EXPECT_TRUE(uses.is_output[static_cast<std::size_t>(graph.find("b"))]);
}

TEST(Graph, prune_forgets_what_nothing_mentions) {
  Graph graph = chain().build();
  graph.add_constant("unused", Tensor::scalar<float>(1));
  EXPECT_EQ(graph.prune_values(), 1);
  EXPECT_EQ(graph.find("unused"), kAbsent);
  EXPECT_NO_THROW(verify(graph));
}

// x, c -> If { then: c + x }
Graph with_subgraph() {
  GraphBuilder inner;
  inner.node("Add", {"outer", "x"}, {"sum"}).output("sum");
  GraphBuilder builder;
  builder.input("x", {1}).input("cond", {}, ElementType::boolean).node("Relu", {"x"}, {"outer"});
  builder.node("If", {"cond"}, {"y"}, {{"then_branch", std::make_shared<const Graph>(inner.build())}}).output("y");
  return builder.build();
}

TEST(Graph, what_a_subgraph_captures_counts_as_used) {
  const Graph graph = with_subgraph();
  EXPECT_NO_THROW(verify(graph));
  EXPECT_EQ(captured_names(*subgraphs_of(graph.nodes[1])[0]), (std::vector<std::string>{"outer", "x"}));
  EXPECT_EQ(graph.uses().consumers[static_cast<std::size_t>(graph.find("outer"))], (std::vector<std::int32_t>{1}));
}

TEST(Graph, replacing_a_captured_value_renames_it_inside) {
  Graph graph = with_subgraph();
  graph.replace_uses(graph.find("outer"), graph.find("x"));
  EXPECT_EQ(captured_names(*subgraphs_of(graph.nodes[1])[0]), (std::vector<std::string>{"x"}));
  EXPECT_NO_THROW(verify(graph));
}

TEST(Graph, a_capture_of_nothing_is_invalid) {
  Graph graph = with_subgraph();
  graph.nodes.erase(graph.nodes.begin());
  expect_invalid(graph, "outer");
}

TEST(Node, attributes_of_another_type_are_named) {
  Node node;
  node.name = "n";
  node.op_type = "Conv";
  node.attributes["group"] = std::string("two");
  try {
    node.integer("group", 1);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "node 'n' (Conv): attribute 'group' is a string, wanted an integer");
  }
  EXPECT_EQ(node.integer("missing", 3), 3);
}

TEST(Graph, dump_has_a_line_a_node) {
  const std::string text = dump(chain().build());
  EXPECT_NE(text.find("Relu(x float32[1, 2])"), std::string::npos) << text;
}

}  // namespace
}  // namespace ns::graph
