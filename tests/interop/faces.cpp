#include "tests/interop/faces.h"

#include <algorithm>

namespace ns::interop {
namespace {

constexpr float kLeastScore = 0.7f;
constexpr float kSameFace = 0.3f, kRightFace = 0.5f;

float area(const Box& box) { return std::max(0.0f, box.right - box.left) * std::max(0.0f, box.bottom - box.top); }

float overlap(const Box& a, const Box& b) {
  const Box common{std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
                   std::min(a.bottom, b.bottom), 0};
  const float both = area(common), either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

}  // namespace

std::vector<Box> faces(const graph::Tensor& scores, const graph::Tensor& boxes) {
  const auto score = scores.values<float>(), corner = boxes.values<float>();
  std::vector<Box> all;
  for (std::size_t i = 0; 2 * i + 1 < score.size(); ++i) {
    if (score[2 * i + 1] <= kLeastScore) continue;
    all.push_back({corner[4 * i], corner[4 * i + 1], corner[4 * i + 2], corner[4 * i + 3], score[2 * i + 1]});
  }
  std::stable_sort(all.begin(), all.end(), [](const Box& a, const Box& b) { return a.score > b.score; });
  std::vector<Box> kept;
  for (const Box& box : all) {
    if (std::none_of(kept.begin(), kept.end(), [&](const Box& one) { return overlap(one, box) > kSameFace; })) {
      kept.push_back(box);
    }
  }
  return kept;
}

void Matches::add(const std::vector<Box>& actual, const std::vector<Box>& wanted) {
  found += static_cast<std::int64_t>(actual.size());
  expected += static_cast<std::int64_t>(wanted.size());
  std::vector<bool> taken(wanted.size(), false);
  for (const Box& box : actual) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (taken[i] || overlap(box, wanted[i]) < kRightFace) continue;
      taken[i] = true;
      ++right;
      break;
    }
  }
}

}  // namespace ns::interop
