// One function of every number, in whatever layout the input has. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

// float32.
Made make_elementwise(const Layout& input, Function, float alpha, float beta);

}  // namespace ns::onednn
