#include "broker/artifacts.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "common/id.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/sha256.h"

namespace ns::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kThreads = 2;        // one may hash a large file while the other serves chunks
constexpr std::size_t kMostWaiting = 256;  // 128 MiB of chunks in memory
constexpr std::chrono::hours kUploadAge{24};

Error failed(const fs::path& path, const std::string& what) {
  return Error(ErrorCode::unavailable, "artifact store: " + path.string() + ": " + what + ": " + std::strerror(errno));
}

class File {
 public:
  File(const fs::path& path, int flags) : path_(path), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  void require_open() const {
    if (!is_open()) throw failed(path_, "cannot be opened");
  }
  std::uint64_t size() const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) throw failed(path_, "has no size");
    return static_cast<std::uint64_t>(status.st_size);
  }
  void resize(std::uint64_t size) const {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) throw failed(path_, "cannot be made that large");
  }
  void write(std::uint64_t offset, const std::string& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count =
          ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) throw failed(path_, "cannot be written");
      done += static_cast<std::size_t>(count);
    }
  }
  std::string read(std::uint64_t offset, std::size_t length) const {
    std::string bytes(length, '\0');
    std::size_t done = 0;
    while (done < length) {
      const ssize_t count = ::pread(descriptor_, bytes.data() + done, length - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw failed(path_, "cannot be read");
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  }
  void sync() const {
    if (::fsync(descriptor_) != 0) throw failed(path_, "cannot be written to the disk");
  }

 private:
  const fs::path path_;
  const int descriptor_;
};

void require_id(const ArtifactId& id) {
  if (!is_artifact_id(id.text)) throw Error(ErrorCode::invalid, "not an artifact id", "artifact");
}

std::string digits_of(const ArtifactId& id) { return id.text.substr(std::strlen("sha256:")); }

// Chunks begin at multiples of kChunkBytes and are whole, but for the last: so that an upload can be counted.
void require_aligned(const PutArtifact& put, std::size_t length) {
  const std::uint64_t expected = std::min<std::uint64_t>(limits::kChunkBytes, put.size - put.offset);
  if (put.offset % limits::kChunkBytes == 0 && length == expected) return;
  throw Error(ErrorCode::invalid,
              "a chunk of " + std::to_string(length) + " bytes at offset " + std::to_string(put.offset) + " of " +
                  std::to_string(put.size) + ": offsets must be multiples of " + std::to_string(limits::kChunkBytes) +
                  " and chunks as long, but for the last",
              "offset");
}

}  // namespace

ArtifactStore::ArtifactStore(net::PollLoop& loop, const fs::path& folder) : loop_(loop), folder_(folder) {
  std::error_code failure;
  fs::create_directories(folder_ / "partial", failure);
  if (!failure) fs::create_directories(folder_ / "sha256", failure);
  if (failure || ::access((folder_ / "partial").c_str(), W_OK | X_OK) != 0) {
    throw Error(ErrorCode::unavailable, "artifact folder '" + folder_.string() + "' cannot be written", "artifacts");
  }
  wake_up_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_up_ < 0) throw Error(ErrorCode::unavailable, "no eventfd is left");
  loop_.watch(wake_up_, {true, false}, [this](net::PollLoop::Ready) { deliver(); });
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
}

ArtifactStore::~ArtifactStore() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  loop_.unwatch(wake_up_);
  ::close(wake_up_);
}

void ArtifactStore::stat(const ArtifactId& id, Callback<ArtifactInfo> callback) {
  submit<ArtifactInfo>([this, id] { return stat_now(id); }, std::move(callback));
}

void ArtifactStore::put(const PutArtifact& put, std::string bytes, Callback<ArtifactInfo> callback) {
  submit<ArtifactInfo>([this, put, bytes = std::move(bytes)] { return put_now(put, bytes); }, std::move(callback));
}

void ArtifactStore::get(const GetArtifact& get, Callback<Chunk> callback) {
  submit<Chunk>([this, get] { return get_now(get); }, std::move(callback));
}

void ArtifactStore::remove_old_uploads() {
  submit<bool>(
      [this] {
        remove_old_uploads_now();
        return true;
      },
      [](bool, const std::optional<Error>&) {});
}

// ---- between the loop and the threads

