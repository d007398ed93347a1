#include "kernels/ops/window.h"

#include <algorithm>

namespace ns::ops {

namespace {

constexpr std::int64_t kMaxWindowNumber = std::int64_t{1} << 31;  // keeps every product below in range

Shape positive_integers(const Node& node, std::string_view attribute, std::size_t rank) {
  Shape values = node.integers(attribute);
  if (values.empty()) values.assign(rank, 1);
  require(values.size() == rank, node, "{} has {} entries, the window has {} axes", attribute, values.size(), rank);
  for (const std::int64_t value : values) {
    require(value >= 1 && value <= kMaxWindowNumber, node, "{} holds {}, wanted 1 or more", attribute, value);
  }
  return values;
}

void read_pads(const Node& node, Window& window) {
  const std::size_t rank = window.rank();
  Shape pads = node.integers("pads");
  if (pads.empty()) pads.assign(2 * rank, 0);
  require(pads.size() == 2 * rank, node, "pads has {} entries, the window has {} axes", pads.size(), rank);
  for (const std::int64_t pad : pads) {
    require(pad >= 0 && pad <= kMaxWindowNumber, node, "pads holds {}, wanted 0 or more", pad);
  }
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(rank);
  window.pads_begin.assign(pads.begin(), middle);
  window.pads_end.assign(middle, pads.end());
}

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// SAME: as many outputs as strides fit in the input; the odd pad at the end (UPPER) or at the beginning (LOWER).
void pad_same(Window& window, std::size_t axis, bool upper) {
  window.output[axis] = ceil_divide(window.input[axis], window.strides[axis]);
  const std::int64_t needed = (window.output[axis] - 1) * window.strides[axis] + window.extent(axis);
  const std::int64_t total = std::max<std::int64_t>(needed - window.input[axis], 0);
  window.pads_begin[axis] = upper ? total / 2 : total - total / 2;
  window.pads_end[axis] = total - window.pads_begin[axis];
}

void pad_explicitly(const Node& node, Window& window, std::size_t axis, bool ceil_mode) {
  const std::int64_t padded = window.input[axis] + window.pads_begin[axis] + window.pads_end[axis];
  const std::int64_t room = padded - window.extent(axis);
  require(room >= 0, node, "the kernel reaches over {}, the padded input holds {}", window.extent(axis), padded);
  const std::int64_t stride = window.strides[axis];
  window.output[axis] = (ceil_mode ? ceil_divide(room, stride) : room / stride) + 1;
  // A window that would start in the padding at the end does not count.
  if (ceil_mode && (window.output[axis] - 1) * stride >= window.input[axis] + window.pads_begin[axis]) {
    --window.output[axis];
  }
}

}  // namespace

Window window_attributes(const Node& node, const Shape& spatial, const Shape& kernel) {
  const std::size_t rank = spatial.size();
  if (rank > kMaxSpatialRank) unsupported(node, "windows over more than 3 axes are not supported");
  require(kernel.size() == rank, node, "the kernel has {} axes, the input {}", kernel.size(), rank);
  Window window;
  window.kernel = kernel;
  window.input = spatial;
  window.output.assign(rank, 0);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    require(kernel[axis] >= 1 && kernel[axis] <= kMaxWindowNumber, node, "the kernel has the size {}", kernel[axis]);
    require(spatial[axis] <= kMaxWindowNumber, node, "the input has the size {}", spatial[axis]);
  }
  window.strides = positive_integers(node, "strides", rank);
  window.dilations = positive_integers(node, "dilations", rank);
  read_pads(node, window);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    require(window.dilations[axis] <= kMaxWindowNumber / window.kernel[axis], node, "the dilation {} is too large",
            window.dilations[axis]);
  }
  return window;
}

Window window_of(const Node& node, const Shape& spatial, const Shape& kernel, bool ceil_mode) {
  Window window = window_attributes(node, spatial, kernel);
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  require(same || auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad.empty(), node,
          "auto_pad is '{}', wanted NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto_pad);
  if (auto_pad == "VALID") {
    std::fill(window.pads_begin.begin(), window.pads_begin.end(), 0);
    std::fill(window.pads_end.begin(), window.pads_end.end(), 0);
  }
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    if (same) {
      pad_same(window, axis, auto_pad == "SAME_UPPER");
    } else {
      pad_explicitly(node, window, axis, ceil_mode);
    }
  }
  return window;
}

Window padded_rank(const Window& window) {
  const std::size_t missing = kMaxSpatialRank - window.rank();
  const auto padded = [&](const Shape& values, std::int64_t filler) {
    Shape result(missing, filler);
    result.insert(result.end(), values.begin(), values.end());
    return result;
  };
  return {padded(window.kernel, 1),     padded(window.strides, 1),  padded(window.dilations, 1),
          padded(window.pads_begin, 0), padded(window.pads_end, 0), padded(window.input, 1),
          padded(window.output, 1)};
}

TapRange inside(const Window& window, std::size_t axis, std::int64_t k) {
  const std::int64_t shift = k * window.dilations[axis] - window.pads_begin[axis];  // input = output * stride + shift
  const std::int64_t stride = window.strides[axis];
  const std::int64_t first = shift < 0 ? ceil_divide(-shift, stride) : 0;
  const std::int64_t behind = window.input[axis] - shift;
  const std::int64_t last = behind <= 0 ? 0 : std::min(window.output[axis], ceil_divide(behind, stride));
  return {first, std::max(first, last)};
}

Shape spatial_of(const Node& node, const Shape& shape) {
  require(shape.size() >= 3, node, "the input has the shape {}, wanted [batch, channels, sizes ...]",
          graph::to_string(shape));
  return {shape.begin() + 2, shape.end()};
}

double norm_exponent(const Node& node) {
  const auto found = node.attributes.find("p");
  const float* real = found != node.attributes.end() ? std::get_if<float>(&found->second) : nullptr;
  const double p = real != nullptr ? static_cast<double>(*real) : static_cast<double>(node.integer("p", 2));
  require(p > 0, node, "p is {}, wanted more than 0", p);
  return p;
}

}  // namespace ns::ops
