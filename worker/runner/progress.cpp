#include "worker/runner/progress.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "common/error.h"

namespace ns::worker {
namespace {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "two processes share it");

std::chrono::nanoseconds now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

[[noreturn]] void cannot_share() {
  throw Error(ErrorCode::unavailable, fmt::format("no memory can be shared with a runner: {}", std::strerror(errno)));
}

}  // namespace

std::chrono::nanoseconds boot_time() { return now(CLOCK_BOOTTIME); }
std::chrono::nanoseconds steady_time() { return now(CLOCK_MONOTONIC); }

SharedProgress::SharedProgress() : descriptor_(::memfd_create("ns-worker progress", MFD_CLOEXEC)) {
  if (descriptor_ < 0 || ::ftruncate(descriptor_, sizeof(Progress)) != 0) cannot_share();
  map();
  new (page_) Progress;
}

SharedProgress::SharedProgress(int descriptor) : descriptor_(descriptor) { map(); }

SharedProgress::~SharedProgress() {
  ::munmap(page_, sizeof(Progress));
  ::close(descriptor_);
}

void SharedProgress::map() {
  void* const page = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (page == MAP_FAILED) {
    ::close(descriptor_);
    cannot_share();
  }
  page_ = static_cast<Progress*>(page);
}

}  // namespace ns::worker
