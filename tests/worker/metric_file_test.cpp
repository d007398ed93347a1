#include "worker/tasks/experiment/metric_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/worker/workbench.h"

namespace ns::worker::tasks {
namespace {

std::string frame(const std::string& type, const std::string& value, int sequence = 0) {
  const std::string body =
      fmt::format(R"({{"parameter_id": 7, "trial_job_id": "a", "type": "{}", "sequence": {}, "value": "{}"}})", type,
                  sequence, value) +
      "\n";
  return fmt::format("ME{:06}{}", body.size(), body);
}

class MetricFileTest : public testing::Test {
 protected:
  void append(const std::string& bytes) { std::ofstream(path_, std::ios::binary | std::ios::app) << bytes; }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path / "metrics";
  MetricFile file_{path_};
};

TEST_F(MetricFileTest, reads_frames_as_they_come_even_in_pieces) {
  EXPECT_TRUE(file_.read().empty());
  const std::string bytes = frame("PERIODICAL", "0.5", 3) + frame("FINAL", R"({\"default\": 0.9, \"loss\": 0.1})");
  append(bytes.substr(0, 30));
  EXPECT_TRUE(file_.read().empty());
  append(bytes.substr(30, bytes.size() - 40));
  const auto first = file_.read();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_FALSE(first[0].final);
  EXPECT_EQ(first[0].sequence, 3u);
  EXPECT_EQ(first[0].value, R"({"default":0.5})");
  append(bytes.substr(bytes.size() - 10));
  const auto second = file_.read();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_TRUE(second[0].final);
  EXPECT_EQ(second[0].value, R"({"default":0.9,"loss":0.1})");
}

TEST_F(MetricFileTest, numbers_that_cannot_be_compared_are_left_out) {
  append(frame("FINAL", "NaN") + frame("FINAL", "Infinity") + frame("FINAL", "true") +
         frame("FINAL", R"({\"default\": 1, \"note\": \"x\"})"));
  const auto metrics = file_.read();
  ASSERT_EQ(metrics.size(), 4u);
  EXPECT_EQ(metrics[0].value, "{}");
  EXPECT_EQ(metrics[1].value, "{}");
  EXPECT_EQ(metrics[2].value, R"({"default":1.0})");
  EXPECT_EQ(metrics[3].value, R"({"default":1})");
}

TEST_F(MetricFileTest, refuses_what_is_no_frame) {
  append("hello world");
  EXPECT_THROW(file_.read(), Error);
}

TEST_F(MetricFileTest, refuses_values_that_are_no_numbers) {
  for (const char* value : {"[1, 2]", "\\\"text\\\"", "{", "null"}) {
    const std::filesystem::path path = folder_.path / "other";
    std::ofstream(path, std::ios::binary) << frame("FINAL", value);
    EXPECT_THROW(MetricFile(path).read(), Error) << value;
  }
}

}  // namespace
}  // namespace ns::worker::tasks
