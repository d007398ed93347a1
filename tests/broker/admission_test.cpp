// The bounds of what a peer may ask at once, with a clock of the test's own.
#include "broker/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace ns::broker {
namespace {

using namespace std::chrono_literals;

AdmissionLimits small() {
  AdmissionLimits limits;
  limits.requests_of_peer = 3;
  limits.bytes_of_peer = 1000;
  limits.requests = 5;
  limits.bytes = 5000;
  limits.submissions_a_second = 10;
  return limits;
}

class AdmissionTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  Admission admission_{small(), clock_};
};

TEST_F(AdmissionTest, a_peer_is_refused_beyond_its_requests_until_one_is_answered) {
  std::vector<Admission::Place> places;
  for (int i = 0; i < 3; ++i) places.push_back(admission_.admit("a", 1));
  EXPECT_THROW(admission_.admit("a", 1), Overloaded);
  const Admission::Place of_another = admission_.admit("b", 1);
  places.pop_back();
  places.push_back(admission_.admit("a", 1));
  EXPECT_THROW(admission_.admit("a", 1), Overloaded);
  places.clear();
  EXPECT_EQ(admission_.requests(), 1u);
}

TEST_F(AdmissionTest, copies_of_a_request_count_once_and_as_long_as_one_is_left) {
  Admission::Place first = admission_.admit("a", 1);
  Admission::Place second = first;
  first.reset();
  EXPECT_EQ(admission_.requests(), 1u);
  second.reset();
  EXPECT_EQ(admission_.requests(), 0u);
}

TEST_F(AdmissionTest, a_peer_is_refused_beyond_its_bytes) {
  const Admission::Place first = admission_.admit("a", 800);
  EXPECT_THROW(admission_.admit("a", 300), Overloaded);
  const Admission::Place second = admission_.admit("a", 200);
}

TEST_F(AdmissionTest, when_all_is_full_only_those_are_refused_who_have_something_under_way) {
  std::vector<Admission::Place> places;
  for (int i = 0; i < 3; ++i) places.push_back(admission_.admit("a", 1));
  for (int i = 0; i < 2; ++i) places.push_back(admission_.admit("b", 1));
  EXPECT_THROW(admission_.admit("b", 1), Overloaded);
  places.push_back(admission_.admit("c", 1));
  EXPECT_THROW(admission_.admit("c", 1), Overloaded);
}

TEST_F(AdmissionTest, submissions_beyond_the_rate_are_told_when_to_come_again) {
  const int burst = static_cast<int>(10 * Admission::kBurst);
  for (int i = 0; i < burst; ++i) admission_.admit_submission("a");
  try {
    admission_.admit_submission("a");
    FAIL();
  } catch (const Overloaded& refusal) {
    EXPECT_EQ(refusal.retry_after(), 100ms);
  }
  admission_.admit_submission("b");
  clock_.advance(100ms);
  admission_.admit_submission("a");
  EXPECT_THROW(admission_.admit_submission("a"), Overloaded);
  clock_.advance(1h);
  for (int i = 0; i < burst; ++i) admission_.admit_submission("a");
  EXPECT_THROW(admission_.admit_submission("a"), Overloaded);
}

TEST_F(AdmissionTest, senders_that_are_idle_are_forgotten) {
  for (int i = 0; i < 10'000; ++i) {
    admission_.admit_submission("sender " + std::to_string(i));
    clock_.advance(200ms);
  }
  EXPECT_LT(admission_.remembered_senders(), 200u);
}

TEST(Admission, without_a_rate_submissions_are_unbounded) {
  ManualClock clock;
  AdmissionLimits limits;
  limits.submissions_a_second = 0;
  Admission admission(limits, clock);
  for (int i = 0; i < 100'000; ++i) admission.admit_submission("a");
}

}  // namespace
}  // namespace ns::broker
