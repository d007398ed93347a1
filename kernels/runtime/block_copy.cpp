#include "kernels/runtime/block_copy.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using Integers = std::vector<std::int64_t>;

namespace {

// A constant list that is an input of newer operators and an attribute of older ones; none: known only at run time.
std::optional<Integers> list_of(Resolved& resolved, const Node& node, std::size_t input, const char* attribute,
                                Integers fallback) {
  if (node.inputs.size() <= input || node.inputs[input] == kAbsent)
    return node.integers(attribute, std::move(fallback));
  const graph::Tensor* constant = resolved.constant(node.inputs[input]);
  if (constant == nullptr) return std::nullopt;
  Integers result;
  if (constant->type() == ElementType::int64) {
    for (const std::int64_t one : constant->values<std::int64_t>()) result.push_back(one);
  } else if (constant->type() == ElementType::int32) {
    for (const std::int32_t one : constant->values<std::int32_t>()) result.push_back(one);
  } else {
    return std::nullopt;
  }
  return result;
}

Region whole(const Shape& shape) {
  return {.from = Integers(shape.size(), 0),
          .step = Integers(shape.size(), 1),
          .to = Integers(shape.size(), 0),
          .count = shape};
}

std::optional<Region> slice_region(Resolved& resolved, const Node& node, const Shape& input, const Shape& output) {
  const auto starts = list_of(resolved, node, 1, "starts", {});
  if (!starts) return std::nullopt;
  Integers all(starts->size());
  std::iota(all.begin(), all.end(), 0);
  const auto axes = list_of(resolved, node, 3, "axes", all);
  const auto steps = list_of(resolved, node, 4, "steps", Integers(starts->size(), 1));
  if (!axes || !steps || axes->size() != starts->size() || steps->size() != starts->size()) return std::nullopt;
  Region region = whole(input);
  region.count = output;
  for (std::size_t i = 0; i < axes->size(); ++i) {
    const auto rank = static_cast<std::int64_t>(input.size());
    const auto axis = static_cast<std::size_t>((*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i]);
    const std::int64_t start = (*starts)[i] < 0 ? (*starts)[i] + input[axis] : (*starts)[i];
    if ((*steps)[i] <= 0) return std::nullopt;
    region.from[axis] = std::clamp<std::int64_t>(start, 0, input[axis]);
    region.step[axis] = (*steps)[i];
  }
  return region;
}

std::optional<Region> pad_region(Resolved& resolved, const Node& node, const Shape& input) {
  if (node.text("mode", "constant") != "constant" || node.inputs.size() > 3) return std::nullopt;
  const auto pads = list_of(resolved, node, 1, "pads", {});
  if (!pads || pads->size() != 2 * input.size()) return std::nullopt;
  Region region = whole(input);
  for (std::size_t axis = 0; axis < input.size(); ++axis) {
    const std::int64_t begin = (*pads)[axis], end = (*pads)[axis + input.size()];
    // Negative padding cuts off.
    region.from[axis] = std::max<std::int64_t>(0, -begin);
    region.to[axis] = std::max<std::int64_t>(0, begin);
    region.count[axis] = input[axis] - region.from[axis] - std::max<std::int64_t>(0, -end);
    if (region.count[axis] < 0) return std::nullopt;
  }
  return region;
}

// Axes from the outermost in memory to the innermost.
std::vector<std::size_t> memory_order(std::size_t rank, bool channels_last) {
  std::vector<std::size_t> order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (channels_last) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

std::vector<std::size_t> byte_strides(const Shape& shape, const std::vector<std::size_t>& order, std::size_t element) {
  std::vector<std::size_t> strides(shape.size());
  std::size_t stride = element;
  for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
    strides[*axis] = stride;
    stride *= static_cast<std::size_t>(shape[*axis]);
  }
  return strides;
}

void copy_axes(const BlockCopy& copy, std::size_t axis, const std::byte* source, std::byte* target) {
  if (axis == copy.axes.size()) {
    std::memcpy(target, source, copy.run_bytes);
    return;
  }
  const BlockCopy::Axis& one = copy.axes[axis];
  for (std::size_t i = 0; i < one.count; ++i, source += one.from_stride, target += one.to_stride) {
    copy_axes(copy, axis + 1, source, target);
  }
}

}  // namespace

std::optional<Region> region_of(Resolved& resolved, const Node& node) {
  const bool slice = node.is("Slice");
  if (!slice && !node.is("Pad")) return std::nullopt;
  const Shape& input = resolved.shape(node.inputs[0]);
  const Shape& output = resolved.shape(node.outputs[0]);
  if (input.empty() || graph::element_count(input) == 0 || graph::element_count(output) == 0) return std::nullopt;
  return slice ? slice_region(resolved, node, input, output) : pad_region(resolved, node, input);
}

BlockCopy block_copy(const Region& region, const Shape& from, const Shape& to, bool channels_last,
                     std::vector<std::byte> fill) {
  const std::size_t element = fill.size();
  const std::vector<std::size_t> order = memory_order(from.size(), channels_last);
  const std::vector<std::size_t> from_strides = byte_strides(from, order, element);
  const std::vector<std::size_t> to_strides = byte_strides(to, order, element);
  BlockCopy copy;
  copy.run_bytes = element;
  copy.to_bytes = static_cast<std::size_t>(graph::element_count(to)) * element;
  for (const std::size_t axis : order) {
    copy.from += static_cast<std::size_t>(region.from[axis]) * from_strides[axis];
    copy.to += static_cast<std::size_t>(region.to[axis]) * to_strides[axis];
    const auto count = static_cast<std::size_t>(region.count[axis]);
    if (count == 1) continue;
    copy.axes.push_back({count, from_strides[axis] * static_cast<std::size_t>(region.step[axis]), to_strides[axis]});
  }
  // Innermost axes that lie closely on both sides are one run.
  while (!copy.axes.empty() && copy.axes.back().from_stride == copy.run_bytes &&
         copy.axes.back().to_stride == copy.run_bytes) {
    copy.run_bytes *= copy.axes.back().count;
    copy.axes.pop_back();
  }
  if (graph::element_count(region.count) != graph::element_count(to)) copy.fill = std::move(fill);
  return copy;
}

void BlockCopy::run(const void* source, void* target) const {
  auto* start = static_cast<std::byte*>(target);
  if (fill.size() == 1) {
    std::memset(start, static_cast<int>(fill[0]), to_bytes);
  } else if (!fill.empty()) {
    for (std::size_t at = 0; at < to_bytes; at += fill.size()) std::memcpy(start + at, fill.data(), fill.size());
  }
  if (std::any_of(axes.begin(), axes.end(), [](const Axis& axis) { return axis.count == 0; })) return;
  copy_axes(*this, 0, static_cast<const std::byte*>(source) + from, start + to);
}

}  // namespace ns::runtime
