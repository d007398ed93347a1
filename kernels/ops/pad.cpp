// Pad: grows (or, with negative pads, cuts) a tensor at its edges. Attributes up to opset 10, inputs since 11, with
// axes since 18 and wrap since 19.
#include <array>
#include <cstring>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Pads {
  std::vector<std::int64_t> begin, end;
};

template <typename Context>
Pads pads_of(const Context& context, std::size_t rank) {
  const Node& node = context.node;
  auto pads = integers_from(context, 1, "pads");
  if (!pads && node.has("paddings")) pads = node.integers("paddings");
  require(pads.has_value(), node, "pads are missing");
  std::vector<std::int64_t> axes(rank);
  for (std::size_t i = 0; i < rank; ++i) axes[i] = static_cast<std::int64_t>(i);
  if (const auto given = integers_from(context, 3, "")) axes = *given;
  require(pads->size() == 2 * axes.size(), node, "pads has {} entries, wanted {}", pads->size(), 2 * axes.size());
  normal_axes(node, axes, rank);
  Pads result{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0)};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = normal_axis(node, axes[i], rank);
    result.begin[axis] = (*pads)[i];
    result.end[axis] = (*pads)[axes.size() + i];
  }
  return result;
}

std::vector<TensorType> infer_pad(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const std::string mode = context.node.text("mode", "constant");
  require(mode == "constant" || mode == "reflect" || mode == "edge" || mode == "wrap", context.node,
          "mode is '{}', wanted constant, reflect, edge or wrap", mode);
  if (const TensorType* value = optional_input(context, 2)) {
    require(value->element == x.element && graph::element_count(value->shape) == 1, context.node,
            "the value must be one number of the input's type");
  }
  const Pads pads = pads_of(context, x.shape.size());
  Shape shape = x.shape;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const bool overflow = __builtin_add_overflow(shape[axis], pads.begin[axis], &shape[axis]) ||
                          __builtin_add_overflow(shape[axis], pads.end[axis], &shape[axis]);
    require(!overflow && shape[axis] >= 0, context.node, "axis {} cannot be padded by {} and {}", axis,
            pads.begin[axis], pads.end[axis]);
    require(mode == "constant" || x.shape[axis] > 0 || shape[axis] == 0, context.node,
            "an empty axis has nothing to fill the padding with");
  }
  return types(context, {{x.element, shape}});
}

std::int64_t modulo(std::int64_t value, std::int64_t size) { return ((value % size) + size) % size; }

// Where each place of the output comes from along one axis; -1: from the constant.
std::vector<std::int64_t> sources(const std::string& mode, std::int64_t begin, std::int64_t in, std::int64_t out) {
  std::vector<std::int64_t> from(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    std::int64_t place = i - begin;
    if (place < 0 || place >= in) {
      if (mode == "constant") {
        place = -1;
      } else if (mode == "edge") {
        place = place < 0 ? 0 : in - 1;
      } else if (mode == "wrap") {
        place = modulo(place, in);
      } else {  // reflect: 2 1 | 0 1 2 | 1 0
        const std::int64_t period = std::max<std::int64_t>(2 * (in - 1), 1);
        place = modulo(place, period);
        if (place >= in) place = period - place;
      }
    }
    from[static_cast<std::size_t>(i)] = place;
  }
  return from;
}

// The constant's bytes; up to opset 10 an attribute.
std::uint64_t constant_bits(const ComputeContext& context, ElementType type) {
  std::uint64_t bits = 0;
  if (const Tensor* value = optional_input(context, 2)) {
    std::memcpy(&bits, value->bytes(), graph::size_of(type));
    return bits;
  }
  const float number = context.node.real("value", 0.0f);
  if (number == 0.0f) return bits;
  dispatch(NumericTypes{}, context.node, type, [&](auto tag) {
    const auto converted = convert<decltype(tag)>(number);
    std::memcpy(&bits, &converted, sizeof(converted));
  });
  return bits;
}

void compute_pad(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  const std::size_t rank = x.shape().size();
  const Pads pads = pads_of(context, rank);
  const std::string mode = context.node.text("mode", "constant");
  const std::uint64_t bits = constant_bits(context, x.type());
  const std::vector<std::int64_t> strides = dense_strides(x.shape());
  std::vector<std::vector<std::int64_t>> from;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    from.push_back(sources(mode, pads.begin[axis], x.shape()[axis], y.shape()[axis]));
  }
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const auto filler = static_cast<T>(bits);
    std::vector<std::int64_t> position(rank, 0);
    for (std::int64_t i = 0; i < y.count(); ++i) {
      std::int64_t offset = 0;
      bool outside = false;
      for (std::size_t axis = 0; axis < rank; ++axis) {
        const std::int64_t place = from[axis][static_cast<std::size_t>(position[axis])];
        outside = outside || place < 0;
        offset += place * strides[axis];
      }
      data<T>(y)[i] = outside ? filler : data<T>(x)[offset];
      for (std::size_t axis = rank; axis-- > 0;) {
        if (++position[axis] < y.shape()[axis]) break;
        position[axis] = 0;
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Pad", 1, 1, 4, 1, 1, infer_pad, compute_pad},
};

}  // namespace

std::span<const OpDefinition> pad_definitions() { return kDefinitions; }

}  // namespace ns::ops
