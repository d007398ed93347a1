#include "kernels/onnx/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/error.h"

namespace ns::onnx {

MappedFile::MappedFile(int file, const std::string& what) {
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    throw Error(ErrorCode::invalid, fmt::format("{} is not a regular file", what));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) bytes_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  const int reason = errno;
  ::close(file);
  if (bytes_ == MAP_FAILED) {
    bytes_ = nullptr;
    throw Error(ErrorCode::internal, fmt::format("cannot map {}: {}", what, std::strerror(reason)));
  }
}

MappedFile::~MappedFile() {
  if (bytes_ != nullptr) ::munmap(bytes_, size_);
}

}  // namespace ns::onnx
