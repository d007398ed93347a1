// Two tensors, number by number; the second may be broadcast. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

enum class Binary { add, subtract, multiply, divide, maximum, minimum };

// float32. `right` has the rank of `left` and sizes that are equal or 1. The output lies as `left` does.
Made make_binary(Binary, const Layout& left, const Layout& right);

}  // namespace ns::onednn
