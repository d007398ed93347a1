// ArtifactCache: artifacts of the store on this host's disk, so that a model is fetched once and not once a trial.
//
// A folder that several workers of one host share without locks: files are put there whole (temporary and rename), are
// named by their hash, never change, and may be removed by anyone at any time. So what is handed out is an open file,
// which stays readable whatever happens to its name. Bounded by size, least recently used out first. One thread an
// object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "common/id.h"

namespace ns::worker {

class CachedFile {
 public:
  CachedFile() = default;
  explicit CachedFile(int descriptor) : descriptor_(descriptor) {}
  ~CachedFile();
  CachedFile(CachedFile&& other) noexcept;
  CachedFile& operator=(CachedFile&& other) noexcept;

  // Opens the file whatever has become of its name in the cache; valid in this process while this object lives.
  std::filesystem::path path() const;

 private:
  int descriptor_ = -1;
};

class ArtifactCache {
 public:
  // Puts the artifact's bytes into a file that does not exist yet, or throws.
  using Fetch = std::function<void(const ArtifactId&, const std::filesystem::path&)>;

  ArtifactCache(std::filesystem::path folder, std::uint64_t most_bytes, Fetch fetch);

  // Error(invalid) for what is no artifact id; otherwise what fetching throws. A damaged copy is fetched again.
  CachedFile get(const ArtifactId&);

 private:
  std::filesystem::path place_of(const ArtifactId&) const;
  void fetch(const ArtifactId&);
  bool intact(const ArtifactId&, const CachedFile&);
  void make_room() const;

  std::filesystem::path folder_;
  std::uint64_t most_bytes_;
  Fetch fetch_;
  std::set<std::string> verified_;  // artifact, inode and size of copies that this process has hashed
};

}  // namespace ns::worker
