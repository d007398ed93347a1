#include "kernels/runtime/recognisers.h"

namespace ns::runtime {

std::span<const Recogniser> recognisers() {
  static constexpr Recogniser kList[] = {convolution,  matrix_product,     int8_table,   int8_addition,
                                         int8_pooling, int8_concatenation, int8_movement};
  return kList;
}

std::span<const Recogniser> single_recognisers() {
  static constexpr Recogniser kList[] = {view,    quantization,  activation,    pooling,       binary,
                                         softmax, concatenation, transposition, normalization, block};
  return kList;
}

}  // namespace ns::runtime
