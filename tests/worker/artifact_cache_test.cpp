#include "worker/artifact_cache.h"

#include <gtest/gtest.h>
#include <utime.h>

#include <fstream>
#include <map>

#include "tests/worker/workbench.h"

namespace ns::worker {
namespace {

std::string contents(const CachedFile& file) {
  std::ifstream in(file.path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ArtifactCacheTest : public testing::Test {
 protected:
  ArtifactId stored(const std::string& bytes) {
    const ArtifactId id = artifact_id_of(bytes);
    store_[id] = bytes;
    return id;
  }
  ArtifactCache cache(std::uint64_t most = 1 << 20) {
    return ArtifactCache(folder_.path, most, [this](const ArtifactId& id, const std::filesystem::path& target) {
      ++fetched_;
      if (!store_.contains(id)) throw Error(ErrorCode::not_found, "no such artifact");
      std::ofstream(target, std::ios::binary) << store_.at(id);
    });
  }
  std::filesystem::path place(const ArtifactId& id) const { return folder_.path / id.text.substr(7); }
  // As if it had last been used this many seconds after 1970.
  void used_at(const ArtifactId& id, long time) const {
    const utimbuf times{time, time};
    ASSERT_EQ(::utime(place(id).c_str(), &times), 0);
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_.path), {}));
  }

  TemporaryFolder folder_;
  std::map<ArtifactId, std::string> store_;
  int fetched_ = 0;
};

TEST_F(ArtifactCacheTest, fetches_once_and_shares_with_others) {
  const ArtifactId id = stored("a model");
  ArtifactCache first = cache(), second = cache();
  EXPECT_EQ(contents(first.get(id)), "a model");
  EXPECT_EQ(contents(first.get(id)), "a model");
  EXPECT_EQ(contents(second.get(id)), "a model");
  EXPECT_EQ(fetched_, 1);
}

TEST_F(ArtifactCacheTest, a_damaged_copy_is_fetched_again) {
  const ArtifactId id = stored("right");
  std::ofstream(place(id)) << "wrong";
  EXPECT_EQ(contents(cache().get(id)), "right");
  EXPECT_EQ(fetched_, 1);
}

TEST_F(ArtifactCacheTest, an_open_copy_outlives_its_name) {
  const ArtifactId id = stored("kept");
  ArtifactCache mine = cache();
  const CachedFile file = mine.get(id);
  std::filesystem::remove(place(id));
  EXPECT_EQ(contents(file), "kept");
}

TEST_F(ArtifactCacheTest, drops_the_longest_unused_first) {
  ArtifactCache mine = cache(25);
  const ArtifactId first = stored("0123456789"), second = stored("abcdefghij"), third = stored("ABCDEFGHIJ");
  mine.get(first);
  mine.get(second);
  used_at(first, 2000);
  used_at(second, 1000);
  mine.get(third);
  EXPECT_TRUE(std::filesystem::exists(place(first)));
  EXPECT_FALSE(std::filesystem::exists(place(second)));
  EXPECT_TRUE(std::filesystem::exists(place(third)));
}

TEST_F(ArtifactCacheTest, one_that_is_larger_than_the_bound_is_still_served) {
  EXPECT_EQ(contents(cache(4).get(stored("more than four"))), "more than four");
}

TEST_F(ArtifactCacheTest, a_failed_fetch_leaves_nothing) {
  ArtifactCache mine = cache();
  EXPECT_THROW(mine.get(artifact_id_of("not stored")), Error);
  EXPECT_EQ(files(), 0u);
}

TEST_F(ArtifactCacheTest, a_name_that_is_no_artifact_reaches_no_path) {
  ArtifactCache mine = cache();
  for (const char* text : {"", "../x", "sha256:../../etc/passwd", "sha256:abc"})
    EXPECT_THROW(mine.get({text}), Error) << text;
  EXPECT_EQ(fetched_, 0);
}

}  // namespace
}  // namespace ns::worker
