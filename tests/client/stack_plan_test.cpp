#include <gtest/gtest.h>

#include <filesystem>

#include "client/stack/cpu_shares.h"
#include "client/stack/layout.h"
#include "client/stack/part.h"
#include "common/error.h"

namespace ns::client::stack {
namespace {

using namespace std::chrono_literals;

TEST(CpuShares, are_even_and_never_split_a_core) {
  // Two sockets with two cores of two hardware threads each, numbered as usual.
  const std::vector<Cpu> cpus = {{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {3, 1, 1},
                                 {4, 0, 0}, {5, 0, 1}, {6, 1, 0}, {7, 1, 1}};
  EXPECT_EQ(share_out(cpus, 1), (std::vector<std::string>{"0-7"}));
  EXPECT_EQ(share_out(cpus, 2), (std::vector<std::string>{"0-1,4-5", "2-3,6-7"}));
  EXPECT_EQ(share_out(cpus, 3), (std::vector<std::string>{"0,4", "1,5", "2-3,6-7"}));
  EXPECT_EQ(share_out(cpus, 4), (std::vector<std::string>{"0,4", "1,5", "2,6", "3,7"}));
  EXPECT_EQ(share_out(cpus, 5).back(), "0,4");  // more workers than cores: they share, in turn
  EXPECT_EQ(sockets_of(cpus), (std::vector<int>{0, 1}));
}

TEST(CpuShares, the_machine_has_at_least_one_cpu) { EXPECT_FALSE(usable_cpus().empty()); }

TEST(Backoff, doubles_up_to_ten_seconds) {
  EXPECT_EQ(Part::backoff(1), 100ms);
  EXPECT_EQ(Part::backoff(2), 200ms);
  EXPECT_EQ(Part::backoff(5), 1600ms);
  EXPECT_EQ(Part::backoff(8), 10s);
  EXPECT_EQ(Part::backoff(4'000'000'000u), 10s);
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ns-stack-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(Folder, a_lock_is_seen_without_being_taken_and_ends_with_its_holder) {
  const Layout layout(folder_);
  EXPECT_FALSE(is_running(layout));
  {
    const FileLock lock = FileLock::try_take(layout.lock());
    ASSERT_TRUE(lock.held());
    EXPECT_TRUE(is_running(layout));
    EXPECT_FALSE(FileLock::try_take(layout.lock()).held());
  }
  EXPECT_FALSE(is_running(layout));
}

TEST_F(Folder, is_made_for_its_user_alone) {
  const Layout layout(folder_ / "deep" / "stack");
  make_folders(layout);
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(layout.directory()).permissions() & perms::mask, perms::owner_all);
  EXPECT_TRUE(std::filesystem::is_directory(layout.log()));
}

TEST_F(Folder, that_others_may_write_to_is_refused) {
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  EXPECT_THROW(make_folders(Layout(folder_)), Error);
}

TEST_F(Folder, whose_sockets_would_have_too_long_a_path_is_refused) {
  try {
    make_folders(Layout(folder_ / std::string(100, 'x')));
    FAIL() << "not refused";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.code(), ErrorCode::invalid);
    EXPECT_NE(std::string(problem.what()).find("107"), std::string::npos) << problem.what();
  }
}

}  // namespace
}  // namespace ns::client::stack
