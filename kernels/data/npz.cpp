#include "kernels/data/npz.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/data/dataset.h"
#include "kernels/data/npy.h"

namespace ns::data {
namespace {

// Deflate cannot shrink further than this; an entry that claims more lies about its size.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct EntryCloser {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, ZipCloser>;
using Entry = std::unique_ptr<zip_file_t, EntryCloser>;

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::invalid, what); }

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

Archive open_archive(std::span<const std::byte> file) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  if (source == nullptr) fail(fmt::format("not a readable .npz: {}", text_of(error)));
  Archive archive(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (!archive) {
    zip_source_free(source);
    fail(fmt::format("not a readable .npz: {}", text_of(error)));
  }
  zip_error_fini(&error);
  return archive;
}

// "images.npy" -> "images".
std::string array_name(const zip_stat_t& stat, zip_uint64_t index) {
  const std::string_view path = (stat.valid & ZIP_STAT_NAME) != 0 && stat.name != nullptr ? stat.name : "";
  if (path.size() < 5 || path.substr(path.size() - 4) != ".npy") {
    fail(fmt::format("entry {} of the .npz is not a .npy array", index));
  }
  const std::string_view name = path.substr(0, path.size() - 4);
  if (name.size() > kMaxArrayNameBytes) {
    fail(fmt::format("entry {} of the .npz has a name of {} bytes; at most {} are allowed", index, name.size(),
                     kMaxArrayNameBytes));
  }
  return std::string(name);
}

void check_stat(const std::string& name, const zip_stat_t& stat) {
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((stat.valid & kNeeded) != kNeeded) fail(fmt::format("array '{}': its zip entry is incomplete", name));
  if (stat.encryption_method != ZIP_EM_NONE) fail(fmt::format("array '{}' is encrypted", name));
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    fail(fmt::format("array '{}': compression method {} is not known; use numpy.savez or savez_compressed", name,
                     stat.comp_method));
  }
  const std::uint64_t ratio = stat.comp_method == ZIP_CM_STORE ? 1 : kMaxDeflateRatio;
  if (stat.size / ratio > stat.comp_size) {
    fail(fmt::format("array '{}' claims {} bytes from {} compressed ones", name, stat.size, stat.comp_size));
  }
}

void read_exactly(const std::string& name, zip_file_t* entry, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const zip_int64_t got = zip_fread(entry, into.data() + done, into.size() - done);
    if (got < 0) fail(fmt::format("array '{}': {}", name, zip_file_strerror(entry)));
    if (got == 0) fail(fmt::format("array '{}' ends after {} bytes", name, done));
    done += static_cast<std::size_t>(got);
  }
}

// The checksum is compared only when the end is read.
void expect_end(const std::string& name, zip_file_t* entry) {
  std::byte extra;
  const zip_int64_t got = zip_fread(entry, &extra, 1);
  if (got < 0) fail(fmt::format("array '{}': {}", name, zip_file_strerror(entry)));
  if (got > 0) fail(fmt::format("array '{}' is longer than its shape needs", name));
}

NpyHeader read_header(const std::string& name, zip_file_t* entry, std::uint64_t entry_bytes) {
  if (entry_bytes < kNpyPreambleBytes) fail(fmt::format("array '{}' is shorter than a .npy header", name));
  std::vector<std::byte> bytes(kNpyPreambleBytes);
  read_exactly(name, entry, bytes);
  const std::size_t offset = npy_data_offset(name, bytes);
  if (offset < kNpyPreambleBytes || offset > entry_bytes) fail(fmt::format("array '{}' ends within its header", name));
  bytes.resize(offset);
  read_exactly(name, entry, std::span(bytes).subspan(kNpyPreambleBytes));
  return parse_npy_header(name, bytes);
}

graph::Tensor read_array(const std::string& name, zip_file_t* entry, const zip_stat_t& stat) {
  const NpyHeader header = read_header(name, entry, stat.size);
  if (header.data_bytes != stat.size - header.data_offset) {
    fail(fmt::format("array '{}' holds {} bytes of data, but shape {} of {} needs {}", name,
                     stat.size - header.data_offset, graph::to_string(header.shape), graph::name_of(header.type),
                     header.data_bytes));
  }
  // The usual case is read into place; Fortran order and booleans want a pass over the bytes.
  if (!header.fortran_order && header.type != graph::ElementType::boolean) {
    graph::Tensor tensor(header.type, header.shape);
    read_exactly(name, entry, {static_cast<std::byte*>(tensor.bytes()), static_cast<std::size_t>(header.data_bytes)});
    expect_end(name, entry);
    return tensor;
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(header.data_bytes));
  read_exactly(name, entry, bytes);
  expect_end(name, entry);
  return npy_tensor(name, header, bytes);
}

