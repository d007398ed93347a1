#include "worker/slot.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/worker/workbench.h"
#include "worker/machine.h"
#include "worker/runner/process_tree.h"

namespace ns::worker {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// One compute slot with a real runner child; jobs are experiments, which need no broker.
class SlotTest : public testing::Test {
 protected:
  SlotTest() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    signals_ = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    loop_.watch(signals_, {true, false}, [this](net::PollLoop::Ready) {
      signalfd_siginfo information{};
      while (::read(signals_, &information, sizeof information) > 0) slot_->check_child();
    });
    RunnerSettings settings;
    settings.name = "test";
    settings.log_level = "off";
    settings.endpoints = {"ipc:///nowhere"};
    settings.cache_folder = (folder_.path / "cache").string();
    settings.work_folder = (folder_.path / "work").string();
    settings.cpus = {all_cpus().front()};
    Slot::Callbacks callbacks;
    callbacks.ended = [this](Slot&, JobResult result) { results_.push_back(std::move(result)); };
    callbacks.metric = [this](const Metric& metric) { metrics_.push_back(metric); };
    callbacks.freed = [] {};
    slot_ = std::make_unique<Slot>(loop_, JobKind::trial, settings, 0, std::move(callbacks));
  }
  ~SlotTest() override {
    slot_.reset();
    loop_.unwatch(signals_);
    ::close(signals_);
  }

  void turn_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;  // a hang, not a measurement
    while (!done() && std::chrono::steady_clock::now() < deadline) loop_.turn(50ms);
    ASSERT_TRUE(done());
  }
  void start(const std::string& script, const std::function<void(Job&)>& change = {}) {
    turn_until([&] { return slot_->free(); });
    Job job;
    job.job = trial_job_id({"task"}, 1);
    job.task = {"task"};
    job.task_kind = "experiment";
    job.number = 1;
    job.token = 9;
    job.spec = json{{"kind", "experiment"},
                    {"command", {"/bin/sh", "-c", script}},
                    {"search_space", {{"x", {{"_type", "uniform"}, {"_value", {0, 1}}}}}}}
                   .dump();
    job.parameters = R"({"parameters": {"x": 0.25}})";
    if (change) change(job);
    slot_->start(std::move(job));
  }
  const JobResult& result() {
    turn_until([&] { return !results_.empty(); });
    return results_.front();
  }
  std::filesystem::path mark(const char* name) const { return folder_.path / name; }
  std::string touch(const char* name) const { return "echo $$ > " + mark(name).string() + "; "; }

  static constexpr const char* kReport =
      R"(report() { b="{\"type\": \"$1\", \"sequence\": 0, \"value\": \"$2\"}"; printf 'ME%06d%s' ${#b} "$b" >> $NNI_SYS_DIR/.nni/metrics; }; )";

  TemporaryFolder folder_;
  net::PollLoop loop_;
  int signals_ = -1;
  std::unique_ptr<Slot> slot_;
  std::vector<JobResult> results_;
  std::vector<Metric> metrics_;
};

TEST_F(SlotTest, a_job_succeeds_with_its_metrics) {
  start(std::string(kReport) + "grep -q '\"x\":0.25' parameter.cfg && report PERIODICAL 0.5 && report FINAL 0.75");
  EXPECT_EQ(result().outcome, Outcome::succeeded) << result().error;
  EXPECT_EQ(json::parse(result().result).at("metrics").at("default"), 0.75);
  EXPECT_EQ(result().token, 9u);
  ASSERT_EQ(metrics_.size(), 1u);
  EXPECT_EQ(json::parse(metrics_[0].body).at("metrics").at("default"), 0.5);
  EXPECT_TRUE(slot_->free());
}

TEST_F(SlotTest, a_status_other_than_zero_fails_with_the_last_lines) {
  start("echo the reason >&2; exit 4");
  EXPECT_EQ(result().outcome, Outcome::failed);
  EXPECT_NE(result().error.find("status 4"), std::string::npos);
  EXPECT_NE(result().error.find("the reason"), std::string::npos);
}

TEST_F(SlotTest, a_command_that_segfaults_has_crashed) {
  start("kill -SEGV $$");
  EXPECT_EQ(result().outcome, Outcome::crashed);
  EXPECT_NE(result().error.find("SIGSEGV"), std::string::npos);
}

TEST_F(SlotTest, a_runner_that_dies_is_replaced_and_its_job_has_crashed) {
  start(touch("runs") + "sleep 1000");
  turn_until([&] { return std::filesystem::exists(mark("runs")); });
  const std::vector<pid_t> below = descendants_of(::getpid());
  ASSERT_FALSE(below.empty());
  ::kill(below.front(), SIGSEGV);
  EXPECT_EQ(result().outcome, Outcome::crashed);
  EXPECT_NE(result().error.find("runner"), std::string::npos);
  results_.clear();
  start(std::string(kReport) + "report FINAL 1");
  EXPECT_EQ(result().outcome, Outcome::succeeded) << result().error;
}

TEST_F(SlotTest, the_time_limit_kills) {
  start("sleep 1000", [](Job& job) { job.time_limit_ms = 100; });
  EXPECT_EQ(result().outcome, Outcome::crashed);
  EXPECT_NE(result().error.find("time limit"), std::string::npos);
}

TEST_F(SlotTest, the_memory_limit_kills) {
  start(touch("runs") + "sleep 1000", [](Job& job) { job.memory_limit_bytes = 1; });
  turn_until([&] { return std::filesystem::exists(mark("runs")); });
  slot_->check_memory();
  EXPECT_EQ(result().outcome, Outcome::crashed);
  EXPECT_NE(result().error.find("memory limit of 1 bytes exceeded"), std::string::npos);
}

TEST_F(SlotTest, a_stop_reaches_the_command_and_is_the_outcome) {
  start(touch("runs") + "sleep 1000");
  turn_until([&] { return std::filesystem::exists(mark("runs")) && std::filesystem::file_size(mark("runs")) > 0; });
  slot_->stop(Outcome::early_stopped, "hopeless");
  EXPECT_EQ(result().outcome, Outcome::early_stopped);
  pid_t command = 0;
  std::ifstream(mark("runs")) >> command;
  turn_until([&] { return ::kill(command, 0) != 0; });
}

TEST_F(SlotTest, a_forgotten_job_reports_nothing_and_dies) {
  start(touch("runs") + "sleep 1000");
  turn_until([&] { return std::filesystem::exists(mark("runs")) && std::filesystem::file_size(mark("runs")) > 0; });
  pid_t command = 0;
  std::ifstream(mark("runs")) >> command;
  slot_->forget();
  turn_until([&] { return slot_->free() && ::kill(command, 0) != 0; });
  EXPECT_TRUE(results_.empty());
}

TEST_F(SlotTest, a_file_name_that_leads_out_is_refused) {
  start("true", [](Job& job) {
    json spec = json::parse(job.spec);
    spec["files"] = {{"../escape", "sha256:" + std::string(64, '0')}};
    job.spec = spec.dump();
  });
  EXPECT_EQ(result().outcome, Outcome::failed);
  EXPECT_NE(result().error.find("../escape"), std::string::npos);
}

}  // namespace
}  // namespace ns::worker
