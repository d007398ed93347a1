// bench_queue on a few hundred jobs: what it says is there and adds up. Nothing here is about time.
#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace ns::bench {
namespace {

using nlohmann::json;

struct Outcome {
  int status = 0;
  std::string output;
};

Outcome run(const std::string& arguments) {
  Outcome outcome;
  FILE* pipe = ::popen((std::string(NS_BENCH_BIN_DIR) + "/bench_queue " + arguments).c_str(), "r");
  std::array<char, 4096> buffer;
  for (std::size_t count; (count = ::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.output.append(buffer.data(), count);
  }
  outcome.status = WEXITSTATUS(::pclose(pipe));
  return outcome;
}

json measure(const std::string& arguments) {
  const Outcome outcome = run(arguments + " --json");
  EXPECT_EQ(outcome.status, 0);
  return json::parse(outcome.output);
}

TEST(BenchQueue, tells_rate_cost_and_ceiling_of_each_setting) {
  const json report =
      measure("--jobs 300 --runs 2 --workers 1,2 --credits 8 --appendonly everysec,none --ceiling --round-trips 20");
  ASSERT_EQ(report["throughput"].size(), 6u);  // two crews and the ceiling, twice
  for (const json& entry : report["throughput"]) {
    SCOPED_TRACE(entry.dump());
    EXPECT_EQ(entry["jobs"], 300);
    EXPECT_GT(entry["jobs_per_second"]["least"], 0);
    EXPECT_GE(entry["jobs_per_second"]["most"], entry["jobs_per_second"]["median"]);
    EXPECT_GE(entry["redis_calls_per_job"]["hset"], 2.0) << "parameters, result";
    // Parameters and result, and what tells where they belong.
    const bool writes = entry["persistence"] == "everysec";
    EXPECT_EQ(entry["append_only_bytes_per_job"] >= 300.0, writes);
    if (!entry.contains("ceiling")) {
      EXPECT_EQ(entry["runs"], 2);
      EXPECT_EQ(entry["cpu_us_per_job"].size(), 4u) << "redis, broker, workers, client";
      EXPECT_TRUE(entry.contains("of_ceiling"));
    }
  }
  EXPECT_GE(report["phases"]["memory_bytes_per_queued_job"], 200.0);
  EXPECT_GE(report["phases"]["memory_bytes_per_finished_job"], 300.0);
  ASSERT_EQ(report["round_trips"].size(), 2u);
  EXPECT_EQ(report["round_trips"][0]["jobs"], 20);
  EXPECT_GE(report["round_trips"][0]["p99_ms"], report["round_trips"][0]["p50_ms"]);
}

TEST(BenchQueue, measures_loaded_scenes_against_plain_ones) {
  const json report = measure(
      "--runs 1 --no-throughput --no-phases --scale --scale-jobs 200 --scale-queued 5000 --scale-tasks 120 "
      "--scale-workers 20");
  ASSERT_EQ(report["scale"].size(), 5u);
  for (const json& entry : report["scale"]) {
    SCOPED_TRACE(entry.dump());
    EXPECT_EQ(entry["plain"]["jobs"], 200);
    EXPECT_EQ(entry["loaded"]["jobs"], 200);
    EXPECT_GT(entry["rate_ratio"], 0);
    EXPECT_GT(entry["cpu_ratio"], 0);
  }
}

TEST(BenchQueue, refuses_a_peer_that_it_does_not_know) {
  EXPECT_NE(run("--peer carrier-pigeon 2>/dev/null").status, 0);
}

}  // namespace
}  // namespace ns::bench
