// The count of arithmetic operations, and the peak that shares are taken of.
#include <gtest/gtest.h>

#include "kernels/runtime/operations.h"
#include "kernels/runtime/peak.h"
#include "tests/kernels/graph/graph_builder.h"

namespace ns::runtime {
namespace {

using test::GraphBuilder;
using test::sample;

double operations(const graph::Graph& graph, const graph::Shape& input) {
  const std::vector<ops::TensorType> types{{graph::ElementType::float32, input}};
  const Resolved resolved(graph, types);
  return operations_of(resolved, graph.nodes.at(0));
}

TEST(Operations, a_convolution_counts_its_window_and_its_channels) {
  const graph::Graph plain = GraphBuilder()
                                 .input("x", {1, 4, 5, 5})
                                 .constant("w", sample({8, 4, 3, 3}))
                                 .node("Conv", {"x", "w"}, {"y"})
                                 .output("y")
                                 .build();
  EXPECT_EQ(operations(plain, {1, 4, 5, 5}), 2.0 * (8 * 3 * 3) * (4 * 3 * 3));
  const graph::Graph depthwise = GraphBuilder()
                                     .input("x", {1, 4, 5, 5})
                                     .constant("w", sample({4, 1, 3, 3}))
                                     .node("Conv", {"x", "w"}, {"y"}, {{"group", std::int64_t{4}}})
                                     .output("y")
                                     .build();
  EXPECT_EQ(operations(depthwise, {1, 4, 5, 5}), 2.0 * (4 * 3 * 3) * (3 * 3));
}

TEST(Operations, a_product_counts_its_inner_size) {
  const graph::Graph matmul = GraphBuilder()
                                  .input("x", {2, 3, 4})
                                  .constant("w", sample({4, 5}))
                                  .node("MatMul", {"x", "w"}, {"y"})
                                  .output("y")
                                  .build();
  EXPECT_EQ(operations(matmul, {2, 3, 4}), 2.0 * 2 * 3 * 4 * 5);
  const graph::Graph gemm = GraphBuilder()
                                .input("x", {4, 3})
                                .constant("w", sample({4, 5}))
                                .node("Gemm", {"x", "w"}, {"y"}, {{"transA", std::int64_t{1}}})
                                .output("y")
                                .build();
  EXPECT_EQ(operations(gemm, {4, 3}), 2.0 * 3 * 4 * 5);
}

TEST(Operations, what_moves_numbers_takes_none_and_the_rest_one_an_element) {
  const auto unary = [](const std::string& type) {
    return GraphBuilder().input("x", {2, 6}).node(type, {"x"}, {"y"}).output("y").build();
  };
  EXPECT_EQ(operations(unary("Transpose"), {2, 6}), 0);
  EXPECT_EQ(operations(unary("Relu"), {2, 6}), 12);
}

TEST(Peak, is_measured) {
  EXPECT_GT(measured_peak(graph::ElementType::float32, 1), 0);
  EXPECT_GT(measured_peak(graph::ElementType::uint8, 1), 0);
}

}  // namespace
}  // namespace ns::runtime
