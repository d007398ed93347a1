#include "client/task_guide.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace ns::client {
namespace {

TEST(TaskGuide, the_committed_file_is_what_the_schemas_say) {
  std::ifstream file(NS_SOURCE_DIR "/client/TASKS.md");
  ASSERT_TRUE(file) << "client/TASKS.md is missing";
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(committed, task_guide()) << "write it again with: ns-client schema --markdown > client/TASKS.md";
}

}  // namespace
}  // namespace ns::client
