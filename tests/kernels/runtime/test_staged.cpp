// Graphs whose shapes follow from the data, and the operators that run sub-graphs.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <thread>

#include "common/error.h"
#include "kernels/graph/part.h"
#include "kernels/runtime/session.h"
#include "tests/kernels/graph/graph_builder.h"

namespace ns::runtime {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::Shape;
using graph::Tensor;
using test::floats;
using test::GraphBuilder;
using test::integers;
using Integers = std::vector<std::int64_t>;

std::shared_ptr<const Graph> shared(const GraphBuilder& builder) {
  return std::make_shared<const Graph>(builder.build());
}

std::vector<float> numbers(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

Tensor truth(bool value) { return Tensor::scalar<bool>(value); }
Tensor count(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }

// The plan and the plain operators must agree; what they say.
std::vector<Tensor> run(const GraphBuilder& builder, const std::vector<Tensor>& inputs) {
  Session plain(shared(builder), {.threads = 1, .plain = true});
  Session fast(shared(builder), {.threads = 1});
  const std::vector<Tensor> expected = plain.run(inputs);
  std::vector<Tensor> made;
  for (int time = 0; time < 2; ++time) {  // the second run uses what the first kept
    made.clear();
    for (const Tensor& output : fast.run(inputs)) made.push_back(output.clone());
    EXPECT_EQ(made.size(), expected.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      EXPECT_EQ(made[i].shape(), expected[i].shape());
      const std::vector<float> left = numbers(made[i]), right = numbers(expected[i]);
      for (std::size_t k = 0; k < std::min(left.size(), right.size()); ++k)
        EXPECT_NEAR(left[k], right[k], 1e-6 * (1 + std::abs(right[k])));
    }
  }
  return made;
}

TEST(Staged, a_shape_that_is_an_input_is_obeyed_each_time) {
  GraphBuilder builder;
  builder.input("x", {-1}).input("shape", {2}, ElementType::int64);
  builder.node("Reshape", {"x", "shape"}, {"y"}).node("Relu", {"y"}, {"z"}).output("z");
  Session session(shared(builder), {});
  const Tensor x = floats({6}, {-1, 2, 3, -4, 5, 6});
  EXPECT_EQ(session.run(std::array{x, integers({2, 3})})[0].shape(), (Shape{2, 3}));
  const Tensor other = session.run(std::array{x, integers({3, -1})})[0];
  EXPECT_EQ(other.shape(), (Shape{3, 2}));
  EXPECT_EQ(numbers(other), (std::vector<float>{0, 2, 3, 0, 5, 6}));
  EXPECT_THROW(session.run(std::array{x, integers({4, 2})}), Error);
  EXPECT_EQ(session.run(std::array{x, integers({1, 6})})[0].shape(), (Shape{1, 6})) << "an error spoils nothing";
}

TEST(Staged, what_needs_no_data_is_one_part_before_the_cut) {
  GraphBuilder builder;
  builder.input("x", {2, 3}).input("shape", {1}, ElementType::int64);
  builder.node("Relu", {"x"}, {"a"}).node("Reshape", {"a", "shape"}, {"b"}).node("Exp", {"x"}, {"c"});
  builder.node("Sqrt", {"c"}, {"d"}).node("Neg", {"b"}, {"e"}).node("Sum", {"d", "x"}, {"f"});
  builder.output("e").output("f");
  run(builder, {floats({2, 3}, {1, 2, 3, -4, -5, -6}), integers({6})});
}

TEST(Staged, an_input_that_is_an_output_is_a_copy) {
  GraphBuilder builder;
  builder.input("x", {2}).input("shape", {1}, ElementType::int64);
  builder.node("Reshape", {"x", "shape"}, {"y"}).output("y").output("x");
  Session session(shared(builder), {});
  Tensor x = floats({2}, {1, 2});
  const std::vector<Tensor> made = session.run(std::array{x, integers({2})});
  x.values<float>()[0] = 7;
  EXPECT_EQ(numbers(made[1]), (std::vector<float>{1, 2}));
}

GraphBuilder branches() {
  GraphBuilder then, otherwise, builder;
  then.node("Mul", {"x", "weights"}, {"t"}).output("t");
  otherwise.constant("one", floats({1}, {1})).node("Add", {"x", "one"}, {"u"}).node("Neg", {"u"}, {"v"}).output("v");
  builder.input("condition", {}, ElementType::boolean).input("x", {-1}).constant("weights", floats({1}, {3}));
  builder.node("If", {"condition"}, {"y"},
               {{"then_branch", std::make_shared<const Graph>(then.build())},
                {"else_branch", std::make_shared<const Graph>(otherwise.build())}});
  builder.node("Abs", {"y"}, {"z"}).output("z").output("y");
  return builder;
}

TEST(ControlFlow, if_runs_the_branch_that_the_data_says) {
  EXPECT_EQ(numbers(run(branches(), {truth(true), floats({2}, {1, -2})})[1]), (std::vector<float>{3, -6}));
  EXPECT_EQ(numbers(run(branches(), {truth(false), floats({2}, {1, -2})})[0]), (std::vector<float>{2, 1}));
}

TEST(ControlFlow, if_alternates_and_changes_shapes) {
  Session session(shared(branches()), {});
  for (int i = 0; i < 20; ++i) {
    const bool condition = i % 3 == 0;
    std::vector<float> x(static_cast<std::size_t>(1 + i % 5), static_cast<float>(i));
    const Tensor made = session.run(std::array{truth(condition), floats({static_cast<std::int64_t>(x.size())}, x)})[1];
    for (float& value : x) value = condition ? 3 * value : -(value + 1);
    EXPECT_EQ(numbers(made), x);
  }
}

TEST(ControlFlow, sessions_that_share_run_at_once) {
  const Session first(shared(branches()), {});
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      Session session = first.share();
      for (int i = 0; i < 50; ++i) {
        const auto value = static_cast<float>(number * 100 + i);
        const bool condition = (i + number) % 2 == 0;
        const Tensor made = session.run(std::array{truth(condition), floats({1}, {value})})[1];
        EXPECT_EQ(numbers(made), std::vector<float>{condition ? 3 * value : -(value + 1)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// body: total += x[i]; grown = concat(grown, total); goes on while total < 10; collects total
GraphBuilder loop() {
  GraphBuilder body, builder;
  body.input("i", {}, ElementType::int64).input("goes_on_in", {}, ElementType::boolean);
  body.input("total_in", {1}).input("grown_in", {-1});
  body.constant("ten", floats({1}, {10})).constant("none", integers({0}));
  body.node("Gather", {"x", "i"}, {"one"}).node("Add", {"total_in", "one"}, {"total"});
  body.node("Concat", {"grown_in", "total"}, {"grown"}, {{"axis", std::int64_t{0}}});
  body.node("Less", {"total", "ten"}, {"goes"}).node("Squeeze", {"goes", "none"}, {"goes_on"});
  body.node("Identity", {"total"}, {"seen"});
  body.output("goes_on").output("total").output("grown").output("seen");
  builder.input("times", {}, ElementType::int64).input("first", {}, ElementType::boolean).input("x", {-1});
  builder.constant("zero", floats({1}, {0})).constant("nothing", floats({0}, {}));
  builder.node("Loop", {"times", "first", "zero", "nothing"}, {"total_out", "grown_out", "seen_out"},
               {{"body", std::make_shared<const Graph>(body.build())}});
  builder.output("total_out").output("grown_out").output("seen_out");
  return builder;
}

TEST(ControlFlow, loop_carries_collects_and_grows) {
  const Tensor x = floats({5}, {1, 2, 3, 2, 1});
  const std::vector<Tensor> made = run(loop(), {count(4), truth(true), x});
  EXPECT_EQ(numbers(made[0]), std::vector<float>{8});
  EXPECT_EQ(numbers(made[1]), (std::vector<float>{1, 3, 6, 8}));
  EXPECT_EQ(made[2].shape(), (Shape{4, 1}));
  EXPECT_EQ(numbers(made[2]), (std::vector<float>{1, 3, 6, 8}));
}

TEST(ControlFlow, loop_stops_when_its_body_says_so) {
  const std::vector<Tensor> made = run(loop(), {count(100), truth(true), floats({3}, {4, 7, 9})});
  EXPECT_EQ(numbers(made[1]), (std::vector<float>{4, 11}));
}

TEST(ControlFlow, a_loop_of_no_time_gives_what_it_was_given) {
  for (const auto& [times, first] :
       {std::pair{std::int64_t{0}, true}, {std::int64_t{5}, false}, {std::int64_t{-1}, true}}) {
    // "seen" has no declared type, so nobody can say what an empty stack of it is.
    GraphBuilder builder = loop();
    Graph graph = builder.build();
    EXPECT_THROW(
        Session(std::make_shared<const Graph>(graph), {}).run(std::array{count(times), truth(first), floats({1}, {1})}),
        Error);
    graph.nodes[0].outputs.resize(3);
    auto body = std::make_shared<Graph>(*std::get<std::shared_ptr<const Graph>>(graph.nodes[0].attributes["body"]));
    graph::Value& seen = body->value(body->find("seen"));
    seen.type = ElementType::float32;
    seen.shape = {{.size = 1, .name = ""}};
    graph.nodes[0].attributes["body"] = std::shared_ptr<const Graph>(body);
    Session session(std::make_shared<const Graph>(graph), {});
    const std::vector<Tensor> made = session.run(std::array{count(times), truth(first), floats({1}, {1})});
    EXPECT_EQ(numbers(made[0]), std::vector<float>{0});
    EXPECT_EQ(made[1].shape(), Shape{0});
    EXPECT_EQ(made[2].shape(), (Shape{0, 1}));
  }
}

TEST(ControlFlow, an_inner_sub_graph_captures_from_the_outermost) {
  GraphBuilder then, otherwise, body, builder;
  then.node("Add", {"carried_in", "x"}, {"t"}).output("t");
  otherwise.node("Mul", {"carried_in", "weights"}, {"u"}).output("u");
  body.input("i", {}, ElementType::int64).input("goes_on_in", {}, ElementType::boolean).input("carried_in", {-1});
  body.constant("two", count(2)).node("Less", {"i", "two"}, {"early"});
  body.node("If", {"early"}, {"carried"},
            {{"then_branch", std::make_shared<const Graph>(then.build())},
             {"else_branch", std::make_shared<const Graph>(otherwise.build())}});
  body.node("Identity", {"goes_on_in"}, {"goes_on"}).output("goes_on").output("carried");
  builder.input("x", {-1}).constant("times", count(4)).constant("weights", floats({1}, {-2}));
  builder.node("Loop", {"times", "", "x"}, {"y"}, {{"body", std::make_shared<const Graph>(body.build())}});
  builder.output("y");
  // x + x + x, then twice times -2
  EXPECT_EQ(numbers(run(builder, {floats({2}, {1, 5})})[0]), (std::vector<float>{12, 60}));
}

// state += column; collects the state and the column
GraphBuilder scan(Integers axes, Integers directions, Integers output_axes, Integers output_directions) {
  GraphBuilder body, builder;
  body.input("state_in", {2}).input("column", {2});
  body.node("Add", {"state_in", "column"}, {"state"}).node("Identity", {"state"}, {"seen"});
  body.node("Identity", {"column"}, {"same"});
  body.output("state").output("seen").output("same");
  builder.input("start", {2}).input("x", {2, 3});
  builder.node("Scan", {"start", "x"}, {"last", "all", "columns"},
               {{"body", std::make_shared<const Graph>(body.build())},
                {"num_scan_inputs", std::int64_t{1}},
                {"scan_input_axes", std::move(axes)},
                {"scan_input_directions", std::move(directions)},
                {"scan_output_axes", std::move(output_axes)},
                {"scan_output_directions", std::move(output_directions)}});
  builder.output("last").output("all").output("columns");
  return builder;
}

TEST(ControlFlow, scan_runs_along_an_axis) {
  const std::vector<Tensor> inputs{floats({2}, {10, 20}), floats({2, 3}, {1, 2, 3, 4, 5, 6})};
  std::vector<Tensor> made = run(scan({1}, {0}, {1, 0}, {0, 0}), inputs);
  EXPECT_EQ(numbers(made[0]), (std::vector<float>{16, 35}));
  EXPECT_EQ(made[1].shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(made[1]), (std::vector<float>{11, 13, 16, 24, 29, 35}));
  EXPECT_EQ(numbers(made[2]), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(ControlFlow, scan_runs_backward_and_writes_backward) {
  const std::vector<Tensor> inputs{floats({2}, {10, 20}), floats({2, 3}, {1, 2, 3, 4, 5, 6})};
  std::vector<Tensor> made = run(scan({-1}, {1}, {0, 0}, {1, 0}), inputs);
  EXPECT_EQ(numbers(made[1]), (std::vector<float>{16, 35, 15, 31, 13, 26}));
  EXPECT_EQ(numbers(made[2]), (std::vector<float>{3, 6, 2, 5, 1, 4}));
}

void expect_refused(const Graph& graph, const std::vector<Tensor>& inputs, const std::string& word) {
  try {
    Session(std::make_shared<const Graph>(graph), {}).run(inputs);
    FAIL() << "nothing said: " << word;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    EXPECT_NE(error.code(), ErrorCode::internal);
  }
}

TEST(ControlFlow, refuses_what_is_wrong_by_name) {
  const std::vector<Tensor> inputs{truth(true), floats({1}, {1})};
  Graph graph = branches().build();
  graph.nodes[0].attributes.erase("else_branch");
  expect_refused(graph, inputs, "y_node");
  graph.nodes[0].attributes["else_branch"] = std::int64_t{3};
  expect_refused(graph, inputs, "else_branch");
  graph = branches().build();
  graph.nodes[0].outputs.push_back(graph.add_value({"more", ElementType::undefined, {}, {}}));
  expect_refused(graph, inputs, "outputs");

  graph = loop().build();
  graph.nodes[0].inputs.resize(3);
  expect_refused(graph, {count(1), truth(true), floats({1}, {1})}, "inputs");
  graph.nodes[0].inputs.clear();
  expect_refused(graph, {count(1), truth(true), floats({1}, {1})}, "inputs");

  graph = scan({1}, {0}, {0, 0}, {0, 0}).build();
  for (const std::int64_t scanned : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{3}}) {
    graph.nodes[0].attributes["num_scan_inputs"] = scanned;
    expect_refused(graph, {floats({2}, {0, 0}), floats({2, 3}, {1, 2, 3, 4, 5, 6})}, "num_scan_inputs");
  }
  expect_refused(scan({5}, {0}, {0, 0}, {0, 0}).build(), {floats({2}, {0, 0}), floats({2, 3}, {1, 2, 3, 4, 5, 6})},
                 "axis");
}

TEST(ControlFlow, an_unknown_operator_of_a_sub_graph_is_named_before_the_run) {
  GraphBuilder then, builder = branches();
  then.node("Frobnicate", {"x"}, {"t"}).output("t");
  Graph graph = builder.build();
  graph.nodes[0].attributes["then_branch"] = std::make_shared<const Graph>(then.build());
  try {
    Session(std::make_shared<const Graph>(graph), {});
    FAIL() << "nothing said";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("Frobnicate"), std::string::npos);
  }
}

TEST(ControlFlow, the_profile_names_the_node) {
  Session session(shared(branches()), {.threads = 1, .profile = true});
  session.run(std::array{truth(true), floats({1}, {1})});
  const std::vector<StepTime> steps = session.profile();
  EXPECT_TRUE(std::any_of(steps.begin(), steps.end(), [](const StepTime& step) {
    return step.node == "y_node" && step.operation == "If" && step.microseconds > 0;
  }));
}

TEST(Part, takes_what_it_uses_as_inputs) {
  GraphBuilder builder;
  builder.input("x", {2}).constant("w", floats({2}, {1, 2}));
  builder.node("Add", {"x", "w"}, {"a"}).node("Mul", {"a", "x"}, {"b"}).node("Neg", {"b"}, {"c"}).output("c");
  const Graph whole = builder.build();
  const Graph part = graph::part_of(whole, std::array<std::int32_t, 2>{1, 2}, std::array{whole.find("c")});
  ASSERT_EQ(part.inputs.size(), 2U);
  EXPECT_EQ(part.value(part.inputs[0]).name, "a");
  EXPECT_EQ(part.value(part.inputs[1]).name, "x");
  EXPECT_NO_THROW(verify(part));
}

}  // namespace
}  // namespace ns::runtime
