// MappedFile: a regular file's bytes, read-only, for as long as the object lives. Any thread may read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ns::onnx {

class MappedFile {
 public:
  // Takes the open file and closes it. Error(invalid) when it is not a regular file; `what` names it in errors.
  MappedFile(int file, const std::string& what);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::size_t size() const { return size_; }
  std::string_view text() const { return {static_cast<const char*>(bytes_), size_}; }

 private:
  void* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ns::onnx
