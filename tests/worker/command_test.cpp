#include "worker/tasks/experiment/command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/worker/workbench.h"
#include "worker/runner/process_tree.h"

namespace ns::worker::tasks {
namespace {

class CommandTest : public testing::Test {
 protected:
  Command shell(const std::string& script) {
    Command command;
    command.arguments = {"/bin/sh", "-c", script};
    command.folder = folder_.path;
    return command;
  }
  CommandEnd run(
      const Command& command, const std::function<bool()>& tick = [] { return true; }) {
    return run_command(command, folder_.path / "output.log", tick);
  }
  bool exists(const char* name) const { return std::filesystem::exists(folder_.path / name); }
  pid_t process_in(const char* name) const {
    pid_t process = 0;
    std::ifstream(folder_.path / name) >> process;
    return process;
  }

  TemporaryFolder folder_;
};

TEST_F(CommandTest, tells_status_and_last_words) {
  const CommandEnd end = run(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.last_lines, "out\nerr\n");
}

TEST_F(CommandTest, tells_the_signal) { EXPECT_EQ(run(shell("kill -SEGV $$")).signal, SIGSEGV); }

TEST_F(CommandTest, tells_why_it_cannot_start) {
  Command command = shell("");
  command.arguments = {"/no/such/program"};
  EXPECT_NE(run(command).start_error, "");
}

TEST_F(CommandTest, arguments_reach_no_shell) {
  Command command = shell("");
  command.arguments = {"/bin/echo", "$HOME;", "`id`", "a b"};
  EXPECT_EQ(run(command).last_lines, "$HOME; `id` a b\n");
}

TEST_F(CommandTest, environment_is_set_and_unset) {
  ::setenv("NS_TEST_GONE", "1", 1);
  Command command = shell("echo $NS_TEST_SET-$NS_TEST_GONE");
  command.environment = {{"NS_TEST_SET", "here"}};
  command.unset = {"NS_TEST_GONE"};
  EXPECT_EQ(run(command).last_lines, "here-\n");
}

TEST_F(CommandTest, output_without_end_is_bounded) {
  const CommandEnd end = run(shell("i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done; echo last"));
  EXPECT_LE(end.last_lines.size(), 4096u);
  EXPECT_NE(end.last_lines.find("last"), std::string::npos);
}

TEST_F(CommandTest, stopping_ends_all_that_it_started) {
  // A child, and one that went into a session of its own and lost its parent.
  const CommandEnd end =
      run(shell("sleep 1000 & echo $! > child; setsid sh -c 'echo $$ > stray; exec sleep 1000' & wait"),
          [&] { return process_in("child") == 0 || process_in("stray") == 0; });
  EXPECT_TRUE(end.stopped);
  EXPECT_EQ(::kill(process_in("child"), 0), -1);
  EXPECT_EQ(::kill(process_in("stray"), 0), -1);
  EXPECT_TRUE(descendants_of(::getpid()).empty());
}

TEST_F(CommandTest, what_it_leaves_behind_ends_with_it) {
  const CommandEnd end = run(shell("setsid sleep 1000 > /dev/null 2>&1 & echo $! > stray; exit 0"));
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(::kill(process_in("stray"), 0), -1);
}

}  // namespace
}  // namespace ns::worker::tasks
