#include "kernels/onnx/tensor_bytes.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>

#include "kernels/onnx/limits.h"

namespace ns::onnx {

namespace {

using graph::ElementType;
using graph::Tensor;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian and is copied as it is");

void check_length(std::int64_t has, std::int64_t wants, std::string_view unit, const std::string& where) {
  if (has != wants) {
    throw Error(ErrorCode::invalid, fmt::format("{}: holds {} {}, its shape wants {}", where, has, unit, wants));
  }
}

// Copies a typed field, each entry converted to T; an entry that T cannot hold is an error.
template <typename T, typename Field>
void copy_field(const Field& field, Tensor& tensor, const std::string& where) {
  check_length(field.size(), tensor.count(), "values", where);
  T* out = static_cast<T*>(tensor.bytes());
  for (const auto entry : field) {
    if constexpr (std::is_integral_v<T> && sizeof(T) < sizeof(entry)) {
      if (entry < static_cast<decltype(entry)>(std::numeric_limits<T>::min()) ||
          entry > static_cast<decltype(entry)>(std::numeric_limits<T>::max())) {
        throw Error(ErrorCode::invalid,
                    fmt::format("{}: the value {} is not a {}", where, entry, graph::name_of(tensor.type())));
      }
    }
    *out++ = static_cast<T>(entry);
  }
}

void copy_bools(const google::protobuf::RepeatedField<std::int32_t>& field, Tensor& tensor, const std::string& where) {
  check_length(field.size(), tensor.count(), "values", where);
  auto* out = static_cast<std::uint8_t*>(tensor.bytes());
  for (const std::int32_t entry : field) *out++ = entry != 0 ? 1 : 0;
}

// Two elements a byte, and the low 8 bits of an entry count.
void copy_nibbles(const google::protobuf::RepeatedField<std::int32_t>& field, Tensor& tensor,
                  const std::string& where) {
  check_length(field.size(), (tensor.count() + 1) / 2, "pairs of values", where);
  std::string packed;
  for (const std::int32_t entry : field) packed.push_back(static_cast<char>(entry & 0xFF));
  copy_file_bytes(packed, tensor);
}

void copy_typed(const onnx_schema::TensorProto& proto, Tensor& tensor, const std::string& where) {
  switch (tensor.type()) {
    case ElementType::float32:
      return copy_field<float>(proto.float_data(), tensor, where);
    case ElementType::float64:
      return copy_field<double>(proto.double_data(), tensor, where);
    case ElementType::int64:
      return copy_field<std::int64_t>(proto.int64_data(), tensor, where);
    case ElementType::uint64:
      return copy_field<std::uint64_t>(proto.uint64_data(), tensor, where);
    case ElementType::uint32:
      return copy_field<std::uint32_t>(proto.uint64_data(), tensor, where);
    case ElementType::int32:
      return copy_field<std::int32_t>(proto.int32_data(), tensor, where);
    case ElementType::int16:
      return copy_field<std::int16_t>(proto.int32_data(), tensor, where);
    case ElementType::int8:
      return copy_field<std::int8_t>(proto.int32_data(), tensor, where);
    case ElementType::uint8:
    case ElementType::float8e4m3fn:
    case ElementType::float8e4m3fnuz:
    case ElementType::float8e5m2:
    case ElementType::float8e5m2fnuz:
      return copy_field<std::uint8_t>(proto.int32_data(), tensor, where);
    case ElementType::uint16:
    case ElementType::float16:
    case ElementType::bfloat16:
      return copy_field<std::uint16_t>(proto.int32_data(), tensor, where);
    case ElementType::uint4:
    case ElementType::int4:
      return copy_nibbles(proto.int32_data(), tensor, where);
    case ElementType::boolean:
      return copy_bools(proto.int32_data(), tensor, where);
    case ElementType::undefined:
    case ElementType::string:
      break;
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: tensors of {} are not known", where, graph::name_of(tensor.type())));
}

// Bytes of the fields that hold the tensor: known before anything is allocated.
std::size_t stored_bytes(const onnx_schema::TensorProto& proto) {
  return proto.raw_data().size() + sizeof(float) * static_cast<std::size_t>(proto.float_data_size()) +
         sizeof(std::int32_t) * static_cast<std::size_t>(proto.int32_data_size()) +
         sizeof(std::int64_t) * static_cast<std::size_t>(proto.int64_data_size()) +
         sizeof(double) * static_cast<std::size_t>(proto.double_data_size()) +
         sizeof(std::uint64_t) * static_cast<std::size_t>(proto.uint64_data_size());
}

bool is_packed(ElementType type) { return type == ElementType::int4 || type == ElementType::uint4; }

}  // namespace

std::int64_t file_bytes(ElementType type, const graph::Shape& shape, const std::string& where) {
  const std::int64_t count = graph::element_count(shape);
  if (is_packed(type)) return count / 2 + count % 2;
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(count, static_cast<std::int64_t>(graph::size_of(type)), &bytes)) {
    throw Error(ErrorCode::invalid, fmt::format("{}: shape {} is too large", where, graph::to_string(shape)));
  }
  return bytes;
}

void copy_file_bytes(std::string_view from, Tensor& tensor) {
  auto* to = static_cast<std::uint8_t*>(tensor.bytes());
  if (is_packed(tensor.type())) {
    const int sign = tensor.type() == ElementType::int4 ? 8 : 0;
    for (std::int64_t i = 0; i < tensor.count(); ++i) {
      const auto pair = static_cast<std::uint8_t>(from[static_cast<std::size_t>(i / 2)]);
      const int nibble = i % 2 == 0 ? pair & 0xF : pair >> 4;
      to[i] = static_cast<std::uint8_t>((nibble ^ sign) - sign);
    }
    return;
  }
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
  if (tensor.type() != ElementType::boolean) return;
  // A bool is one byte of 0 or 1; anything else would be undefined behaviour later.
  for (std::int64_t i = 0; i < tensor.count(); ++i) to[i] = to[i] != 0 ? 1 : 0;
}

ElementType element_type(std::int32_t onnx_type, const std::string& where) {
  switch (onnx_type) {
    case onnx_schema::TensorProto::FLOAT:
    case onnx_schema::TensorProto::UINT8:
    case onnx_schema::TensorProto::INT8:
    case onnx_schema::TensorProto::UINT16:
    case onnx_schema::TensorProto::INT16:
    case onnx_schema::TensorProto::INT32:
    case onnx_schema::TensorProto::INT64:
    case onnx_schema::TensorProto::BOOL:
    case onnx_schema::TensorProto::FLOAT16:
    case onnx_schema::TensorProto::DOUBLE:
    case onnx_schema::TensorProto::UINT32:
    case onnx_schema::TensorProto::UINT64:
    case onnx_schema::TensorProto::BFLOAT16:
    case static_cast<int>(ElementType::float8e4m3fn):  // the schema may be older than these
    case static_cast<int>(ElementType::float8e4m3fnuz):
    case static_cast<int>(ElementType::float8e5m2):
    case static_cast<int>(ElementType::float8e5m2fnuz):
    case static_cast<int>(ElementType::uint4):
    case static_cast<int>(ElementType::int4):
      return static_cast<ElementType>(onnx_type);
    case onnx_schema::TensorProto::STRING:
      throw Error(ErrorCode::unsupported, fmt::format("{}: tensors of strings are not supported", where));
    case onnx_schema::TensorProto::UNDEFINED:
      throw Error(ErrorCode::invalid, fmt::format("{}: has no element type", where));
    default:
      throw Error(ErrorCode::unsupported, fmt::format("{}: the element type {} is not supported", where, onnx_type));
  }
}

Tensor read_tensor(onnx_schema::TensorProto& proto, ExternalData& external, const std::string& where) {
  if (proto.has_segment()) throw Error(ErrorCode::unsupported, fmt::format("{}: segments are not supported", where));
  if (proto.dims_size() > limits::kMaxRank) {
    throw Error(ErrorCode::too_large, fmt::format("{}: has {} dimensions, at most {} are supported", where,
                                                  proto.dims_size(), limits::kMaxRank));
  }
  const ElementType type = element_type(proto.data_type(), where);
  graph::Shape shape(proto.dims().begin(), proto.dims().end());
  const bool is_external = proto.data_location() == onnx_schema::TensorProto::EXTERNAL;
  const std::int64_t wants = file_bytes(type, shape, where);
  // Never allocate what the message does not fill: every stored entry is at least as large as an element.
  if (!is_external && static_cast<std::uint64_t>(wants) > stored_bytes(proto)) {
    throw Error(ErrorCode::invalid, fmt::format("{}: shape {} wants {} bytes, the file holds {}", where,
                                                graph::to_string(shape), wants, stored_bytes(proto)));
  }
  if (is_external) {
    Tensor tensor;
    external.read(proto, tensor);
    return tensor;
  }
  Tensor tensor(type, std::move(shape));
  if (proto.has_raw_data() && !(proto.raw_data().empty() && tensor.count() > 0)) {
    check_length(static_cast<std::int64_t>(proto.raw_data().size()), wants, "bytes", where);
    copy_file_bytes(proto.raw_data(), tensor);
  } else {
    copy_typed(proto, tensor, where);
  }
  proto.Clear();
  return tensor;
}

void write_tensor(const Tensor& tensor, onnx_schema::TensorProto& proto) {
  for (const std::int64_t size : tensor.shape()) proto.add_dims(size);
  proto.set_data_type(static_cast<std::int32_t>(tensor.type()));
  if (!is_packed(tensor.type())) return proto.set_raw_data(tensor.bytes(), tensor.byte_count());
  std::string packed(static_cast<std::size_t>((tensor.count() + 1) / 2), '\0');
  const auto* from = static_cast<const std::uint8_t*>(tensor.bytes());
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    char& pair = packed[static_cast<std::size_t>(i / 2)];
    pair = static_cast<char>(pair | (from[i] & 0xF) << (i % 2 == 0 ? 0 : 4));
  }
  proto.set_raw_data(std::move(packed));
}

}  // namespace ns::onnx
