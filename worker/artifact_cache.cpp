#include "worker/artifact_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/log.h"
#include "common/sha256.h"

namespace ns::worker {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporary = "fetching-";
constexpr auto kAbandoned = std::chrono::hours(1);  // a temporary this old has nobody left who fetches into it
constexpr int kTries = 3;                           // against another worker that removes what we just fetched

int open_existing(const fs::path& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }

}  // namespace

CachedFile::~CachedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

CachedFile::CachedFile(CachedFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

CachedFile& CachedFile::operator=(CachedFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

fs::path CachedFile::path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

ArtifactCache::ArtifactCache(fs::path folder, std::uint64_t most_bytes, Fetch fetch)
    : folder_(std::move(folder)), most_bytes_(most_bytes), fetch_(std::move(fetch)) {
  std::error_code failure;
  fs::create_directories(folder_, failure);
  if (failure) {
    throw Error(ErrorCode::unavailable,
                fmt::format("the cache folder {} cannot be made: {}", folder_.string(), failure.message()));
  }
}

fs::path ArtifactCache::place_of(const ArtifactId& id) const { return folder_ / id.text.substr(id.text.find(':') + 1); }

CachedFile ArtifactCache::get(const ArtifactId& id) {
  if (!is_artifact_id(id.text)) {
    throw Error(ErrorCode::invalid,
                fmt::format("\"{}\" is not an artifact id (sha256: and 64 hexadecimal digits)", id.text));
  }
  const fs::path place = place_of(id);
  for (int tries = 0; tries < kTries; ++tries) {
    const int descriptor = open_existing(place);
    if (descriptor < 0) {
      fetch(id);
      continue;
    }
    CachedFile file(descriptor);
    if (intact(id, file)) {
      ::utimensat(AT_FDCWD, place.c_str(), nullptr, 0);  // used now; the time is what the oldest are found by
      return file;
    }
    log::warning("the copy of {} in the cache is damaged; fetching it again", id.text);
    ::unlink(place.c_str());
  }
  throw Error(ErrorCode::unavailable, fmt::format("{} could not be kept in the cache {}", id.text, folder_.string()));
}

void ArtifactCache::fetch(const ArtifactId& id) {
  static std::atomic<unsigned> count{0};
  const fs::path temporary = folder_ / fmt::format("{}{}-{}", kTemporary, ::getpid(), ++count);
  try {
    fetch_(id, temporary);
    fs::rename(temporary, place_of(id));
  } catch (const fs::filesystem_error& failure) {
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::unavailable, fmt::format("{} cannot be put into the cache: {}", id.text, failure.what()));
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  make_room();
}

bool ArtifactCache::intact(const ArtifactId& id, const CachedFile& file) {
  struct stat status {};
  if (::stat(file.path().c_str(), &status) != 0) return false;
  // Not the times: using a copy changes them. A damaged disk block under the same inode is beyond this check.
  const std::string key = fmt::format("{} {} {}", id.text, status.st_ino, status.st_size);
  if (verified_.contains(key)) return true;
  if (artifact_id_of_file(file.path()) != id) return false;
  verified_.insert(key);
  return true;
}

void ArtifactCache::make_room() const {
  struct Copy {
    fs::path path;
    std::uint64_t size;
    fs::file_time_type used;
  };
  std::vector<Copy> copies;
  std::uint64_t total = 0;
  std::error_code ignored;  // a file that another worker removes meanwhile is as good as removed
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, ignored)) {
    std::error_code failure;
    if (!entry.is_regular_file(failure) || failure) continue;
    const auto size = entry.file_size(failure);
    const auto used = entry.last_write_time(failure);
    if (failure) continue;
    if (entry.path().filename().string().starts_with(kTemporary)) {
      if (fs::file_time_type::clock::now() - used > kAbandoned) fs::remove(entry.path(), failure);
      continue;
    }
    copies.push_back({entry.path(), size, used});
    total += size;
  }
  std::sort(copies.begin(), copies.end(), [](const Copy& left, const Copy& right) { return left.used < right.used; });
  for (std::size_t index = 0; index + 1 < copies.size() && total > most_bytes_; ++index) {  // never the newest
    fs::remove(copies[index].path, ignored);
    total -= copies[index].size;
  }
}

}  // namespace ns::worker
