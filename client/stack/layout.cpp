#include "client/stack/layout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/error.h"

namespace ns::client::stack {

namespace {

constexpr std::size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;  // 107 bytes

struct flock whole_file(short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return range;
}

// Looks without taking: a look never makes somebody else's try_take fail.
bool is_locked(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const FileLock closes(fd);
  struct flock range = whole_file(F_WRLCK);
  return ::fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

void make_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::invalid, fmt::format("{}: cannot be made ({})", folder.string(), std::strerror(errno)),
                "dir");
  }
}

void check_owned(const std::filesystem::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    throw Error(ErrorCode::invalid, folder.string() + ": is not a folder", "dir");
  }
  if (status.st_uid != ::geteuid()) {
    throw Error(ErrorCode::invalid, folder.string() + ": belongs to another user; give a folder of your own", "dir");
  }
  if ((status.st_mode & 0022) != 0) {
    throw Error(
        ErrorCode::invalid,
        folder.string() + ": others may write there; give a folder of your own, or run: chmod go-w " + folder.string(),
        "dir");
  }
}

}  // namespace

Layout::Layout(std::filesystem::path directory) : directory_(std::move(directory)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

FileLock FileLock::try_take(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    throw Error(ErrorCode::invalid, fmt::format("{}: cannot be opened ({})", file.string(), std::strerror(errno)),
                "dir");
  }
  FileLock lock(fd);
  // A lock of the open file, not of the process: it lives through fork and exec, for as long as anyone has it open.
  struct flock range = whole_file(F_WRLCK);
  if (::fcntl(fd, F_OFD_SETLK, &range) == 0) return lock;
  return {};
}

bool is_running(const Layout& layout) { return is_locked(layout.lock()); }

bool has_parts(const Layout& layout) { return is_locked(layout.parts_lock()); }

void make_folders(const Layout& layout) {
  for (const auto& socket : {layout.redis_socket(), layout.broker_socket()}) {
    if (socket.string().size() <= kLongestSocketPath) continue;
    throw Error(ErrorCode::invalid,
                fmt::format("{}: {} bytes, but a Unix socket's path may have {}; give a shorter folder with --dir",
                            socket.string(), socket.string().size(), kLongestSocketPath),
                "dir");
  }
  std::error_code problem;
  std::filesystem::create_directories(layout.directory().parent_path(), problem);
  make_folder(layout.directory());
  check_owned(layout.directory());
  for (const auto& folder : {layout.redis(), layout.artifacts(), layout.cache(), layout.log()}) make_folder(folder);
}

}  // namespace ns::client::stack
