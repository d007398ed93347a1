#include "worker/outbox.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

class OutboxTest : public testing::Test {
 protected:
  static JobResult result(int number, std::size_t bytes = 10) {
    JobResult one;
    one.job = {"task/" + std::to_string(number)};
    one.token = 7;
    one.result.assign(bytes, 'r');
    return one;
  }
  // Sizes of the reports that go out now.
  std::vector<std::size_t> send(Outbox::Time now) {
    std::vector<std::size_t> sizes;
    outbox_.send(now, [&](const std::vector<JobResult>& results) {
      sizes.push_back(results.size());
      return ++last_request_;
    });
    return sizes;
  }
  using Sizes = std::vector<std::size_t>;

  Outbox outbox_;
  std::uint64_t last_request_ = 0;
};

TEST_F(OutboxTest, results_that_come_together_go_together) {
  for (int number = 0; number < 300; ++number) outbox_.add(result(number));
  EXPECT_EQ(send(0s), Sizes{300});
  EXPECT_EQ(send(0s), Sizes{});
  outbox_.acknowledged(1, 300);
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, a_report_is_within_the_limits_of_a_message) {
  for (std::size_t number = 0; number < limits::kMaxBatch + 1; ++number) outbox_.add(result(0));
  EXPECT_EQ(send(0s), (Sizes{limits::kMaxBatch, 1}));
  for (int number = 0; number < 3; ++number) outbox_.add(result(number, limits::kMaxResultBytes));
  EXPECT_EQ(send(0s), (Sizes{2, 1}));
}

TEST_F(OutboxTest, what_is_not_acknowledged_goes_again_and_again_more_and_more_slowly) {
  outbox_.add(result(1));
  EXPECT_EQ(send(0s), Sizes{1});
  EXPECT_EQ(send(900ms), Sizes{});
  EXPECT_EQ(send(1s), Sizes{1});
  EXPECT_EQ(send(2900ms), Sizes{});
  EXPECT_EQ(send(3s), Sizes{1});
  outbox_.acknowledged(1, 1);  // the answer to the first time, late
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, a_new_broker_is_told_everything) {
  outbox_.add(result(1));
  EXPECT_EQ(send(0s), Sizes{1});
  outbox_.add(result(2));
  outbox_.send_all_again();
  EXPECT_EQ(send(0s), (Sizes{1, 1}));
}

TEST_F(OutboxTest, what_cannot_be_sent_is_kept_for_the_next_time) {
  outbox_.add(result(1));
  outbox_.send(0s, [](const std::vector<JobResult>&) { return 0; });
  EXPECT_EQ(send(0s), Sizes{1});
}

TEST_F(OutboxTest, of_a_refused_report_only_what_is_refused_alone_is_dropped) {
  outbox_.add(result(1));
  outbox_.add(result(2));
  EXPECT_EQ(send(0s), Sizes{2});
  EXPECT_TRUE(outbox_.refused(1).empty());
  EXPECT_EQ(send(0s), (Sizes{1, 1}));
  outbox_.acknowledged(2, 1);
  const std::vector<JobResult> dropped = outbox_.refused(3);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].job.text, "task/2");
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, lists_what_was_sent_and_what_was_not) {
  outbox_.add(result(1));
  send(0s);
  outbox_.add(result(2));
  std::vector<HeldJob> all;
  outbox_.list(all);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].job.text, "task/1");
  EXPECT_EQ(all[1].token, 7u);
}

}  // namespace
}  // namespace ns::worker
