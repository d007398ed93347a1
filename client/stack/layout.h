// Where the parts of a private stack lie in its folder, and whether it runs. Plain values and file locks; any thread.
//
//   D/lock            held by the supervisor; says "a stack runs here" for as long as it lives, however it dies
//   D/parts.lock      held by every part, inherited; free once the last process of the stack has gone
//   D/control         a FIFO: whoever writes to it asks the supervisor to stop
//   D/state.json      the parts, their processes and restarts, as the supervisor last wrote them
//   D/redis.sock D/broker.sock   D/redis/  D/artifacts/  D/cache/  D/log/
#pragma once

#include <filesystem>
#include <string>

namespace ns::client::stack {

class Layout {
 public:
  explicit Layout(std::filesystem::path directory);

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path lock() const { return directory_ / "lock"; }
  std::filesystem::path parts_lock() const { return directory_ / "parts.lock"; }
  std::filesystem::path control() const { return directory_ / "control"; }
  std::filesystem::path state() const { return directory_ / "state.json"; }
  std::filesystem::path redis_socket() const { return directory_ / "redis.sock"; }
  std::filesystem::path broker_socket() const { return directory_ / "broker.sock"; }
  std::filesystem::path redis() const { return directory_ / "redis"; }
  std::filesystem::path artifacts() const { return directory_ / "artifacts"; }
  std::filesystem::path cache() const { return directory_ / "cache"; }
  std::filesystem::path log() const { return directory_ / "log"; }
  std::string endpoint() const { return "ipc://" + broker_socket().string(); }

 private:
  std::filesystem::path directory_;
};

// An open file whose lock is held; the lock goes with the last process that has it open.
class FileLock {
 public:
  FileLock() = default;
  explicit FileLock(int fd) : fd_(fd) {}  // already held
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

  // Makes the file where there is none. Not held when somebody else holds it.
  static FileLock try_take(const std::filesystem::path&);

  bool held() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// Whether a supervisor lives; asks the lock and changes nothing.
bool is_running(const Layout&);
// Whether any process of a stack, this or an earlier one, is left.
bool has_parts(const Layout&);

// Makes the folder and its parts, for this user alone. Error(invalid) where it is somebody else's, or where a socket's
// path would be longer than a Unix socket's may be.
void make_folders(const Layout&);

}  // namespace ns::client::stack
