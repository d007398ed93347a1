// Sums, means and maxima over neighbouring axes of row-major floats: ReduceSum, ReduceMean, ReduceMax and the global
// pools.
#include <algorithm>

#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/rows.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;

namespace {

struct Reduction {
  RowReduction kind;
  std::size_t outer = 1, length = 1, inner = 1;
};

std::optional<RowReduction> kind_of(const Node& node) {
  if (node.is("ReduceSum")) return RowReduction::sum;
  if (node.is("ReduceMean") || node.is("GlobalAveragePool")) return RowReduction::mean;
  if (node.is("ReduceMax") || node.is("GlobalMaxPool")) return RowReduction::maximum;
  return std::nullopt;
}

bool is_global(const Node& node) { return node.is("GlobalAveragePool") || node.is("GlobalMaxPool"); }

// Sorted and not negative; none: known only at run time, or nothing is reduced.
std::optional<std::vector<std::int64_t>> axes_of(Resolved& resolved, const Node& node, std::int64_t rank) {
  std::vector<std::int64_t> axes = node.integers("axes");
  if (node.inputs.size() > 1 && node.inputs[1] != kAbsent) {
    const Tensor* given = resolved.constant(node.inputs[1]);
    if (given == nullptr || given->type() != ElementType::int64) return std::nullopt;
    axes.assign(given->values<std::int64_t>().begin(), given->values<std::int64_t>().end());
  }
  if (axes.empty()) {
    if (!is_global(node) && node.integer("noop_with_empty_axes", 0) != 0) return std::nullopt;
    for (std::int64_t axis = is_global(node) ? 2 : 0; axis < rank; ++axis) axes.push_back(axis);
  }
  for (std::int64_t& axis : axes) axis += axis < 0 ? rank : 0;
  std::sort(axes.begin(), axes.end());
  return axes;
}

std::optional<Reduction> reduction_of(Resolved& resolved, const Node& node) {
  const auto kind = kind_of(node);
  if (!kind || node.inputs.empty() || resolved.type(node.inputs[0]).element != ElementType::float32) {
    return std::nullopt;
  }
  const Shape& shape = resolved.shape(node.inputs[0]);
  const auto axes = axes_of(resolved, node, static_cast<std::int64_t>(shape.size()));
  if (!axes || axes->empty() || graph::element_count(shape) == 0) return std::nullopt;
  const std::int64_t first = axes->front(), last = axes->back();
  if (last - first + 1 != static_cast<std::int64_t>(axes->size())) return std::nullopt;
  Reduction result{.kind = *kind};
  for (std::int64_t axis = 0; axis < static_cast<std::int64_t>(shape.size()); ++axis) {
    const auto size = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
    (axis < first ? result.outer : axis > last ? result.inner : result.length) *= size;
  }
  return result;
}

}  // namespace

std::optional<Group> reduction(Lowering& lowering, std::int32_t index) {
  const auto found = reduction_of(lowering.resolved(), lowering.node(index));
  if (!found) return std::nullopt;
  Group group;
  group.nodes = {index};
  group.emit = [index, one = *found](Lowering& to) {
    const Node& node = to.node(index);
    // A primitive reads other layouts as they are.
    if (is_global(node) && !to.layout_of(node.inputs[0]).is_row_major()) return false;
    const BufferId source = to.obtain_plain(node.inputs[0]);
    const BufferId target = to.produce(node.outputs[0], to.plain_layout(node.outputs[0]));
    to.add(node.name, node.op_type, loop_step([one](auto in, auto out, void*) {
             reduce_rows(static_cast<const float*>(in[0]), static_cast<float*>(out[0]), one.outer, one.length,
                         one.inner, one.kind);
           }),
           {source}, {target});
    return true;
  };
  return group;
}

}  // namespace ns::runtime
