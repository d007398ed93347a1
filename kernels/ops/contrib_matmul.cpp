// Products of com.microsoft with quantized matrices: QGemm, MatMulIntegerToFloat and DynamicQuantizeMatMul sum in int32
// and scale the sums; MatMulNBits multiplies by a matrix of 2, 4 or 8 bits in blocks of a scale each.
#include <array>

#include "kernels/ops/quantized.h"
#include "kernels/ops/rows.h"
#include "kernels/ops/steps.h"

namespace ns::ops {

namespace {

constexpr std::string_view kDomain = "com.microsoft";

void check_bytes(const InferContext& context, std::size_t value, std::size_t zero) {
  require_type(ByteTypes{}, context.node, input(context, value).element);
  check_zero_point_type(context, zero, input(context, value).element);
}

void check_reals(const InferContext& context, std::initializer_list<std::size_t> inputs) {
  for (const std::size_t index : inputs) {
    const TensorType* given = optional_input(context, index);
    if (given != nullptr) require_type(Types<float>{}, context.node, given->element);
  }
}

// --- MatMulIntegerToFloat, DynamicQuantizeMatMul ---

// (A * B) * (a_scale * b_scale) + bias
Tensor scaled_product(const Steps& steps, std::vector<const Tensor*> operands, const Tensor& a_scale,
                      const Tensor& b_scale, const Tensor* bias) {
  const Tensor sums = steps.cast(steps.run("MatMulInteger", std::move(operands)), ElementType::float32);
  const Tensor scale = steps.run("Mul", {&a_scale, &b_scale});
  const Tensor y = steps.run("Mul", {&sums, &scale});
  return bias != nullptr ? steps.run("Add", {&y, bias}) : y;
}

std::vector<TensorType> product_type(const InferContext& context, const TensorType& b, std::size_t bias) {
  const Steps steps(context.node);
  const TensorType sums = steps.infer("MatMulInteger", {{ElementType::uint8, input(context, 0).shape}, b});
  const TensorType y{ElementType::float32, sums.shape};
  const TensorType* given = optional_input(context, bias);
  require(given == nullptr || steps.infer("Add", {y, *given}).shape == y.shape, context.node,
          "the bias does not fit the product {}", graph::to_string(y.shape));
  return types(context, {y});
}

// Inputs: A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias.
std::vector<TensorType> infer_integer_to_float(const InferContext& context) {
  check_bytes(context, 0, 4);
  check_bytes(context, 1, 5);
  input(context, 2);
  input(context, 3);
  check_reals(context, {2, 3, 6});
  return product_type(context, input(context, 1), 6);
}

void store_checked(const ComputeContext& context, const Tensor& y) {
  require(y.shape() == context.outputs[0].shape(), context.node, "a scale does not fit the product {}",
          graph::to_string(context.outputs[0].shape()));
  copy_bytes(y, context.outputs[0]);
}

void compute_integer_to_float(const ComputeContext& context) {
  store_checked(context, scaled_product(Steps(context.node),
                                        {&input(context, 0), &input(context, 1), optional_input(context, 4),
                                         optional_input(context, 5)},
                                        input(context, 2), input(context, 3), optional_input(context, 6)));
}

// Inputs: A, B, b_scale, b_zero_point, bias.
std::vector<TensorType> infer_dynamic(const InferContext& context) {
  check_bytes(context, 1, 3);
  input(context, 2);
  check_reals(context, {0, 2, 4});
  return product_type(context, input(context, 1), 4);
}

void compute_dynamic(const ComputeContext& context) {
  const Steps steps(context.node);
  const std::vector<Tensor> a = steps.run_all("DynamicQuantizeLinear", {&input(context, 0)}, {}, 3);
  store_checked(context, scaled_product(steps, {&a[0], &input(context, 1), &a[2], optional_input(context, 3)}, a[1],
                                        input(context, 2), optional_input(context, 4)));
}

// --- QGemm: alpha * a_scale * b_scale * (A * B + C), in 8 bits when y_scale and y_zero_point are there ---

// Inputs: A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point.
std::vector<TensorType> infer_q_gemm(const InferContext& context) {
  check_bytes(context, 0, 2);
  check_bytes(context, 3, 5);
  input(context, 1);
  input(context, 4);
  check_reals(context, {1, 4, 7});
  std::vector<TensorType> inputs;
  for (const std::size_t index : {std::size_t{0}, std::size_t{3}}) {
    inputs.push_back({ElementType::int32, input(context, index).shape});
  }
  if (const TensorType* c = optional_input(context, 6)) inputs.push_back(*c);
  const TensorType sums = Steps(context.node).infer("Gemm", inputs, context.node.attributes);
  const TensorType* zero = optional_input(context, 8);
  const bool quantized = optional_input(context, 7) != nullptr;
  require(zero == nullptr || quantized, context.node, "there is a y_zero_point without y_scale");
  ElementType type = ElementType::float32;
  if (quantized) type = zero != nullptr ? zero->element : input(context, 0).element;
  if (quantized) require_type(ByteTypes{}, context.node, type);
  return types(context, {{type, sums.shape}});
}

// As int32, without the zero point: one for all or one a column of the product.
Tensor centered(const Steps& steps, const Tensor& x, const Tensor* zero, bool transposed) {
  const Tensor wide = steps.cast(x, ElementType::int32);
  if (zero == nullptr) return wide;
  Tensor shift = steps.cast(*zero, ElementType::int32);
  if (transposed && shift.count() > 1) shift = shift.reshaped({shift.count(), 1});
  return steps.run("Sub", {&wide, &shift});
}

void compute_q_gemm(const ComputeContext& context) {
  const Node& node = context.node;
  const Steps steps(node);
  const std::int64_t trans_a = node.integer("transA", 0);
  const std::int64_t trans_b = node.integer("transB", 0);
  const Tensor a = centered(steps, input(context, 0), optional_input(context, 2), false);
  const Tensor b = centered(steps, input(context, 3), optional_input(context, 5), trans_b != 0);
  const Tensor sums =
      steps.run("Gemm", {&a, &b, optional_input(context, 6)}, {{"transA", trans_a}, {"transB", trans_b}});
  const Tensor alpha = Tensor::scalar<float>(node.real("alpha", 1.0f));
  const Tensor scale = steps.run("Mul", {&input(context, 1), &input(context, 4)});
  const Tensor factor = steps.run("Mul", {&scale, &alpha});
  const Tensor wide = steps.cast(sums, ElementType::float32);
  Tensor y = steps.run("Mul", {&wide, &factor});
  if (optional_input(context, 7) != nullptr) {
    y = steps.run("QuantizeLinear", {&y, &input(context, 7), optional_input(context, 8)},
                  {{"output_dtype", static_cast<std::int64_t>(context.outputs[0].type())}});
  }
  store_checked(context, y);
}

// --- MatMulNBits ---

// Row n of the [N, K] matrix lies in blocks of `block` elements, each of `blob` bytes, low bits first; the last block
// may be longer than what is left of the row.
struct Blocks {
  std::int64_t n, k, bits, block, count, blob;
  std::int64_t zero_bytes;  // of one row of packed zero points
};

Blocks blocks_of(const Node& node) {
  constexpr std::int64_t kMax = std::int64_t{1} << 31;
  Blocks blocks{};
  blocks.n = node.integer("N", 0);
  blocks.k = node.integer("K", 0);
  blocks.bits = node.integer("bits", 4);
  blocks.block = node.integer("block_size", 0);
  require(blocks.n >= 1 && blocks.n < kMax && blocks.k >= 1 && blocks.k < kMax, node, "N is {} and K {}", blocks.n,
          blocks.k);
  require(blocks.bits == 2 || blocks.bits == 4 || blocks.bits == 8, node, "bits is {}, wanted 2, 4 or 8", blocks.bits);
  require(blocks.block >= 16 && blocks.block < kMax && blocks.block % 8 == 0, node, "block_size is {}", blocks.block);
  blocks.count = (blocks.k + blocks.block - 1) / blocks.block;
  blocks.blob = blocks.block * blocks.bits / 8;
  blocks.zero_bytes = (blocks.count * blocks.bits + 7) / 8;
  return blocks;
}

// Inputs: A, B, scales, zero_points, g_idx, bias.
std::vector<TensorType> infer_n_bits(const InferContext& context) {
  const TensorType& a = input(context, 0);
  const Node& node = context.node;
  const Blocks blocks = blocks_of(node);
  require_type(FloatTypes{}, node, a.element);
  require(!a.shape.empty() && a.shape.back() == blocks.k, node, "A has the shape {}, wanted [..., {}]",
          graph::to_string(a.shape), blocks.k);
  const auto check = [&](std::size_t index, ElementType type, std::int64_t count) {
    const TensorType* given = optional_input(context, index);
    require(given == nullptr || (given->element == type && graph::element_count(given->shape) == count), node,
            "input {} must hold {} elements of {}", index, count, graph::name_of(type));
  };
  input(context, 1);
  input(context, 2);
  check(1, ElementType::uint8, blocks.n * blocks.count * blocks.blob);
  check(2, a.element, blocks.n * blocks.count);
  const TensorType* zero = optional_input(context, 3);
  const bool packed = zero != nullptr && zero->element == ElementType::uint8;
  check(3, packed ? ElementType::uint8 : a.element, blocks.n * (packed ? blocks.zero_bytes : blocks.count));
  check(4, ElementType::int32, blocks.k);
  check(5, a.element, blocks.n);
  Shape shape = a.shape;
  shape.back() = blocks.n;
  return types(context, {{a.element, shape}});
}

std::int64_t bits_at(const std::uint8_t* bytes, std::int64_t place, std::int64_t bits) {
  const std::int64_t first = place * bits;
  return (bytes[first / 8] >> (first % 8)) & ((1 << bits) - 1);
}

template <typename T>
void multiply_n_bits(const ComputeContext& context, const Blocks& blocks) {
  using A = Arithmetic<T>;
  const Numbers<T> a(&input(context, 0));
  const std::uint8_t* b = data<std::uint8_t>(input(context, 1));
  const Numbers<T> scales(&input(context, 2));
  const Tensor* zero = optional_input(context, 3);
  const bool packed = zero != nullptr && zero->type() == ElementType::uint8;
  const Numbers<T> zeros(packed ? nullptr : zero);
  const Tensor* groups = optional_input(context, 4);
  const Tensor* bias = optional_input(context, 5);
  T* y = data<T>(context.outputs[0]);
  const std::int64_t rows = input(context, 0).count() / blocks.k;
  std::vector<A> weights(static_cast<std::size_t>(blocks.k));
  for (std::int64_t n = 0; n < blocks.n; ++n) {
    for (std::int64_t k = 0; k < blocks.k; ++k) {
      // g_idx names the block whose scale an element uses, where the elements were sorted.
      const std::int64_t block = groups != nullptr ? data<std::int32_t>(*groups)[k] : k / blocks.block;
      require(block >= 0 && block < blocks.count, context.node, "g_idx holds {}, there are {} blocks", block,
              blocks.count);
      const std::int64_t parameter = n * blocks.count + block;
      A shift = static_cast<A>(std::int64_t{1} << (blocks.bits - 1));
      if (packed) {
        shift = static_cast<A>(bits_at(data<std::uint8_t>(*zero) + n * blocks.zero_bytes, block, blocks.bits));
      } else if (zero != nullptr) {
        shift = *zeros.at(parameter);
      }
      const auto value = static_cast<A>(bits_at(b + n * blocks.count * blocks.blob, k, blocks.bits));
      weights[static_cast<std::size_t>(k)] = (value - shift) * *scales.at(parameter);
    }
    const A start = bias != nullptr ? static_cast<A>(data<T>(*bias)[n]) : A(0);
    for (std::int64_t row = 0; row < rows; ++row) {
      y[row * blocks.n + n] = T(start + dot(a.at(row * blocks.k), weights.data(), blocks.k));
    }
  }
}

void compute_n_bits(const ComputeContext& context) {
  const Blocks blocks = blocks_of(context.node);
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { multiply_n_bits<decltype(tag)>(context, blocks); });
}

constexpr std::array kDefinitions{
    OpDefinition{kDomain, "DynamicQuantizeMatMul", 1, 3, 5, 1, 1, infer_dynamic, compute_dynamic},
    OpDefinition{kDomain, "MatMulIntegerToFloat", 1, 4, 7, 1, 1, infer_integer_to_float, compute_integer_to_float},
    OpDefinition{kDomain, "MatMulNBits", 1, 3, 6, 1, 1, infer_n_bits, compute_n_bits},
    OpDefinition{kDomain, "QGemm", 1, 6, 9, 1, 1, infer_q_gemm, compute_q_gemm},
};

}  // namespace

std::span<const OpDefinition> contrib_matmul_definitions() { return kDefinitions; }

}  // namespace ns::ops
