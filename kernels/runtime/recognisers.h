// The patterns that a plan knows, each in a file of its own kind, tried in the order of the list.
//
// A recogniser looks at the graph around `node`, which nobody has claimed yet, and answers with the group it would run
// there. It may change nothing.
#pragma once

#include <optional>
#include <span>

#include "kernels/runtime/lowering.h"

namespace ns::runtime {

// Groups of any size, in rounds: what one round has claimed is not there for the next, so that a long chain of cheap
// functions does not take away what a product could do in its registers.
std::span<const std::span<const Recogniser>> recognisers();
// Those that take one node alone: what is left when a group has declined.
std::span<const Recogniser> single_recognisers();

// recognise_products.cpp
std::optional<Group> convolution(Lowering&, std::int32_t node);
std::optional<Group> matrix_product(Lowering&, std::int32_t node);
// recognise_int8.cpp: operators between DequantizeLinear and QuantizeLinear
std::optional<Group> int8_table(Lowering&, std::int32_t node);
std::optional<Group> int8_addition(Lowering&, std::int32_t node);
std::optional<Group> int8_pooling(Lowering&, std::int32_t node);
std::optional<Group> int8_concatenation(Lowering&, std::int32_t node);
// recognise_movement.cpp
std::optional<Group> int8_movement(Lowering&, std::int32_t node);
std::optional<Group> block(Lowering&, std::int32_t node);
// recognise_normalization.cpp
std::optional<Group> layer_normalization(Lowering&, std::int32_t node);
// recognise_pointwise.cpp
std::optional<Group> pointwise(Lowering&, std::int32_t node);
// recognise_recurrent.cpp
std::optional<Group> recurrent(Lowering&, std::int32_t node);
// recognise_reduction.cpp
std::optional<Group> reduction(Lowering&, std::int32_t node);
// recognise_single.cpp
std::optional<Group> quantization(Lowering&, std::int32_t node);
std::optional<Group> view(Lowering&, std::int32_t node);
std::optional<Group> activation(Lowering&, std::int32_t node);
std::optional<Group> pooling(Lowering&, std::int32_t node);
std::optional<Group> binary(Lowering&, std::int32_t node);
std::optional<Group> softmax(Lowering&, std::int32_t node);
std::optional<Group> concatenation(Lowering&, std::int32_t node);
std::optional<Group> transposition(Lowering&, std::int32_t node);
std::optional<Group> normalization(Lowering&, std::int32_t node);

}  // namespace ns::runtime
