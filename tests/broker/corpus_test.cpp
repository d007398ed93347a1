// The fuzz target's inputs, those that once found something among them, as a test.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/broker_play.h"

namespace ns::fuzz {
namespace {

TEST(Corpus, the_broker_survives_every_input_of_its_fuzz_target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(NS_SOURCE_DIR "/tests/fuzz/corpus/broker")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_FALSE(files.empty());
  BrokerPlay play;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NO_THROW(play.play(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size())) << path;
  }
}

}  // namespace
}  // namespace ns::fuzz
