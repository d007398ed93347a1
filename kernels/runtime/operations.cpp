#include "kernels/runtime/operations.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ns::runtime {
namespace {

using graph::Node;
using graph::Shape;

double count(const Shape& shape) { return static_cast<double>(graph::element_count(shape)); }

double product(const Shape& shape, std::size_t first) {
  return count(Shape(shape.begin() + static_cast<std::ptrdiff_t>(std::min(first, shape.size())), shape.end()));
}

constexpr std::array<std::string_view, 27> kMovement{
    "Cast",         "Concat", "Constant",  "ConstantOfShape", "DepthToSpace", "Dropout", "Expand",
    "Flatten",      "Gather", "GatherND",  "GatherElements",  "Identity",     "Pad",     "Reshape",
    "ScatterND",    "Shape",  "Size",      "ScatterElements", "Slice",        "Split",   "Squeeze",
    "SpaceToDepth", "Tile",   "Transpose", "Unsqueeze",       "If",           "Loop"};

constexpr std::array<std::string_view, 8> kProducts{"MatMul",      "Gemm",      "MatMulInteger", "QLinearMatMul",
                                                    "FusedMatMul", "FusedGemm", "QGemm",         "MatMulNBits"};
constexpr std::array<std::string_view, 4> kConvolutions{"Conv", "ConvInteger", "QLinearConv", "FusedConv"};

template <typename List>
bool is_in(const List& list, const Node& node) {
  return std::find(list.begin(), list.end(), node.op_type) != list.end();
}

// The weights of QLinearConv and QLinearMatMul are behind the input's scale and zero point.
std::size_t right_side(const Node& node) { return node.op_type.rfind("QLinear", 0) == 0 ? 3 : 1; }

double of_product(const Resolved& resolved, const Node& node, double results) {
  const Shape& left = resolved.shape(node.inputs[0]);
  if (left.empty()) return 0;
  const bool transposed = node.integer("transA", 0) != 0 && left.size() == 2;
  return 2 * results * static_cast<double>(transposed ? left.front() : left.back());
}

// LSTM, GRU, RNN: the weights of input and state, once a step.
double of_recurrence(const Resolved& resolved, const Node& node) {
  const Shape& input = resolved.shape(node.inputs[0]);
  return 2 * static_cast<double>(input[0] * input[1]) *
         (count(resolved.shape(node.inputs[1])) + count(resolved.shape(node.inputs[2])));
}

double of_window(const Resolved& resolved, const Node& node, double results) {
  double window = 1;
  for (const std::int64_t size : node.integers("kernel_shape")) window *= static_cast<double>(size);
  const bool global = node.op_type.rfind("Global", 0) == 0;
  return global ? count(resolved.shape(node.inputs[0])) : results * window;
}

}  // namespace

double operations_of(const Resolved& resolved, const Node& node) {
  if (node.inputs.empty() || node.outputs.empty() || node.outputs[0] == graph::kAbsent || is_in(kMovement, node))
    return 0;
  const double results = count(resolved.shape(node.outputs[0]));
  if (is_in(kProducts, node)) return of_product(resolved, node, results);
  if (is_in(kConvolutions, node)) return 2 * results * product(resolved.shape(node.inputs[right_side(node)]), 1);
  if (node.is("ConvTranspose")) {
    return 2 * count(resolved.shape(node.inputs[0])) * product(resolved.shape(node.inputs[1]), 1);
  }
  if (node.is("LSTM") || node.is("GRU") || node.is("RNN")) return of_recurrence(resolved, node);
  if (node.op_type.find("Pool") != std::string::npos) return of_window(resolved, node, results);
  if (node.op_type.rfind("Reduce", 0) == 0) return count(resolved.shape(node.inputs[0]));
  return results;
}

}  // namespace ns::runtime
