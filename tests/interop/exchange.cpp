#include "tests/interop/exchange.h"

#include <fstream>
#include <stdexcept>

namespace ns::interop {
namespace {

using graph::ElementType;

ElementType type_named(const std::string& name) {
  for (int code = 1; code <= static_cast<int>(ElementType::uint64); ++code) {
    if (graph::name_of(static_cast<ElementType>(code)) == name) return static_cast<ElementType>(code);
  }
  throw std::runtime_error("outputs of " + name + " are not exchanged");
}

}  // namespace

nlohmann::json write_tensor(const std::string& name, const graph::Tensor& tensor, const std::filesystem::path& file) {
  std::ofstream stream(file, std::ios::binary);
  stream.write(static_cast<const char*>(tensor.bytes()), static_cast<std::streamsize>(tensor.byte_count()));
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
  return {{"name", name}, {"type", graph::name_of(tensor.type())}, {"shape", tensor.shape()}, {"file", file.string()}};
}

graph::Tensor read_tensor(const nlohmann::json& entry, const std::filesystem::path& folder) {
  graph::Tensor tensor(type_named(entry.at("type")), entry.at("shape").get<graph::Shape>());
  std::ifstream stream(folder / entry.at("file").get<std::string>(), std::ios::binary | std::ios::ate);
  if (!stream || static_cast<std::size_t>(stream.tellg()) != tensor.byte_count()) {
    throw std::runtime_error("an output has the wrong size");
  }
  stream.seekg(0).read(static_cast<char*>(tensor.bytes()), static_cast<std::streamsize>(tensor.byte_count()));
  return tensor;
}

}  // namespace ns::interop
