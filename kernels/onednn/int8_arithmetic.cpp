#include "kernels/onednn/int8_arithmetic.h"

#include <oneapi/dnnl/dnnl.hpp>

namespace ns::onednn {

bool sums_in_32_bits() {
  using dnnl::cpu_isa;
  static const bool result = [] {
    switch (dnnl::get_effective_cpu_isa()) {
      case cpu_isa::sse41:
      case cpu_isa::avx:
      case cpu_isa::avx2:
      case cpu_isa::avx512_mic:
      case cpu_isa::avx512_mic_4ops:
      case cpu_isa::avx512_core:
        return false;
      default:  // avx2_vnni, avx512_core_vnni and what came after them
        return true;
    }
  }();
  return result;
}

int exact_weight_limit() { return sums_in_32_bits() ? 127 : 64; }

}  // namespace ns::onednn
