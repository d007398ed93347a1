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

const TaskId kTask{"01ARZ3NDEKTSV4RRFFQ69G5FAV"};

// One compute slot with a real runner child; jobs are experiments, which need no broker.
class SlotTest : public testing::Test {
 protected:
  explicit SlotTest(Prefetch prefetch = 0) {
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
    settings.worker = {"test"};
    settings.log_level = "off";
    settings.endpoints = {"ipc:///nowhere"};
    settings.cache_folder = (folder_.path / "cache").string();
    settings.work_folder = (folder_.path / "work").string();
    settings.cpus = {all_cpus().front()};
    Slot::Callbacks callbacks;
    callbacks.ended = [this](JobResult result) { results_.push_back(std::move(result)); };
    callbacks.metric = [this](const Metric& metric) { metrics_.push_back(metric); };
    callbacks.changed = [] {};
    slot_ = std::make_unique<Slot>(loop_, Slot::Options{JobKind::trial, prefetch, 0}, settings, std::move(callbacks));
    slot_->trust_until(boot_time() + 1h);
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
    slot_->take(job_of(1, script, change));
    slot_->send();
  }
  static LeasedJob job_of(std::uint32_t number, const std::string& script,
                          const std::function<void(Job&)>& change = {}) {
    Job job;
    job.job = trial_job_id(kTask, number);
    job.task = kTask;
    job.task_kind = "experiment";
    job.number = number;
    job.token = 8 + number;
    job.spec = json{{"kind", "experiment"},
                    {"command", {"/bin/sh", "-c", script}},
                    {"search_space", {{"x", {{"_type", "uniform"}, {"_value", {0, 1}}}}}}}
                   .dump();
    job.parameters = R"({"parameters": {"x": 0.25}})";
    if (change) change(job);
    return with_specs({0, {std::move(job)}, {}}).front();
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
  const std::optional<Slot::MemoryUser> user = slot_->memory_user();
  ASSERT_TRUE(user);
  slot_->check_memory(*user, resident_bytes_of_trees({user->process}).front());
  EXPECT_EQ(result().outcome, Outcome::crashed);
  EXPECT_NE(result().error.find("memory limit of 1 bytes exceeded"), std::string::npos);
}

TEST_F(SlotTest, a_stop_reaches_the_command_and_is_the_outcome) {
  start(touch("runs") + "sleep 1000");
  turn_until([&] { return std::filesystem::exists(mark("runs")) && std::filesystem::file_size(mark("runs")) > 0; });
  slot_->stop(trial_job_id(kTask, 1), 9, Outcome::early_stopped, "hopeless");
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
  slot_->forget(trial_job_id(kTask, 1), 9);
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

TEST_F(SlotTest, an_error_that_is_no_utf8_is_made_so) {
  start("printf 'odd \\377 byte' >&2; exit 4");
  EXPECT_NE(result().error.find("odd \xEF\xBF\xBD byte"), std::string::npos) << result().error;
}

// The same with jobs that wait behind the running one.
class HoldingSlotTest : public SlotTest {
 protected:
  HoldingSlotTest() : SlotTest(3) {}

  void start_all(const std::vector<LeasedJob>& jobs) {
    turn_until([&] { return slot_->free(); });
    for (const LeasedJob& job : jobs) slot_->take(job);
    slot_->send();
  }
  const JobResult* result_of(std::uint32_t number) const {
    for (const JobResult& result : results_) {
      if (result.job == trial_job_id(kTask, number)) return &result;
    }
    return nullptr;
  }
  void wait_for_results(std::size_t count) {
    turn_until([&] { return results_.size() >= count; });
  }
  std::vector<HeldJob> held() const {
    std::vector<HeldJob> all;
    slot_->list(all);
    return all;
  }
};

TEST_F(HoldingSlotTest, runs_what_it_holds_in_order) {
  const std::string script = std::string(kReport) + "echo x >> " + mark("count").string() +
                             "; report FINAL $(wc -l < " + mark("count").string() + ")";
  start_all({job_of(1, script), job_of(2, script), job_of(3, script)});
  EXPECT_EQ(slot_->room(), 1u);
  EXPECT_EQ(held().size(), 3u);
  wait_for_results(3);
  // A busy machine may take long for one, and the others are given back then.
  double last = 0;
  for (const JobResult& result : results_) {
    if (result.outcome == Outcome::handed_back) continue;
    ASSERT_EQ(result.outcome, Outcome::succeeded) << result.error;
    const double place = json::parse(result.result).at("metrics").at("default");
    EXPECT_GT(place, last);
    last = place;
  }
  EXPECT_GE(last, 1);
  EXPECT_TRUE(held().empty());
}

TEST_F(HoldingSlotTest, only_the_running_job_has_crashed_when_the_runner_dies) {
  slot_->trust_until(0ns);  // until all are there
  start_all({job_of(1, "kill -9 $(ps -o ppid= -p $PPID)"), job_of(2, touch("two")), job_of(3, touch("three"))});
  slot_->trust_until(boot_time() + 1h);
  wait_for_results(3);
  ASSERT_NE(result_of(1), nullptr);
  EXPECT_EQ(result_of(1)->outcome, Outcome::crashed);
  EXPECT_NE(result_of(1)->error.find("SIGKILL"), std::string::npos) << result_of(1)->error;
  EXPECT_EQ(result_of(2)->outcome, Outcome::handed_back);
  EXPECT_EQ(result_of(3)->outcome, Outcome::handed_back);
  EXPECT_FALSE(std::filesystem::exists(mark("two")));
}

TEST_F(HoldingSlotTest, a_held_job_that_is_stopped_ends_without_running) {
  start_all({job_of(1, touch("runs") + "sleep 1000"), job_of(2, touch("two"))});
  slot_->stop(trial_job_id(kTask, 2), 10, Outcome::cancelled, "cancelled");
  EXPECT_EQ(result().job, trial_job_id(kTask, 2));
  EXPECT_EQ(result().outcome, Outcome::cancelled);
  EXPECT_FALSE(std::filesystem::exists(mark("two")));
}

TEST_F(HoldingSlotTest, a_long_job_lets_none_wait_behind_it) {
  start_all({job_of(1, touch("runs") + "sleep 1000"), job_of(2, touch("two")), job_of(3, touch("three"))});
  wait_for_results(2);
  EXPECT_EQ(result_of(2)->outcome, Outcome::handed_back);
  EXPECT_EQ(result_of(3)->outcome, Outcome::handed_back);
  EXPECT_EQ(held().size(), 1u);
  EXPECT_EQ(slot_->room(), 0u);
  EXPECT_FALSE(std::filesystem::exists(mark("two")));
}

TEST_F(HoldingSlotTest, begins_nothing_without_trust_in_its_leases) {
  slot_->trust_until(boot_time());
  start_all({job_of(1, touch("one"))});
  slot_->hand_back_unbegun("not begun");
  EXPECT_EQ(result().outcome, Outcome::handed_back);
  EXPECT_EQ(result().error, "not begun");
  EXPECT_FALSE(std::filesystem::exists(mark("one")));
  results_.clear();
  start_all({job_of(2, std::string(kReport) + "report FINAL 1")});
  slot_->trust_until(boot_time() + 1h);
  EXPECT_EQ(result().outcome, Outcome::succeeded) << result().error;
}

TEST_F(HoldingSlotTest, a_lost_job_that_has_not_begun_never_does_and_the_next_one_runs) {
  slot_->trust_until(0ns);
  start_all({job_of(1, touch("one")), job_of(2, std::string(kReport) + "report FINAL 1")});
  slot_->forget(trial_job_id(kTask, 1), 9);
  EXPECT_EQ(held().size(), 1u);
  slot_->trust_until(boot_time() + 1h);
  EXPECT_EQ(result().job, trial_job_id(kTask, 2));
  EXPECT_EQ(result().outcome, Outcome::succeeded) << result().error;
  EXPECT_EQ(results_.size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(mark("one")));
}

}  // namespace
}  // namespace ns::worker
