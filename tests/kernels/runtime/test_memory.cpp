#include <gtest/gtest.h>

#include <random>

#include "kernels/runtime/memory.h"

namespace ns::runtime {
namespace {

TEST(Memory, buffers_that_follow_one_another_share_a_place) {
  const std::vector<Lifetime> lives{{.bytes = 100, .first = 0, .last = 1}, {.bytes = 100, .first = 2, .last = 3}};
  const ArenaLayout layout = lay_out(lives);
  EXPECT_EQ(layout.offsets, (std::vector<std::size_t>{0, 0}));
  EXPECT_EQ(layout.bytes, 128U);
}

TEST(Memory, a_step_reads_and_writes_different_places) {
  const std::vector<Lifetime> lives{{.bytes = 64, .first = 0, .last = 1}, {.bytes = 64, .first = 1, .last = 2}};
  const ArenaLayout layout = lay_out(lives);
  EXPECT_NE(layout.offsets[0], layout.offsets[1]);
}

TEST(Memory, live_buffers_never_overlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lives;
    const int count = static_cast<int>(random() % 40);
    std::size_t all = 0;
    for (int i = 0; i < count; ++i) {
      const auto first = static_cast<std::int32_t>(random() % 30);
      lives.push_back(
          {.bytes = random() % 1000, .first = first, .last = first + static_cast<std::int32_t>(random() % 10)});
      all += (lives.back().bytes + kAlignment - 1) / kAlignment * kAlignment;
    }
    const ArenaLayout layout = lay_out(lives);
    EXPECT_LE(layout.bytes, all);
    for (std::size_t a = 0; a < lives.size(); ++a) {
      EXPECT_EQ(layout.offsets[a] % kAlignment, 0U);
      EXPECT_LE(layout.offsets[a] + lives[a].bytes, layout.bytes);
      for (std::size_t b = 0; b < a; ++b) {
        if (lives[a].last < lives[b].first || lives[b].last < lives[a].first) continue;
        const bool apart = layout.offsets[a] + lives[a].bytes <= layout.offsets[b] ||
                           layout.offsets[b] + lives[b].bytes <= layout.offsets[a];
        EXPECT_TRUE(apart) << a << " and " << b;
      }
    }
  }
}

}  // namespace
}  // namespace ns::runtime
