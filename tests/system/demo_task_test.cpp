// The demo's task from the command line: private stack up, submit, result, down, as a person would.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/system/stack.h"

namespace ns::testing {
namespace {

using Json = nlohmann::json;

struct Finished {
  int status = 0;
  std::string output;  // of both kinds
};

Finished run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("no process can be made");
  Finished finished;
  char buffer[4096];
  for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) finished.output.append(buffer, count);
  const int status = pclose(pipe);
  finished.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return finished;
}

// Runs a command once this process has ended, in whatever way: a private stack is detached and would outlive it.
class LastWill {
 public:
  explicit LastWill(const std::string& command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe is left");
    heir_ = fork();
    if (heir_ == 0) {
      dup2(ends[0], STDIN_FILENO);
      // By the environment, so that the command line does not name the stack's folder, which a test looks for.
      setenv("NS_TEST_WILL", command.c_str(), 1);
      execl("/bin/sh", "sh", "-c", "read nothing; eval \"$NS_TEST_WILL\"", nullptr);
      _exit(127);
    }
    close(ends[0]);
    held_ = ends[1];
  }
  ~LastWill() {
    close(held_);
    waitpid(heir_, nullptr, 0);
  }
  LastWill(const LastWill&) = delete;
  LastWill& operator=(const LastWill&) = delete;

 private:
  pid_t heir_ = -1;
  int held_ = -1;
};

class PrivateStack : public ::testing::Test {
 protected:
  // ns-client with these words, on this stack and on no other.
  Finished client(const std::string& words) { return run(command(words)); }
  std::string command(const std::string& words) const {
    return "NS_BROKER= " + binary("ns-client").string() + " --dir " + stack_folder() + " " + words;
  }
  std::string stack_folder() const { return folder_.path() / "stack"; }
  std::size_t processes() const;

  TempFolder folder_;
  LastWill end_{command("down > " + (folder_.path() / "down.log").string() + " 2>&1")};
};

template <typename Condition>
void wait_until(const std::string& what, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain for " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// How many processes have the stack's folder in their command line.
std::size_t PrivateStack::processes() const {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string words{std::istreambuf_iterator<char>(file), {}};
    found += words.find(stack_folder()) != std::string::npos;
  }
  return found;
}

TEST_F(PrivateStack, optimizes_the_digits_model) {
  Finished finished = client("up --workers 1");
  ASSERT_EQ(finished.status, 0) << finished.output;
  finished = client("up --workers 1");
  EXPECT_EQ(finished.status, 0) << "up twice: " << finished.output;

  const std::string task_file = NS_SOURCE_DIR "/client/examples/digits/task.yaml";
  finished = client("submit --wait " + task_file);
  ASSERT_EQ(finished.status, 0) << finished.output;

  finished = client("result last -o " + (folder_.path() / "optimized").string());
  ASSERT_EQ(finished.status, 0) << finished.output;
  // The optimized model is the smaller one, and it is there.
  const auto before = std::filesystem::file_size(NS_SOURCE_DIR "/client/examples/digits/model.onnx");
  EXPECT_LT(std::filesystem::file_size(folder_.path() / "optimized" / "model.onnx"), before / 2);
  EXPECT_GT(std::filesystem::file_size(folder_.path() / "optimized" / "report.json"), 0u);

  api::ClientOptions options;
  options.endpoints = {"ipc://" + stack_folder() + "/broker.sock"};
  api::Client direct(options);
  const TaskId task = direct.list_tasks({}).tasks.at(0).task;
  const History history = read_history(direct, task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.state, TaskState::done) << history.text();
  const Json result = Json::parse(history.task.result);
  EXPECT_TRUE(result.at("met").get<bool>()) << history.task.result;
  EXPECT_TRUE(result.at("table").at("rows").is_array()) << history.task.result;
  EXPECT_EQ(result.at("trials").get<std::size_t>(), history.trials.size());

  finished = client("down");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(processes(), 0u) << "down left processes behind";
}

TEST_F(PrivateStack, restarts_a_part_that_dies) {
  ASSERT_EQ(client("up --workers 1").status, 0);
  api::ClientOptions options;
  options.endpoints = {"ipc://" + stack_folder() + "/broker.sock"};
  options.deadline = std::chrono::seconds(60);
  api::Client direct(options);
  wait_until("the worker", [&] { return direct.list_workers().workers.size() == 1; });
  const WorkerInfo first = direct.list_workers().workers.at(0);
  ASSERT_EQ(::kill(static_cast<pid_t>(first.pid), SIGKILL), 0);
  wait_until("another worker", [&] {
    const auto workers = direct.list_workers().workers;
    return std::any_of(workers.begin(), workers.end(),
                       [&](const WorkerInfo& worker) { return worker.pid != first.pid; });
  });
  const Finished finished = client("submit --wait " NS_SOURCE_DIR "/client/examples/experiment/task.yaml");
  EXPECT_EQ(finished.status, 0) << finished.output;
  const TaskId task = direct.list_tasks({}).tasks.at(0).task;
  const History history = read_history(direct, task);
  expect_every_trial_ended_once(history);
  EXPECT_EQ(history.task.trials_succeeded, 12u) << history.text();
}

TEST_F(PrivateStack, refuses_a_task_that_cannot_work_when_it_is_submitted) {
  ASSERT_EQ(client("up --workers 1").status, 0);
  const std::filesystem::path digits = NS_SOURCE_DIR "/client/examples/digits";
  const auto submit = [&](const std::string& model, const std::string& evaluation, const std::string& more) {
    const std::filesystem::path file = folder_.path() / "task.yaml";
    std::ofstream(file) << "kind: quantize\nmodel: " << model
                        << "\ndata:\n  calibration: {npz: " << (digits / "calib.npz").string()
                        << "}\n  evaluation: {npz: " << evaluation << "}\n"
                        << more;
    return client("submit " + file.string());
  };
  const std::string model = digits / "model.onnx", data = digits / "eval.npz";
  Finished finished = submit(model, data, "stop: {max_trials: none}\n");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("stop.max_trials"), std::string::npos) << finished.output;
  finished = submit(folder_.path() / "missing.onnx", data, "");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("missing.onnx"), std::string::npos) << finished.output;
  finished = submit(data, data, "");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("model"), std::string::npos) << finished.output;
  finished = submit(model, model, "");
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("data.evaluation"), std::string::npos) << finished.output;
}

TEST_F(PrivateStack, refuses_to_measure_on_what_calibration_saw) {
  ASSERT_EQ(client("up --workers 1").status, 0);
  const std::filesystem::path digits = NS_SOURCE_DIR "/client/examples/digits";
  const std::filesystem::path file = folder_.path() / "task.yaml";
  const std::string calibration = (digits / "calib.npz").string();
  std::ofstream(file) << "kind: quantize\nmodel: " << (digits / "model.onnx").string()
                      << "\ndata:\n  calibration: {npz: " << calibration << "}\n  evaluation: {npz: " << calibration
                      << ", labels: labels}\n";
  const Finished finished = client("submit " + file.string());
  EXPECT_EQ(finished.status, 2) << finished.output;
  EXPECT_NE(finished.output.find("200 of 200 samples"), std::string::npos) << finished.output;
}

TEST_F(PrivateStack, says_when_there_is_no_service) {
  const Finished finished = client("list");
  EXPECT_EQ(finished.status, 3) << finished.output;
}

}  // namespace
}  // namespace ns::testing
