#include "kernels/runtime/window.h"

#include <algorithm>

namespace ns::runtime {

bool Window::has_pads() const {
  const auto positive = [](std::int64_t pad) { return pad > 0; };
  return std::any_of(pads_begin.begin(), pads_begin.end(), positive) ||
         std::any_of(pads_end.begin(), pads_end.end(), positive);
}

Window window_of(const graph::Node& node, const graph::Shape& input, const graph::Shape& output,
                 std::vector<std::int64_t> kernel) {
  const std::size_t axes = kernel.size();
  Window window;
  window.kernel = std::move(kernel);
  window.strides = node.integers("strides", std::vector<std::int64_t>(axes, 1));
  window.dilations = node.integers("dilations", std::vector<std::int64_t>(axes, 1));
  const std::vector<std::int64_t> pads = node.integers("pads", std::vector<std::int64_t>(2 * axes, 0));
  const std::string automatic = node.text("auto_pad", "NOTSET");
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const std::int64_t reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
    const std::int64_t wanted = (output[axis + 2] - 1) * window.strides[axis] + reach - input[axis + 2];
    std::int64_t begin = 0, end = 0;
    if (automatic == "NOTSET") {
      begin = pads[axis];
      end = std::max(pads[axis + axes], wanted - begin);
    } else if (automatic != "VALID") {
      const std::int64_t total = std::max<std::int64_t>(0, wanted);
      begin = automatic == "SAME_LOWER" ? total - total / 2 : total / 2;
      end = total - begin;
    }
    window.pads_begin.push_back(begin);
    window.pads_end.push_back(end);
  }
  return window;
}

Window whole_window(const graph::Shape& input) {
  const std::size_t axes = input.size() - 2;
  return {.kernel = {input.begin() + 2, input.end()},
          .strides = std::vector<std::int64_t>(axes, 1),
          .dilations = std::vector<std::int64_t>(axes, 1),
          .pads_begin = std::vector<std::int64_t>(axes, 0),
          .pads_end = std::vector<std::int64_t>(axes, 0)};
}

}  // namespace ns::runtime