std::map<std::string, graph::Tensor> parse_zip(std::span<const std::byte> file, std::uint64_t max_bytes) {
  const Archive archive = open_archive(file);
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  if (entries <= 0) fail("not a readable .npz: it holds no arrays");
  if (entries > kMaxNpzArrays) fail(fmt::format("{} arrays in the .npz; at most {} are read", entries, kMaxNpzArrays));
  std::map<std::string, graph::Tensor> arrays;
  std::uint64_t left = max_bytes;
  for (zip_uint64_t index = 0; index < static_cast<zip_uint64_t>(entries); ++index) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive.get(), index, 0, &stat) != 0) {
      fail(fmt::format("entry {} of the .npz: {}", index, zip_strerror(archive.get())));
    }
    std::string name = array_name(stat, index);
    check_stat(name, stat);
    if (stat.size > left) {
      throw Error(ErrorCode::too_large,
                  fmt::format("the .npz unpacks to more than {} bytes (at array '{}')", max_bytes, name));
    }
    left -= stat.size;
    const Entry entry(zip_fopen_index(archive.get(), index, 0));
    if (!entry) fail(fmt::format("array '{}': {}", name, zip_strerror(archive.get())));
    graph::Tensor tensor = read_array(name, entry.get(), stat);
    if (!arrays.emplace(name, std::move(tensor)).second) fail(fmt::format("array '{}' is in the .npz twice", name));
  }
  return arrays;
}

// A file mapped for as long as it is parsed. A file that shrinks meanwhile would end the process with SIGBUS, so data
// that strangers may still write to must not be given by path; artifacts are immutable.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
      throw Error(ErrorCode::not_found, fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
    }
    struct stat status {};
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      bytes_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    }
    ::close(descriptor);
    if (!regular) fail(fmt::format("{} is not a file", path.string()));
    if (size_ == 0) fail(fmt::format("{} is empty", path.string()));
    if (bytes_ == MAP_FAILED) throw Error(ErrorCode::internal, fmt::format("cannot map {}", path.string()));
  }
  ~MappedFile() { ::munmap(bytes_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(bytes_), size_}; }

 private:
  void* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

std::map<std::string, graph::Tensor> parse_npz(std::span<const std::byte> file, std::uint64_t max_bytes) {
  if (!file.empty() && file[0] == std::byte{0x93}) {
    std::map<std::string, graph::Tensor> arrays;
    arrays.emplace("array", parse_npy("array", file, max_bytes));
    return arrays;
  }
  return parse_zip(file, max_bytes);
}

std::map<std::string, graph::Tensor> read_npz(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const MappedFile file(path);
  try {
    return parse_npz(file.bytes(), max_bytes);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", path.filename().string(), error.what()), error.field());
  }
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, graph::Tensor>& arrays) {
  const auto cannot = [&](const std::string& why) {
    throw Error(ErrorCode::invalid, fmt::format("cannot write {}: {}", path.string(), why));
  };
  zip_error_t error;
  zip_error_init(&error);
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!archive) {
    zip_error_init_with_code(&error, code);
    cannot(text_of(error));
  }
  std::vector<std::string> entries;  // libzip reads them when the archive is closed
  entries.reserve(arrays.size());
  for (const auto& [name, tensor] : arrays) {
    std::string& bytes = entries.emplace_back(npy_header(name, tensor));
    bytes.append(static_cast<const char*>(tensor.bytes()), tensor.byte_count());
    zip_source_t* source = zip_source_buffer(archive.get(), bytes.data(), bytes.size(), 0);
    const zip_int64_t index =
        source == nullptr ? -1 : zip_file_add(archive.get(), (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      cannot(zip_strerror(archive.get()));
    }
    zip_set_file_compression(archive.get(), static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
  }
  if (zip_close(archive.get()) != 0) cannot(zip_strerror(archive.get()));
  archive.release();  // closed, it is gone
}

}  // namespace ns::data
