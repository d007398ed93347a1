#include "worker/pace.h"

#include <gtest/gtest.h>

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

TEST(Pace, holds_nothing_ahead_while_it_knows_nothing) { EXPECT_EQ(Pace(std::nullopt).ahead(), 0u); }

TEST(Pace, holds_as_many_short_jobs_as_fill_some_milliseconds) {
  Pace pace(std::nullopt);
  pace.add(10, 10 * 1ms);
  EXPECT_EQ(pace.ahead(), 8u);
  pace.add(100'000, 100'000 * 4ms);
  EXPECT_EQ(pace.ahead(), 2u);
}

TEST(Pace, has_a_bound) {
  Pace pace(std::nullopt);
  pace.add(1, 0ns);
  EXPECT_EQ(pace.ahead(), Pace::kMostAhead);
}

TEST(Pace, one_long_job_ends_it_and_some_short_ones_bring_it_back) {
  Pace pace(std::nullopt);
  pace.add(1000, 1000 * 10us);
  ASSERT_GT(pace.ahead(), 0u);
  pace.add(1, 60s);
  EXPECT_EQ(pace.ahead(), 0u);
  pace.add(100, 100 * 10us);
  EXPECT_GT(pace.ahead(), 0u);
}

TEST(Pace, a_number_that_was_given_stays) {
  Pace pace(5);
  EXPECT_EQ(pace.ahead(), 5u);
  pace.add(1, 1h);
  EXPECT_EQ(pace.ahead(), 5u);
}

}  // namespace
}  // namespace ns::worker
