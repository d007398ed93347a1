// What every operator does with its node first: fetch inputs and attributes, checked, with errors that name the node.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "kernels/ops/op.h"

namespace ns::ops {

using graph::ElementType;
using graph::Node;
using graph::Shape;
using graph::Tensor;

[[noreturn]] void fail(const Node&, const std::string& sentence);         // Error(invalid)
[[noreturn]] void unsupported(const Node&, const std::string& sentence);  // Error(unsupported)

template <typename... Values>
void require(bool holds, const Node& node, fmt::format_string<Values...> text, const Values&... values) {
  if (!holds) fail(node, fmt::vformat(text, fmt::make_format_args(values...)));
}

// An input that must be there.
const TensorType& input(const InferContext&, std::size_t index);
const Tensor& input(const ComputeContext&, std::size_t index);
// An input that may be left out: null then.
const TensorType* optional_input(const InferContext&, std::size_t index);
const Tensor* optional_input(const ComputeContext&, std::size_t index);
// The bytes of an input that decides over shapes; null when the input is left out. NeedsData when they are not known
// before the run.
const Tensor* shape_input(const InferContext&, std::size_t index);
const Tensor* shape_input(const ComputeContext&, std::size_t index);

bool has_output(const ComputeContext&, std::size_t index);

// Integers of a tensor of int64 or int32, of rank 0 or 1.
std::vector<std::int64_t> integers_of(const Node&, const Tensor&);
// Of the input, or of the attribute: operators moved from one form to the other. None: neither is there.
template <typename Context>
std::optional<std::vector<std::int64_t>> integers_from(const Context& context, std::size_t index,
                                                       std::string_view attribute) {
  if (const Tensor* tensor = shape_input(context, index)) return integers_of(context.node, *tensor);
  if (!attribute.empty() && context.node.has(attribute)) return context.node.integers(attribute);
  return std::nullopt;
}

// The numbers of a tensor of a floating type, whatever its shape; Error(unsupported) for other types.
std::vector<double> reals_of(const Node&, const Tensor&);

// -rank..rank-1 to 0..rank-1. Error(invalid) otherwise.
std::size_t normal_axis(const Node&, std::int64_t axis, std::size_t rank);
// Several of them, sorted, none twice.
std::vector<std::size_t> normal_axes(const Node&, const std::vector<std::int64_t>& axes, std::size_t rank);

// Product of sizes [begin, end) of a shape.
std::int64_t product(const Shape&, std::size_t begin, std::size_t end);

// A shape seen from one of its axes: element (o, i, k) lies at (o * size + i) * inner + k.
struct AxisView {
  std::int64_t outer, size, inner;
};
AxisView view_along(const Shape&, std::size_t axis);

// The output is like the first input.
std::vector<TensorType> infer_same(const InferContext&);

// Every output's type: the first ones given, a value for each output of the node.
std::vector<TensorType> types(const InferContext&, std::vector<TensorType> known);

void copy_bytes(const Tensor& from, Tensor& to);  // same number of bytes

}  // namespace ns::ops
