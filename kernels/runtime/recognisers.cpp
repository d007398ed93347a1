#include "kernels/runtime/recognisers.h"

namespace ns::runtime {

std::span<const std::span<const Recogniser>> recognisers() {
  static constexpr Recogniser kProducts[] = {convolution, matrix_product};
  static constexpr Recogniser kPatterns[] = {int8_table,    int8_addition,       int8_pooling, int8_concatenation,
                                             int8_movement, layer_normalization, recurrent};
  static constexpr Recogniser kRest[] = {pointwise};
  static constexpr std::span<const Recogniser> kRounds[] = {kProducts, kPatterns, kRest};
  return kRounds;
}

std::span<const Recogniser> single_recognisers() {
  static constexpr Recogniser kList[] = {view,    quantization,  activation,    reduction,     pooling, binary,
                                         softmax, concatenation, transposition, normalization, block};
  return kList;
}

}  // namespace ns::runtime
