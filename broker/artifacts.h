// ArtifactStore: blobs in a folder, each named by its SHA-256. Several brokers may share the folder.
//
//   sha256/<first two digits>/<64 digits>      whole, verified, never changed again
//   partial/<64 digits>.<upload>               an upload under way: chunks at their offsets
//   partial/<64 digits>.<upload>.chunks        one byte a chunk, 1 once it is written
//
// All state of an upload is in the folder, so that its chunks may come through different brokers and in any order.
// Owned by Broker. Calls and their callbacks: the loop's thread; files are read, written and hashed by two threads of
// its own. Names come only from is_artifact_id() and a checked upload name.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/messages.h"
#include "common/net/poll_loop.h"

namespace ns::broker {

class ArtifactStore {
 public:
  struct Chunk {
    std::uint64_t size = 0;  // of the whole
    std::string bytes;
  };
  template <typename Value>
  using Callback = std::function<void(const Value&, const std::optional<Error>&)>;

  // Makes the folder; Error(unavailable) names it when it cannot be written.
  ArtifactStore(net::PollLoop&, const std::filesystem::path& folder);
  ~ArtifactStore();

  void stat(const ArtifactId&, Callback<ArtifactInfo>);
  void put(const PutArtifact&, std::string bytes, Callback<ArtifactInfo>);
  void get(const GetArtifact&, Callback<Chunk>);
  void remove_old_uploads();  // those that nobody has written to for a day

 private:
  template <typename Value>
  void submit(std::function<Value()> work, Callback<Value> callback);
  void work();
  void deliver();

  std::filesystem::path final_path(const ArtifactId&) const;
  ArtifactInfo stat_now(const ArtifactId&) const;
  ArtifactInfo put_now(const PutArtifact&, const std::string& bytes) const;
  Chunk get_now(const GetArtifact&) const;
  void remove_old_uploads_now() const;

  net::PollLoop& loop_;
  const std::filesystem::path folder_;
  int wake_up_ = -1;  // eventfd: something is done
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;  // guarded by mutex_
  std::deque<std::function<void()>> done_;     // guarded by mutex_
  bool ending_ = false;                        // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace ns::broker
