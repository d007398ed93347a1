#include <gtest/gtest.h>

#include "kernels/onednn/layout.h"

namespace ns::onednn {
namespace {

using graph::ElementType;

TEST(Layout, row_major_and_channels_last_differ_where_both_have_room) {
  const Layout plain = Layout::plain(ElementType::float32, {2, 3, 4, 5});
  const Layout last = Layout::channels_last(ElementType::float32, {2, 3, 4, 5});
  EXPECT_TRUE(plain.is_row_major());
  EXPECT_FALSE(plain.is_channels_last());
  EXPECT_FALSE(last.is_row_major());
  EXPECT_TRUE(last.is_channels_last());
  EXPECT_FALSE(plain.same_bytes(last));
  EXPECT_EQ(plain.bytes(), 2U * 3 * 4 * 5 * 4);
  EXPECT_EQ(last.bytes(), plain.bytes());
}

TEST(Layout, one_channel_or_one_pixel_is_both) {
  for (const graph::Shape& shape : {graph::Shape{2, 1, 4, 5}, graph::Shape{2, 7, 1, 1}}) {
    const Layout plain = Layout::plain(ElementType::uint8, shape);
    const Layout last = Layout::channels_last(ElementType::uint8, shape);
    EXPECT_TRUE(last.is_row_major());
    EXPECT_TRUE(plain.is_channels_last());
    EXPECT_TRUE(plain.same_bytes(last));
  }
}

TEST(Layout, another_shape_of_the_same_plain_bytes_is_the_same) {
  EXPECT_TRUE(Layout::plain(ElementType::float32, {2, 6}).same_bytes(Layout::plain(ElementType::float32, {3, 4})));
  EXPECT_FALSE(Layout::plain(ElementType::float32, {2, 6}).same_bytes(Layout::plain(ElementType::int32, {3, 4})));
  EXPECT_FALSE(Layout::plain(ElementType::float32, {2, 6}).same_bytes(Layout::plain(ElementType::float32, {3, 5})));
}

TEST(Layout, types_that_oneDNN_lacks_are_plain) {
  const Layout layout = Layout::plain(ElementType::int64, {2, 3});
  EXPECT_TRUE(layout.is_row_major());
  EXPECT_FALSE(layout.is_channels_last());
  EXPECT_EQ(layout.bytes(), 48U);
  EXPECT_EQ(layout.describe(), "int64 row-major");
}

TEST(Layout, scalars_and_empty_tensors) {
  EXPECT_EQ(Layout::plain(ElementType::float32, {}).bytes(), 4U);
  EXPECT_EQ(Layout::plain(ElementType::float32, {3, 0}).bytes(), 0U);
}

}  // namespace
}  // namespace ns::onednn
