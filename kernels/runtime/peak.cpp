#include "kernels/runtime/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/onednn/matmul.h"

namespace ns::runtime {
namespace {

using graph::ElementType;
using graph::Tensor;

constexpr std::int64_t kSide = 768;  // three matrices of it lie in the second-level caches of today
constexpr std::chrono::milliseconds kMeasured{200};

Tensor zeros(ElementType type, graph::Shape shape) {
  Tensor tensor(type, std::move(shape));
  std::fill_n(static_cast<std::byte*>(tensor.bytes()), tensor.byte_count(), std::byte{0});
  return tensor;
}

onednn::Made product(ElementType element) {
  onednn::MatmulSpec spec;
  spec.input_type = element;
  spec.left = spec.right = spec.output = {kSide, kSide};
  spec.right_type = element == ElementType::uint8 ? ElementType::int8 : element;
  spec.weights = zeros(spec.right_type, spec.right);
  spec.output_type = element;
  return onednn::make_matmul(spec);
}

}  // namespace

double measured_peak(ElementType element, int threads) {
  onednn::set_threads(threads);
  const onednn::Made made = product(element);
  if (made.kernel == nullptr) return 0;
  Tensor left = zeros(element, {kSide, kSide}), result = zeros(element, {kSide, kSide});
  std::vector<std::byte> scratch(made.kernel->scratchpad_bytes + 64);
  void* room = scratch.data();
  std::size_t bytes = scratch.size();
  std::align(64, made.kernel->scratchpad_bytes, room, bytes);
  void* const input = left.bytes();
  const auto bound = made.kernel->bind({&input, 1}, result.bytes(), room);
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (const Clock::time_point begin = Clock::now(); Clock::now() - begin < kMeasured;) {
    const Clock::time_point start = Clock::now();
    bound->run();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2.0 * kSide * kSide * kSide / seconds);
  }
  return best;
}

}  // namespace ns::runtime
