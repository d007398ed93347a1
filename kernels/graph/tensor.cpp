#include "kernels/graph/tensor.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

namespace ns::graph {

namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector register

std::shared_ptr<void> allocate(std::size_t bytes) {
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void* block = std::aligned_alloc(kAlignment, rounded);
  if (block == nullptr) throw Error(ErrorCode::too_large, fmt::format("no memory for a tensor of {} bytes", bytes));
  return {block, std::free};
}

std::size_t checked_bytes(ElementType type, const Shape& shape, std::int64_t count) {
  const auto size = static_cast<std::int64_t>(size_of(type));
  if (count > kMaxTensorBytes / size) {
    throw Error(ErrorCode::too_large, fmt::format("a tensor of {} {} is over the limit of {} bytes", to_string(shape),
                                                  name_of(type), kMaxTensorBytes));
  }
  return static_cast<std::size_t>(count * size);
}

}  // namespace

std::size_t size_of(ElementType type) {
  switch (type) {
    case ElementType::uint8:
    case ElementType::int8:
    case ElementType::boolean:
    case ElementType::float8e4m3fn:
    case ElementType::float8e4m3fnuz:
    case ElementType::float8e5m2:
    case ElementType::float8e5m2fnuz:
    case ElementType::uint4:
    case ElementType::int4:
      return 1;
    case ElementType::uint16:
    case ElementType::int16:
    case ElementType::float16:
    case ElementType::bfloat16:
      return 2;
    case ElementType::float32:
    case ElementType::int32:
    case ElementType::uint32:
      return 4;
    case ElementType::int64:
    case ElementType::float64:
    case ElementType::uint64:
      return 8;
    case ElementType::undefined:
    case ElementType::string:
      break;
  }
  throw Error(ErrorCode::unsupported, fmt::format("elements of type {} have no size", name_of(type)));
}

std::string_view name_of(ElementType type) {
  switch (type) {
    case ElementType::undefined:
      return "undefined";
    case ElementType::float32:
      return "float32";
    case ElementType::uint8:
      return "uint8";
    case ElementType::int8:
      return "int8";
    case ElementType::uint16:
      return "uint16";
    case ElementType::int16:
      return "int16";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::string:
      return "string";
    case ElementType::boolean:
      return "bool";
    case ElementType::float16:
      return "float16";
    case ElementType::float64:
      return "float64";
    case ElementType::uint32:
      return "uint32";
    case ElementType::uint64:
      return "uint64";
    case ElementType::bfloat16:
      return "bfloat16";
    case ElementType::float8e4m3fn:
      return "float8e4m3fn";
    case ElementType::float8e4m3fnuz:
      return "float8e4m3fnuz";
    case ElementType::float8e5m2:
      return "float8e5m2";
    case ElementType::float8e5m2fnuz:
      return "float8e5m2fnuz";
    case ElementType::uint4:
      return "uint4";
    case ElementType::int4:
      return "int4";
  }
  return "unknown";
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  bool overflow = false;
  bool zero = false;
  for (const std::int64_t size : shape) {
    if (size < 0) throw Error(ErrorCode::invalid, fmt::format("shape {} has a negative size", to_string(shape)));
    if (size == 0) zero = true;
    overflow = overflow || __builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count);
  }
  if (overflow) throw Error(ErrorCode::invalid, fmt::format("shape {} has too many elements", to_string(shape)));
  return zero ? 0 : count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Tensor::Tensor(ElementType type, Shape shape) : type_(type), shape_(std::move(shape)), count_(element_count(shape_)) {
  std::shared_ptr<void> block = allocate(checked_bytes(type_, shape_, count_));
  bytes_ = block.get();
  owner_ = std::move(block);
}

Tensor Tensor::view(ElementType type, Shape shape, void* bytes, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = std::move(shape);
  tensor.count_ = element_count(tensor.shape_);
  checked_bytes(type, tensor.shape_, tensor.count_);
  tensor.bytes_ = bytes;
  tensor.owner_ = std::move(owner);
  return tensor;
}

std::size_t Tensor::byte_count() const { return defined() ? static_cast<std::size_t>(count_) * size_of(type_) : 0; }

Tensor Tensor::reshaped(Shape shape) const {
  if (element_count(shape) != count_) {
    throw Error(ErrorCode::invalid,
                fmt::format("a tensor of shape {} cannot take the shape {}", to_string(shape_), to_string(shape)));
  }
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor copy(type_, shape_);
  if (count_ > 0) std::memcpy(copy.bytes_, bytes_, byte_count());
  return copy;
}

void Tensor::check_type(ElementType wanted) const {
  if (wanted != type_) {
    throw Error(ErrorCode::invalid, fmt::format("a tensor holds {}, not {}", name_of(type_), name_of(wanted)));
  }
}

void Tensor::check_count(std::size_t wanted) const {
  if (static_cast<std::size_t>(count_) != wanted) {
    throw Error(ErrorCode::invalid,
                fmt::format("a tensor of shape {} holds {} values, not {}", to_string(shape_), count_, wanted));
  }
}

}  // namespace ns::graph
