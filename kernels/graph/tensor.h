// Tensor: a dense, row-major block of numbers with an element type and a shape.
//
// A cheap value: copies share the buffer. Whoever makes a tensor may write to it until it is handed on; afterwards the
// bytes are read-only for everybody, so tensors may be read from any thread. Buffers start at a 64-byte boundary unless
// they are views of foreign memory (a mapped file), which may be unaligned only for external data that was copied
// first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace ns::graph {

// The numbers are those of ONNX TensorProto.DataType.
enum class ElementType : std::uint8_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,  // one element a byte in memory; packed two a byte only in files
  int4 = 22,
};

std::size_t size_of(ElementType);       // bytes of one element; Error(unsupported) for string and undefined
std::string_view name_of(ElementType);  // "float32", …

template <typename T>
constexpr ElementType element_type_of();  // float -> float32, std::uint8_t -> uint8, bool -> boolean, …
template <>
constexpr ElementType element_type_of<float>() {
  return ElementType::float32;
}
template <>
constexpr ElementType element_type_of<double>() {
  return ElementType::float64;
}
template <>
constexpr ElementType element_type_of<std::uint8_t>() {
  return ElementType::uint8;
}
template <>
constexpr ElementType element_type_of<std::int8_t>() {
  return ElementType::int8;
}
template <>
constexpr ElementType element_type_of<std::uint16_t>() {
  return ElementType::uint16;
}
template <>
constexpr ElementType element_type_of<std::int16_t>() {
  return ElementType::int16;
}
template <>
constexpr ElementType element_type_of<std::int32_t>() {
  return ElementType::int32;
}
template <>
constexpr ElementType element_type_of<std::uint32_t>() {
  return ElementType::uint32;
}
template <>
constexpr ElementType element_type_of<std::int64_t>() {
  return ElementType::int64;
}
template <>
constexpr ElementType element_type_of<std::uint64_t>() {
  return ElementType::uint64;
}
template <>
constexpr ElementType element_type_of<bool>() {
  return ElementType::boolean;
}

using Shape = std::vector<std::int64_t>;

inline constexpr std::int64_t kMaxTensorBytes = std::int64_t{16} << 30;  // absurd sizes are refused before allocation

// Product of the dimensions (1 for a scalar). Error(invalid) when one is negative or the product overflows.
std::int64_t element_count(const Shape&);
std::string to_string(const Shape&);  // "[1, 3, 224, 224]"

class Tensor {
 public:
  Tensor() = default;  // undefined, no buffer

  // A fresh buffer, not initialised. Error(too_large) over kMaxTensorBytes.
  Tensor(ElementType, Shape);

  // Bytes that live as long as `owner` (a mapped file, an arena).
  static Tensor view(ElementType, Shape, void* bytes, std::shared_ptr<const void> owner);

  template <typename T>
  static Tensor from(Shape shape, std::span<const T> values) {
    Tensor tensor(element_type_of<T>(), std::move(shape));
    tensor.check_count(values.size());
    std::copy(values.begin(), values.end(), tensor.values<T>().begin());
    return tensor;
  }
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>({}, std::span<const T>(&value, 1));
  }

  bool defined() const { return type_ != ElementType::undefined; }
  ElementType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::int64_t count() const { return count_; }
  std::size_t byte_count() const;

  // Error(invalid) when T is not the element type.
  template <typename T>
  std::span<T> values() {
    check_type(element_type_of<T>());
    return {static_cast<T*>(bytes_), static_cast<std::size_t>(count_)};
  }
  template <typename T>
  std::span<const T> values() const {
    check_type(element_type_of<T>());
    return {static_cast<const T*>(bytes_), static_cast<std::size_t>(count_)};
  }

  void* bytes() { return bytes_; }
  const void* bytes() const { return bytes_; }

  // The same bytes under another shape of the same count.
  Tensor reshaped(Shape) const;
  Tensor clone() const;

 private:
  void check_type(ElementType wanted) const;
  void check_count(std::size_t wanted) const;

  ElementType type_ = ElementType::undefined;
  Shape shape_;
  std::int64_t count_ = 0;
  void* bytes_ = nullptr;
  std::shared_ptr<const void> owner_;
};

}  // namespace ns::graph
