#include "kernels/runtime/pointwise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/runtime/vector_math.h"

namespace ns::runtime {

namespace {

constexpr std::size_t kPiece = 512;  // numbers: 2 KiB, so that a dozen sources fit into the first-level cache

NS_BODY float larger(float a, float b) { return a > b || a != a ? a : b; }   // NaN of either stays
NS_BODY float smaller(float a, float b) { return a < b || a != a ? a : b; }  // so
NS_BODY float cut(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

template <PointFunction function>
NS_BODY float value_of(float x, float y, float alpha, float beta) {
  if constexpr (function == PointFunction::add) return x + y;
  if constexpr (function == PointFunction::subtract) return x - y;
  if constexpr (function == PointFunction::multiply) return x * y;
  if constexpr (function == PointFunction::divide) return x / y;
  if constexpr (function == PointFunction::maximum) return larger(x, y);
  if constexpr (function == PointFunction::minimum) return smaller(x, y);
  if constexpr (function == PointFunction::power) return std::pow(x, y);
  if constexpr (function == PointFunction::negate) return -x;
  if constexpr (function == PointFunction::absolute) return std::fabs(x);
  if constexpr (function == PointFunction::square) return x * x;
  if constexpr (function == PointFunction::square_root) return std::sqrt(x);
  if constexpr (function == PointFunction::reciprocal) return 1.0F / x;
  if constexpr (function == PointFunction::exponential) return exponential(x);
  if constexpr (function == PointFunction::logarithm) return std::log(x);
  if constexpr (function == PointFunction::erf) return error_function(x);
  if constexpr (function == PointFunction::tanh) return hyperbolic_tangent(x);
  if constexpr (function == PointFunction::sigmoid) return logistic(x);
  if constexpr (function == PointFunction::leaky_relu) return x < 0 ? alpha * x : x;
  if constexpr (function == PointFunction::clip) return cut(x, alpha, beta);
  if constexpr (function == PointFunction::elu) return x < 0 ? alpha * (exponential(x) - 1.0F) : x;
  if constexpr (function == PointFunction::hard_sigmoid) return cut(alpha * x + beta, 0.0F, 1.0F);
  if constexpr (function == PointFunction::hard_swish) return x * cut(x / 6.0F + 0.5F, 0.0F, 1.0F);
  if constexpr (function == PointFunction::softplus) return larger(x, 0.0F) + std::log1p(exponential(-std::fabs(x)));
  if constexpr (function == PointFunction::floor) return std::floor(x);
  if constexpr (function == PointFunction::ceil) return std::ceil(x);
  if constexpr (function == PointFunction::round) return std::nearbyintf(x);
  return x;
}

using Apply = void (*)(const float*, const float*, float*, std::size_t, float, float);

template <PointFunction function>
NS_BODY void apply_body(const float* x, const float* y, float* to, std::size_t count, float alpha, float beta) {
  for (std::size_t i = 0; i < count; ++i) to[i] = value_of<function>(x[i], y[i], alpha, beta);
}
template <PointFunction function>
void apply_any(const float* x, const float* y, float* to, std::size_t count, float alpha, float beta) {
  apply_body<function>(x, y, to, count, alpha, beta);
}
template <PointFunction function>
NS_AVX2 void apply_avx2(const float* x, const float* y, float* to, std::size_t count, float alpha, float beta) {
  apply_body<function>(x, y, to, count, alpha, beta);
}
template <PointFunction function>
NS_AVX512 void apply_avx512(const float* x, const float* y, float* to, std::size_t count, float alpha, float beta) {
  apply_body<function>(x, y, to, count, alpha, beta);
}

constexpr auto kFunctions = static_cast<std::size_t>(PointFunction::count_of_functions);

template <std::size_t... number>
std::array<Apply, kFunctions> all_functions(Width width, std::index_sequence<number...>) {
  switch (width) {
    case Width::avx512:
      return {apply_avx512<static_cast<PointFunction>(number)>...};
    case Width::avx2:
      return {apply_avx2<static_cast<PointFunction>(number)>...};
    case Width::any:
      break;
  }
  return {apply_any<static_cast<PointFunction>(number)>...};
}

Apply function_of(PointFunction function) {
  static const std::array<Apply, kFunctions> table = all_functions(widest(), std::make_index_sequence<kFunctions>());
  return table[static_cast<std::size_t>(function)];
}

bool is_whole(const PointInput& input, std::size_t count) { return input.period == count && input.repeat == 1; }

// Elements [begin, begin + count) of an input that is smaller than the output.
void spread(const PointInput& input, const float* from, float* to, std::size_t begin, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    const std::size_t place = begin + done, element = place / input.repeat % input.period;
    if (input.repeat == 1) {
      const std::size_t length = std::min(input.period - element, count - done);
      std::memcpy(to + done, from + element, length * sizeof(float));
      done += length;
    } else {
      const std::size_t length = std::min(input.repeat - place % input.repeat, count - done);
      std::fill_n(to + done, length, from[element]);
      done += length;
    }
  }
}

}  // namespace

bool takes_two(PointFunction function) { return function <= PointFunction::power; }

std::size_t scratch_bytes(const PointProgram& program) {
  return (program.inputs.size() + program.instructions.size()) * kPiece * sizeof(float);
}

void run(const PointProgram& program, std::span<void* const> inputs, std::span<void* const> outputs, void* scratch) {
  constexpr std::size_t kMostSources = 64;
  const std::size_t given = program.inputs.size();
  auto* const room = static_cast<float*>(scratch);
  std::array<const float*, kMostSources> start{}, source{};
  for (std::size_t i = 0, next = 0; i < given; ++i) {
    const PointInput& input = program.inputs[i];
    start[i] = input.constant.empty() ? static_cast<const float*>(inputs[next++]) : input.constant.data();
    source[i] = room + i * kPiece;
    // One number is spread once for all pieces.
    if (input.period == 1) std::fill_n(room + i * kPiece, std::min(kPiece, program.count), start[i][0]);
  }
  for (std::size_t begin = 0; begin < program.count; begin += kPiece) {
    const std::size_t count = std::min(kPiece, program.count - begin);
    for (std::size_t i = 0; i < given; ++i) {
      const PointInput& input = program.inputs[i];
      if (input.period == 1) continue;
      if (is_whole(input, program.count)) {
        source[i] = start[i] + begin;
      } else {
        spread(input, start[i], room + i * kPiece, begin, count);
      }
    }
    for (std::size_t i = 0; i < program.instructions.size(); ++i) {
      const PointInstruction& one = program.instructions[i];
      float* to = room + (given + i) * kPiece;
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        if (program.outputs[k] == given + i) to = static_cast<float*>(outputs[k]) + begin;
      }
      source[given + i] = to;
      const float* const left = source[one.left];
      function_of(one.function)(left, takes_two(one.function) ? source[one.right] : left, to, count, one.alpha,
                                one.beta);
    }
  }
}

}  // namespace ns::runtime
