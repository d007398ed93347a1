// .npy and .npz bytes made by hand, right and wrong ones.
#pragma once

#include <zip.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ns::data::testing {

// A .npy file: version major.0, the header as given, then the data.
std::string npy_bytes(std::string_view header, std::string_view data, int major = 1);

// The header numpy writes.
std::string npy_header(std::string_view descr, std::string_view shape, bool fortran_order = false);

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
std::string npy(std::string_view descr, std::string_view shape, const std::vector<T>& values) {
  return npy_bytes(npy_header(descr, shape), bytes_of(values));
}

struct ZipOptions {
  zip_int32_t compression = ZIP_CM_DEFLATE;
  bool encrypt = false;
};

// A zip of the files, made by libzip.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& files, const ZipOptions& = {});

std::span<const std::byte> as_bytes(std::string_view text);

// A file in the test's temporary folder, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes, std::string_view suffix = ".npz");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ns::data::testing
