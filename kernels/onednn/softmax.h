// Softmax and its logarithm along one axis, float32. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

Made make_softmax(const Layout& input, int axis, bool logarithm);

}  // namespace ns::onednn
