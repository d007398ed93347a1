#include <gtest/gtest.h>

#include "kernels/quantize/lint.h"
#include "tests/kernels/quantize/graphs.h"

namespace ns::quantize {
namespace {

using graph::Graph;
using namespace testing;  // NOLINT: graphs.h

Graph quantized_pair() {
  const Graph model = Builder()
                          .input("x", {-1, 3, 8, 8})
                          .conv("x", "y", 3, 4)
                          .node("Relu", {"y"}, "r")
                          .conv("r", "z", 4, 4)
                          .output("z")
                          .build();
  return insert(model, calibrated(model), {});
}

std::string reason_for(const Graph& graph, const std::string& node) {
  for (const Finding& finding : lint_qdq(graph)) {
    if (finding.node == node) return finding.reason;
  }
  return "";
}

graph::Tensor& constant(Graph& graph, const std::string& name) { return graph.value(graph.find(name)).constant; }

TEST(Lint, finds_nothing_in_what_we_insert) { EXPECT_TRUE(lint_qdq(quantized_pair()).empty()); }

TEST(Lint, tells_a_relu_that_is_not_redundant) {
  Graph graph = quantized_pair();
  constant(graph, "r_zero_point") = graph::Tensor::scalar(std::uint8_t{10});
  EXPECT_NE(reason_for(graph, "y_node").find("not redundant"), std::string::npos);
}

TEST(Lint, tells_a_bias_scale_that_is_not_the_product) {
  Graph graph = quantized_pair();
  constant(graph, "y_b_scale") = graph::Tensor::from<float>({4}, std::vector<float>(4, 0.5f));
  EXPECT_NE(reason_for(graph, "y_node").find("input scale * weight scale"), std::string::npos);
}

TEST(Lint, tells_a_second_reader_of_the_float_output) {
  Graph graph = quantized_pair();
  graph.outputs.push_back(graph.find("r"));
  EXPECT_NE(reason_for(graph, "y_node").find("graph output"), std::string::npos);
}

TEST(Lint, tells_scales_that_are_no_scales) {
  Graph graph = quantized_pair();
  constant(graph, "x_scale") = graph::Tensor::scalar(0.0f);
  EXPECT_NE(reason_for(graph, "x_QuantizeLinear").find("zero"), std::string::npos);
}

}  // namespace
}  // namespace ns::quantize
