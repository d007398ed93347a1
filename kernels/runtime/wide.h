// One loop, compiled for several widths of vectors; the widest that the processor has is chosen at run time.
//
// A body is a function marked NS_BODY; functions marked NS_AVX2 and NS_AVX512 that do nothing but call it are the same
// loop for those instructions, since the body is compiled into them.
#pragma once

#define NS_BODY [[gnu::always_inline]] inline
#if defined(__x86_64__)
#define NS_AVX2 __attribute__((target("avx2,fma")))
#define NS_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#else
#define NS_AVX2
#define NS_AVX512
#endif

namespace ns::runtime {

enum class Width { any, avx2, avx512 };

inline Width widest() {
#if defined(__x86_64__)
  static const Width width = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq")) {
      return Width::avx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Width::avx2 : Width::any;
  }();
  return width;
#else
  return Width::any;
#endif
}

}  // namespace ns::runtime
