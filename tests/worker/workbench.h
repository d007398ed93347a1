// A Workplace for tests: artifacts in memory, a temporary folder, nothing remote. One thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/sha256.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ns-test-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

class Workbench final : public tasks::Workplace {
 public:
  ArtifactId put_file(const std::filesystem::path& file) {
    const ArtifactId id = artifact_id_of_file(file);
    files_[id] = file;
    return id;
  }

  CachedFile artifact(const ArtifactId& id) override {
    const auto found = files_.find(id);
    if (found == files_.end()) throw Error(ErrorCode::not_found, "no artifact " + id.text);
    return CachedFile(::open(found->second.c_str(), O_RDONLY | O_CLOEXEC));
  }
  ArtifactId store(std::string_view bytes) override {
    const ArtifactId id = artifact_id_of(bytes);
    const std::filesystem::path file = folder_.path / id.text.substr(7);
    std::ofstream(file, std::ios::binary) << bytes;
    files_[id] = file;
    return id;
  }
  std::filesystem::path scratch(const std::string& name) override {
    const std::filesystem::path folder = folder_.path / "scratch" / name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
  }
  int threads() const override { return 1; }
  std::string cpus() const override { return "0"; }
  void report(const std::string& json) override { reported.push_back(json); }
  bool stopped() const override { return stop; }

  std::vector<std::string> reported;
  bool stop = false;

 private:
  TemporaryFolder folder_;
  std::map<ArtifactId, std::filesystem::path> files_;
};

}  // namespace ns::worker
