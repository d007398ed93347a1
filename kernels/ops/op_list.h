// Every file of operators, in alphabetical order. To add an operator: write <file>.cpp with a function
// `std::span<const OpDefinition> <file>_definitions()`, list it here and in CMakeLists.txt.
#pragma once

#define NS_OP_LIST(NS_OPS)    \
  NS_OPS(arg_extreme)         \
  NS_OPS(batch_normalization) \
  NS_OPS(binary)              \
  NS_OPS(cast)                \
  NS_OPS(clip)                \
  NS_OPS(concat)              \
  NS_OPS(constant)            \
  NS_OPS(conv)                \
  NS_OPS(conv_transpose)      \
  NS_OPS(cum_sum)             \
  NS_OPS(depth_to_space)      \
  NS_OPS(einsum)              \
  NS_OPS(expand)              \
  NS_OPS(flatten)             \
  NS_OPS(gather)              \
  NS_OPS(gemm)                \
  NS_OPS(generate)            \
  NS_OPS(global_pool)         \
  NS_OPS(gru)                 \
  NS_OPS(identity)            \
  NS_OPS(lstm)                \
  NS_OPS(matmul)              \
  NS_OPS(non_zero)            \
  NS_OPS(normalization)       \
  NS_OPS(one_hot)             \
  NS_OPS(pad)                 \
  NS_OPS(pool)                \
  NS_OPS(power)               \
  NS_OPS(quantize_linear)     \
  NS_OPS(reduce)              \
  NS_OPS(reshape)             \
  NS_OPS(resize)              \
  NS_OPS(rnn)                 \
  NS_OPS(scatter)             \
  NS_OPS(shape)               \
  NS_OPS(slice)               \
  NS_OPS(softmax)             \
  NS_OPS(split)               \
  NS_OPS(squeeze)             \
  NS_OPS(top_k)               \
  NS_OPS(transpose)           \
  NS_OPS(trilu)               \
  NS_OPS(unary)               \
  NS_OPS(variadic)            \
  NS_OPS(where)
