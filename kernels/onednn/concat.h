// Tensors of one type laid side by side along an axis. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

// The output lies as oneDNN finds best for these inputs.
Made make_concat(std::span<const Layout> inputs, int axis);

// Whether `whole` holds, for each index of axis 0, the bytes of the first part, then those of the second and so on:
// layouts blocked alike and not padded, joined along axis 1.
bool joins_as_rows(std::span<const Layout> parts, const Layout& whole);

}  // namespace ns::onednn
