// The same numbers in another layout. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

Made make_reorder(const Layout& from, const Layout& to);

// Axes of a row-major tensor permuted, as ONNX's Transpose does; the output is row-major.
Made make_transpose(graph::ElementType, const graph::Shape& input, std::span<const std::int64_t> permutation);

}  // namespace ns::onednn
