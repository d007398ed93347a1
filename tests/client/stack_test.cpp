// up and down with real processes, killed at bad moments. Nothing here waits for time to pass: it waits for what the
// stack says of itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace ns::client {
namespace {

using nlohmann::json;

struct Finished {
  int status = -1;
  std::string output;
};

class Stack : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"ns-client", "ns-broker", "ns-worker"}) {
      if (::access((std::string(NS_BIN_DIR "/") + program).c_str(), X_OK) != 0) {
        GTEST_SKIP() << program << " is not built";
      }
    }
    std::string name = "/tmp/ns-up-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }

  void TearDown() override {
    if (folder_.empty()) return;
    client({"down"});
    for (const pid_t pid : processes()) ::kill(pid, SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  // Runs ns-client on this folder with --json.
  Finished client(std::vector<std::string> words) const {
    words.insert(words.begin(), NS_BIN_DIR "/ns-client");
    words.insert(words.end(), {"--dir", folder_.string(), "--json"});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {};
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    Finished finished;
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
      finished.output.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return finished;
  }

  json up(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), "up");
    const Finished finished = client(more);
    EXPECT_EQ(finished.status, 0) << finished.output;
    return json::parse(finished.output, nullptr, false);
  }

  // Every process that has the folder in its command line or a file of it open.
  std::vector<pid_t> processes() const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const pid_t pid = std::stoi(name);
      if (pid != ::getpid() && touches_folder(entry.path())) found.push_back(pid);
    }
    return found;
  }

  json state() const {
    std::ifstream file(folder_ / "state.json");
    return json::parse(file, nullptr, false);
  }

  json part(const std::string& name) const {
    const json now = state();
    if (!now.is_object()) return {};
    for (const json& one : now["parts"]) {
      if (one["name"] == name) return one;
    }
    return {};
  }

  // Until `holds` does; a minute is forever.
  template <typename Condition>
  bool eventually(Condition holds) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  std::size_t workers_connected() const {
    const Finished finished = client({"workers"});
    const json list = json::parse(finished.output, nullptr, false);
    return finished.status == 0 && list.is_object() ? list["workers"].size() : 0;
  }

  std::filesystem::path folder_;

 private:
  bool touches_folder(const std::filesystem::path& process) const {
    std::ifstream file(process / "cmdline", std::ios::binary);
    const std::string command{std::istreambuf_iterator<char>(file), {}};
    if (command.find(folder_.string()) != std::string::npos) return true;
    std::error_code gone;
    for (auto at = std::filesystem::directory_iterator(process / "fd", gone);
         !gone && at != std::filesystem::directory_iterator(); at.increment(gone)) {
      std::error_code unreadable;
      const std::string target = std::filesystem::read_symlink(at->path(), unreadable).string();
      if (target.compare(0, folder_.string().size(), folder_.string()) == 0) return true;
    }
    return false;
  }
};

TEST_F(Stack, up_twice_is_harmless_and_down_leaves_no_process) {
  EXPECT_EQ(client({"list"}).status, 3);  // nothing runs: not reachable
  const json first = up({"--workers", "2"});
  EXPECT_EQ(first["already_running"], false);
  EXPECT_EQ(first["workers"], 2);
  const pid_t supervisor = state()["supervisor"];
  const json second = up();
  EXPECT_EQ(second["already_running"], true);
  EXPECT_EQ(state()["supervisor"], supervisor);
  EXPECT_EQ(client({"list"}).status, 0);

  const Finished down = client({"down"});
  EXPECT_EQ(down.status, 0);
  EXPECT_EQ(json::parse(down.output)["was_running"], true);
  EXPECT_TRUE(processes().empty());
  const Finished again = client({"down"});
  EXPECT_EQ(again.status, 0);
  EXPECT_EQ(json::parse(again.output)["was_running"], false);
}

TEST_F(Stack, a_part_that_is_killed_is_started_again) {
  up({"--workers", "1"});
  for (const char* name : {"worker-0", "broker", "redis"}) {
    const pid_t before = part(name)["pid"];
    ASSERT_GT(before, 0);
    ::kill(before, SIGKILL);
    ASSERT_TRUE(eventually([&] {
      const json now = part(name);
      return now.is_object() && now["restarts"] == 1 && now["pid"] != before && now["pid"] != 0;
    })) << name
        << state().dump(1);
    EXPECT_EQ(part(name)["last_end"], "signal 9");
    ASSERT_TRUE(eventually([&] { return workers_connected() >= 1; })) << name;
  }
}

TEST_F(Stack, a_drained_worker_stays_away_until_the_next_up) {
  up({"--workers", "2"});
  const json list = json::parse(client({"workers"}).output);
  const json& leaving = list["workers"][0];
  const std::string name = part("worker-0")["pid"] == leaving["pid"] ? "worker-0" : "worker-1";
  const std::string staying = name == "worker-0" ? "worker-1" : "worker-0";
  EXPECT_EQ(client({"workers", "drain", leaving["worker"].get<std::string>()}).status, 0);
  ASSERT_TRUE(eventually([&] { return part(name)["pid"] == 0; })) << state().dump(1);
  EXPECT_TRUE(eventually([&] { return workers_connected() == 1; })) << "it said goodbye";
  // What dies after it is started again, and it is not.
  const pid_t before = part(staying)["pid"];
  ::kill(before, SIGKILL);
  ASSERT_TRUE(eventually([&] { return part(staying)["pid"] != before && part(staying)["pid"] != 0; }));
  EXPECT_EQ(part(name)["pid"], 0);
  EXPECT_EQ(up()["workers"], 2);
  EXPECT_NE(part(name)["pid"], 0);
  EXPECT_EQ(part(name)["restarts"], 0) << "it did not fail";
}

TEST_F(Stack, a_killed_supervisor_takes_its_parts_along_and_up_works_again) {
  up({"--workers", "1"});
  const pid_t supervisor = state()["supervisor"];
  ::kill(supervisor, SIGKILL);
  ASSERT_TRUE(eventually([&] { return ::kill(supervisor, 0) != 0; }));
  const json again = up({"--workers", "1"});  // waits for what is left by itself
  EXPECT_EQ(again["already_running"], false);
  EXPECT_EQ(again["workers"], 1);
  EXPECT_EQ(client({"down"}).status, 0);
  EXPECT_TRUE(processes().empty());
}

TEST_F(Stack, every_process_ends_when_the_supervisor_is_killed) {
  up({"--workers", "2"});
  ::kill(state()["supervisor"].get<pid_t>(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return processes().empty(); }));
  const Finished down = client({"down"});
  EXPECT_EQ(json::parse(down.output)["was_running"], false);
}

TEST_F(Stack, wrong_input_is_refused_before_anything_is_sent) {
  up({"--workers", "1"});
  std::ofstream(folder_ / "task.yaml") << "kind: quantize\nmodle: x\n";
  const Finished submitted = client({"submit", (folder_ / "task.yaml").string()});
  EXPECT_EQ(submitted.status, 2);
  EXPECT_EQ(json::parse(submitted.output)["error"]["field"], "modle");
  EXPECT_EQ(json::parse(client({"list"}).output)["total"], 0);
  EXPECT_EQ(client({"status", "last"}).status, 2);
}

}  // namespace
}  // namespace ns::client
