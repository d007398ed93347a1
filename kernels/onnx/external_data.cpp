#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "kernels/onnx/mapped_file.h"
#include "kernels/onnx/tensor_bytes.h"

namespace ns::onnx {

namespace {

[[noreturn]] void refuse(const std::string& tensor, const std::string& why) {
  throw Error(ErrorCode::invalid, fmt::format("external data of tensor '{}': {}", tensor, why));
}

std::uint64_t parse_number(const std::string& text, std::string_view key, const std::string& tensor) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(tensor, fmt::format("{} '{}' is not a number of bytes", key, text));
  }
  return number;
}

// The parts of a relative path that stays below where it starts.
std::vector<std::string> safe_parts(const std::string& location, const std::string& tensor) {
  if (location.empty() || location.find('\0') != std::string::npos || location.find('\\') != std::string::npos) {
    refuse(tensor, fmt::format("location '{}' is not a file name", location));
  }
  const std::filesystem::path path(location);
  if (path.is_absolute()) refuse(tensor, fmt::format("location '{}' must be relative to the model", location));
  std::vector<std::string> parts;
  for (const auto& part : path) {
    if (part == "." || part.empty()) continue;
    if (part == "..") refuse(tensor, fmt::format("location '{}' leaves the model's folder", location));
    parts.push_back(part.string());
  }
  if (parts.empty()) refuse(tensor, fmt::format("location '{}' is not a file name", location));
  return parts;
}

}  // namespace

struct ExternalData::Mapping {
  Mapping(int file, const std::string& what) : file(file, what) {}
  MappedFile file;
};

// Every part of the way is opened without following links, so what is opened lies below the folder.
const ExternalData::Mapping& ExternalData::open(const std::string& location, const std::string& tensor) {
  if (folder_.empty())
    refuse(tensor, fmt::format("'{}' cannot be read, the model did not come from a folder", location));
  const auto known = files_.find(location);
  if (known != files_.end()) return *known->second;
  const std::vector<std::string> parts = safe_parts(location, tensor);
  int place = ::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (std::size_t i = 0; i < parts.size() && place >= 0; ++i) {
    const bool last = i + 1 == parts.size();
    const int flags = last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
    const int next = ::openat(place, parts[i].c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
    const int reason = errno;
    ::close(place);
    errno = reason;
    place = next;
  }
  if (place < 0) refuse(tensor, fmt::format("cannot open '{}': {}", location, std::strerror(errno)));
  auto mapping = std::make_shared<const Mapping>(place, fmt::format("external data '{}'", location));
  return *files_.emplace(location, std::move(mapping)).first->second;
}

void ExternalData::read(const onnx_schema::TensorProto& proto, graph::Tensor& into) {
  std::string location;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool has_length = false;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_number(entry.value(), "offset", proto.name());
    if (entry.key() == "length") {
      length = parse_number(entry.value(), "length", proto.name());
      has_length = true;
    }
  }
  const Mapping& mapping = open(location, proto.name());
  const graph::ElementType type = element_type(proto.data_type(), fmt::format("tensor '{}'", proto.name()));
  graph::Shape shape(proto.dims().begin(), proto.dims().end());
  const std::uint64_t size = mapping.file.size();
  if (offset > size) refuse(proto.name(), fmt::format("offset {} lies behind the end of the file ({})", offset, size));
  if (!has_length) length = size - offset;
  if (length > size - offset) {
    refuse(proto.name(), fmt::format("offset {} and length {} end behind the file ({})", offset, length, size));
  }
  if (static_cast<std::uint64_t>(file_bytes(type, shape, "tensor '" + proto.name() + "'")) != length) {
    refuse(proto.name(), fmt::format("shape {} of {} does not fit a length of {} bytes", graph::to_string(shape),
                                     graph::name_of(type), length));
  }
  into = graph::Tensor(type, std::move(shape));
  copy_file_bytes(std::string_view(mapping.file.text()).substr(offset, length), into);
}

}  // namespace ns::onnx
