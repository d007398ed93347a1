// What the makers accept and decline; whether their results are right is tested where plans are
// (tests/kernels/runtime).
#include <numeric>

#include "kernels/onednn/concat.h"
#include "kernels/onednn/convolution.h"
#include "kernels/onednn/matmul.h"
#include "kernels/onednn/normalization.h"
#include "kernels/onednn/reorder.h"
#include "tests/kernels/onednn/run_kernel.h"

namespace ns::onednn {
namespace {

using graph::ElementType;
using graph::Shape;
using graph::Tensor;

Tensor counting(const Shape& shape) {
  Tensor tensor(ElementType::float32, shape);
  std::iota(tensor.values<float>().begin(), tensor.values<float>().end(), 0.0F);
  return tensor;
}

TEST(Makers, transpose_moves_every_number) {
  const Shape shape{2, 3, 4};
  const std::vector<std::int64_t> order{2, 0, 1};
  const std::vector<float> moved =
      floats(run_kernel(make_transpose(ElementType::float32, shape, order), {counting(shape)}), 24);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 4; ++k) {
        EXPECT_EQ(moved[k * 6 + i * 3 + j], static_cast<float>(i * 12 + j * 4 + k));
      }
    }
  }
}

TEST(Makers, reorder_there_and_back_is_nothing) {
  const Shape shape{2, 5, 3, 4};
  const Layout plain = Layout::plain(ElementType::float32, shape);
  const Layout last = Layout::channels_last(ElementType::float32, shape);
  const Tensor there = run_kernel(make_reorder(plain, last), {counting(shape)});
  EXPECT_EQ(floats(there, 120)[1], 12.0F);
  const std::vector<float> back = floats(run_kernel(make_reorder(last, plain), {there}), 120);
  for (std::size_t i = 0; i < back.size(); ++i) EXPECT_EQ(back[i], static_cast<float>(i));
}

TEST(Makers, concat_joins_along_the_axis) {
  const std::vector<Layout> inputs{Layout::channels_last(ElementType::float32, {1, 16, 1, 2}),
                                   Layout::channels_last(ElementType::float32, {1, 32, 1, 2})};
  const Tensor first = counting({1, 16, 1, 2}), second = counting({1, 32, 1, 2});
  const std::vector<float> joined = floats(run_kernel(make_concat(inputs, 1), {first, second}), 96);
  for (std::size_t pixel = 0; pixel < 2; ++pixel) {
    EXPECT_EQ(joined[pixel * 48 + 15], static_cast<float>(pixel * 16 + 15));
    EXPECT_EQ(joined[pixel * 48 + 16], static_cast<float>(pixel * 32));
  }
}

TEST(Makers, post_operations_run_in_order) {
  MatmulSpec spec;
  spec.left = {1, 1};
  spec.right = {1, 4};
  spec.weights = counting({1, 4});
  spec.output = {1, 4};
  spec.post = {PostOperation::linear(2, 1), PostOperation::of(Function::clip, 0, 6)};
  const Tensor one = Tensor::from<float>({1, 1}, std::vector<float>{1});
  EXPECT_EQ(floats(run_kernel(make_matmul(spec), {one}), 4), (std::vector<float>{1, 3, 5, 6}));
}

TEST(Makers, a_weights_constant_is_packed_and_not_kept) {
  MatmulSpec spec;
  spec.left = {1, 2};
  spec.right = {2, 2};
  spec.weights = Tensor::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  spec.output = {1, 2};
  const Made made = make_matmul(spec);
  spec.weights.values<float>()[0] = 100;
  EXPECT_EQ(floats(run_kernel(made, {Tensor::from<float>({1, 2}, std::vector<float>{1, 1})}), 2),
            (std::vector<float>{4, 6}));
}

TEST(Makers, say_why_they_decline) {
  EXPECT_EQ(make_local_response(Layout::plain(ElementType::float32, {1, 4, 2, 2}), 4, 1e-4F, 0.75F, 1).declined,
            "an even window of local response normalization");
  MatmulSpec ranks;
  ranks.left = {2, 3, 4};
  ranks.right = {4, 5};
  EXPECT_EQ(make_matmul(ranks).declined, "matmul wants two matrices of the same rank");
  EXPECT_EQ(make_reorder(Layout::plain(ElementType::int64, {2}), Layout::plain(ElementType::int64, {2})).declined,
            "oneDNN has no layout for this element type, rank or empty shape");
  ConvolutionSpec impossible;
  impossible.input = {1, 2, 3, 3};
  impossible.weights = Tensor(ElementType::float32, {4, 2, 3, 3});
  impossible.output = {1, 4, 9, 9};
  impossible.strides = impossible.dilations = {1, 1};
  impossible.pads_begin = impossible.pads_end = {0, 0};
  const Made made = make_convolution(impossible);
  EXPECT_EQ(made.kernel, nullptr);
  EXPECT_TRUE(made.declined.starts_with("oneDNN: ")) << made.declined;
}

}  // namespace
}  // namespace ns::onednn
