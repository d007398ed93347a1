// Tensors of one type laid side by side along an axis. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

// The output lies as oneDNN finds best for these inputs.
Made make_concat(std::span<const Layout> inputs, int axis);

}  // namespace ns::onednn
