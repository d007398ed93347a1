#include "kernels/graph/tensor.h"

#include <gtest/gtest.h>

#include <limits>

namespace ns::graph {
namespace {

template <typename Function>
ErrorCode code_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

TEST(Tensor, counts_elements_and_bytes) {
  const Tensor tensor(ElementType::float32, {2, 3});
  EXPECT_EQ(tensor.count(), 6);
  EXPECT_EQ(tensor.byte_count(), 24u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes()) % 64, 0u);
}

TEST(Tensor, scalar_has_one_element) { EXPECT_EQ(Tensor::scalar<std::int64_t>(7).values<std::int64_t>()[0], 7); }

TEST(Tensor, empty_axis_holds_nothing_however_long_the_others) {
  EXPECT_EQ(element_count({0, 1 << 30, 1 << 30}), 0);
  EXPECT_EQ(Tensor(ElementType::float32, {0, 5}).byte_count(), 0u);
}

TEST(Tensor, negative_and_overflowing_shapes_are_invalid) {
  EXPECT_EQ(code_of([] { element_count({2, -1}); }), ErrorCode::invalid);
  EXPECT_EQ(code_of([] { element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}); }), ErrorCode::invalid);
  EXPECT_EQ(code_of([] { element_count({0, std::int64_t{1} << 40, std::int64_t{1} << 40}); }), ErrorCode::invalid);
}

TEST(Tensor, absurd_sizes_are_refused_before_allocation) {
  EXPECT_EQ(code_of([] { Tensor(ElementType::float64, {std::int64_t{1} << 60}); }), ErrorCode::too_large);
}

TEST(Tensor, wrong_element_type_is_invalid) {
  const Tensor tensor = Tensor::scalar<float>(1);
  EXPECT_EQ(code_of([&] { tensor.values<std::int32_t>(); }), ErrorCode::invalid);
}

TEST(Tensor, copies_share_bytes_and_clones_do_not) {
  Tensor tensor = Tensor::scalar<float>(1);
  const Tensor copy = tensor;
  const Tensor clone = tensor.clone();
  tensor.values<float>()[0] = 2;
  EXPECT_EQ(copy.values<float>()[0], 2);
  EXPECT_EQ(clone.values<float>()[0], 1);
}

TEST(Tensor, reshaped_keeps_the_count) {
  const Tensor tensor(ElementType::uint8, {4, 2});
  EXPECT_EQ(tensor.reshaped({8}).shape(), (Shape{8}));
  EXPECT_EQ(code_of([&] { tensor.reshaped({7}); }), ErrorCode::invalid);
}

TEST(Tensor, strings_have_no_size) {
  EXPECT_EQ(code_of([] { size_of(ElementType::string); }), ErrorCode::unsupported);
}

}  // namespace
}  // namespace ns::graph
