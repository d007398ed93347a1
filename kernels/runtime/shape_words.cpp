#include "kernels/runtime/shape_words.h"

#include <algorithm>
#include <numeric>

namespace ns::runtime {

using graph::kAbsent;
using graph::Node;
using graph::Shape;
using onednn::Pooling;

namespace {

// Axes of a reduction, as numbers from 0, sorted; none: known only at run time.
std::optional<std::vector<std::int64_t>> reduced_axes(Resolved& resolved, const Node& node, std::size_t rank) {
  std::vector<std::int64_t> axes = node.integers("axes");
  if (node.inputs.size() > 1 && node.inputs[1] != kAbsent) {
    const graph::Tensor* constant = resolved.constant(node.inputs[1]);
    if (constant == nullptr || constant->type() != graph::ElementType::int64) return std::nullopt;
    axes.assign(constant->values<std::int64_t>().begin(), constant->values<std::int64_t>().end());
  }
  for (std::int64_t& axis : axes) {
    if (axis < 0) axis += static_cast<std::int64_t>(rank);
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

bool reduces_space(Resolved& resolved, const Node& node, std::size_t rank) {
  const auto axes = reduced_axes(resolved, node, rank);
  if (!axes || rank < 3 || axes->size() != rank - 2) return false;
  for (std::size_t i = 0; i < axes->size(); ++i) {
    if ((*axes)[i] != static_cast<std::int64_t>(i) + 2) return false;
  }
  return true;
}

}  // namespace

bool is_view(const Node& node) {
  return node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity");
}

std::optional<Pool> pool_of(Resolved& resolved, const Node& node) {
  const bool whole = node.is("GlobalAveragePool") || node.is("GlobalMaxPool") || node.is("ReduceMean");
  if (!whole && !node.is("MaxPool") && !node.is("AveragePool")) return std::nullopt;
  if (node.outputs.size() > 1 && node.outputs[1] != kAbsent) return std::nullopt;
  const Shape& input = resolved.shape(node.inputs[0]);
  if (input.size() < 3 || input.size() > 5) return std::nullopt;
  if (whole) {
    if (node.is("ReduceMean") && !reduces_space(resolved, node, input.size())) return std::nullopt;
    Shape output{input[0], input[1]};
    output.resize(input.size(), 1);
    return Pool{node.is("GlobalMaxPool") ? Pooling::max : Pooling::average_with_padding, whole_window(input), input,
                output};
  }
  const Shape& output = resolved.shape(node.outputs[0]);
  Pool pool{Pooling::max, window_of(node, input, output, node.integers("kernel_shape")), input, output};
  if (node.is("AveragePool")) {
    const bool padding = node.integer("count_include_pad", 0) != 0;
    // With ceil_mode the last window may reach beyond the padding, and only what is inside counts.
    if (padding && node.integer("ceil_mode", 0) != 0) return std::nullopt;
    pool.kind = padding ? Pooling::average_with_padding : Pooling::average_without_padding;
  }
  return pool;
}

}  // namespace ns::runtime
