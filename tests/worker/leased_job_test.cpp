#include "worker/leased_job.h"

#include <gtest/gtest.h>

namespace ns::worker {
namespace {

Job job_of(const std::string& task, std::uint32_t number, const std::string& spec = {}) {
  Job job;
  job.task = {task};
  job.job = trial_job_id(job.task, number);
  job.spec = spec;
  return job;
}

TEST(LeasedJob, a_spec_is_taken_from_the_job_or_from_the_message) {
  const auto jobs = with_specs({1, {job_of("a", 1), job_of("b", 2, "its own"), job_of("a", 3)}, {{{"a"}, "of a"}}});
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(*jobs[0].spec, "of a");
  EXPECT_EQ(*jobs[1].spec, "its own");
  EXPECT_EQ(jobs[0].spec, jobs[2].spec) << "one text for all of a task";
  EXPECT_TRUE(jobs[1].job.spec.empty());
}

TEST(LeasedJob, a_spec_that_is_nowhere_is_empty) { EXPECT_EQ(*with_specs({1, {job_of("a", 1)}, {}}).at(0).spec, ""); }

TEST(JobsMessage, brings_the_same_jobs_with_each_spec_once) {
  JobsMessage message;
  for (LeasedJob& leased :
       with_specs({1, {job_of("a", 1), job_of("b", 2), job_of("a", 3)}, {{{"a"}, "A"}, {{"b"}, "B"}}}))
    message.add(std::move(leased));
  for (LeasedJob& leased : with_specs({1, {job_of("a", 4, "another")}, {}})) message.add(std::move(leased));
  const Jobs sent = message.take();
  EXPECT_TRUE(message.empty());
  EXPECT_EQ(sent.specs.size(), 2u);
  const auto jobs = with_specs(sent);
  ASSERT_EQ(jobs.size(), 4u);
  EXPECT_EQ(*jobs[0].spec, "A");
  EXPECT_EQ(*jobs[1].spec, "B");
  EXPECT_EQ(*jobs[2].spec, "A");
  EXPECT_EQ(*jobs[3].spec, "another");
}

TEST(JobsMessage, has_no_room_for_more_than_a_receiver_takes) {
  JobsMessage message;
  const std::string large(std::size_t{1} << 20, ' ');
  int added = 0;
  for (int task = 0; task < 10; ++task) {
    const LeasedJob leased = with_specs({1, {job_of(std::to_string(task), 1, large)}, {}}).front();
    if (!message.has_room_for(leased)) break;
    message.add(leased);
    ++added;
  }
  EXPECT_GE(added, 1);
  EXPECT_LT(added, 4);
}

}  // namespace
}  // namespace ns::worker