template <typename Value>
void ArtifactStore::submit(std::function<Value()> work, Callback<Value> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) throw Error(ErrorCode::overloaded, "the artifact store is busy");
    waiting_.push_back([this, work = std::move(work), callback = std::move(callback)]() mutable {
      Value value{};
      std::optional<Error> error;
      try {
        value = work();
      } catch (const Error& thrown) {
        error = thrown;
      } catch (const std::exception& thrown) {
        error = Error(ErrorCode::unavailable, std::string("artifact store: ") + thrown.what());
      }
      const std::lock_guard done_lock(mutex_);
      // Moved: what the callback holds belongs to the loop's thread, which must be the one to let go of it.
      done_.push_back([callback = std::move(callback), value = std::move(value), error] { callback(value, error); });
    });
  }
  changed_.notify_one();
}

void ArtifactStore::work() {
  for (;;) {
    std::function<void()> next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (ending_) return;  // what waits is repeated by its sender
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next();
    const std::uint64_t one = 1;
    if (::write(wake_up_, &one, sizeof one) < 0) log::debug("the artifact store's wake-up is full");
  }
}

void ArtifactStore::deliver() {
  std::uint64_t count = 0;
  if (::read(wake_up_, &count, sizeof count) < 0) return;
  std::deque<std::function<void()>> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const auto& callback : done) callback();
}

// ---- on the threads

fs::path ArtifactStore::final_path(const ArtifactId& id) const {
  require_id(id);
  const std::string digits = digits_of(id);
  return folder_ / "sha256" / digits.substr(0, 2) / digits;
}

ArtifactInfo ArtifactStore::stat_now(const ArtifactId& id) const {
  std::error_code failure;
  const auto size = fs::file_size(final_path(id), failure);
  return {id, !failure, failure ? 0 : size};
}

ArtifactInfo ArtifactStore::put_now(const PutArtifact& put, const std::string& bytes) const {
  const ArtifactInfo known = stat_now(put.artifact);
  if (known.exists) return known;
  require_aligned(put, bytes.size());
  const fs::path partial = folder_ / "partial" / (digits_of(put.artifact) + "." + put.upload);
  fs::path marks_path = partial;
  marks_path += ".chunks";
  const std::size_t chunks = std::max<std::size_t>(1, (put.size + limits::kChunkBytes - 1) / limits::kChunkBytes);
  {
    const File file(partial, O_RDWR | O_CREAT);
    file.require_open();
    if (file.size() != put.size) file.resize(put.size);
    file.write(put.offset, bytes);
    file.sync();
    const File marks(marks_path, O_RDWR | O_CREAT);
    marks.require_open();
    marks.write(put.offset / limits::kChunkBytes, "\1");
    const std::string written = marks.read(0, chunks);
    if (written.size() < chunks || written.find('\0') != std::string::npos) return {put.artifact, false, put.size};
  }
  const ArtifactId content = artifact_id_of_file(partial);
  std::error_code ignored;
  if (content != put.artifact) {
    fs::remove(partial, ignored);
    fs::remove(marks_path, ignored);
    throw Error(ErrorCode::invalid, "the uploaded bytes have " + content.text + ": they are not " + put.artifact.text,
                "artifact");
  }
  const fs::path target = final_path(put.artifact);
  fs::create_directories(target.parent_path());
  std::error_code failure;
  fs::rename(partial, target, failure);
  fs::remove(marks_path, ignored);
  const ArtifactInfo stored = stat_now(put.artifact);
  // Another thread or broker may have finished the same upload first.
  if (!stored.exists) {
    throw Error(ErrorCode::unavailable, "artifact store: " + target.string() + ": " + failure.message());
  }
  return stored;
}

ArtifactStore::Chunk ArtifactStore::get_now(const GetArtifact& get) const {
  const fs::path path = final_path(get.artifact);
  const File file(path, O_RDONLY);
  if (!file.is_open()) {
    throw Error(ErrorCode::not_found, "artifact " + get.artifact.text + " is not in the store", "artifact");
  }
  const std::uint64_t size = file.size();
  if (get.offset > size) {
    throw Error(ErrorCode::invalid,
                "offset " + std::to_string(get.offset) + " is beyond the artifact's " + std::to_string(size) + " bytes",
                "offset");
  }
  return {size, file.read(get.offset, std::min<std::uint64_t>(get.length, size - get.offset))};
}

void ArtifactStore::remove_old_uploads_now() const {
  const auto oldest = fs::file_time_type::clock::now() - kUploadAge;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder_ / "partial", failure)) {
    std::error_code ignored;
    if (entry.last_write_time(ignored) < oldest && !ignored) fs::remove(entry.path(), ignored);
  }
}

}  // namespace ns::broker
