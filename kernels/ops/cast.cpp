// Cast to the type of an attribute, CastLike to that of another input. A floating number out of range
// saturates; with saturate=0 it becomes NaN or infinity in a float8.
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

using CastTypes = Joined<AllTypes, Joined<Float8Types, NibbleTypes>>;

std::vector<TensorType> infer_cast(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require(context.node.has("to"), context.node, "the attribute to is missing");
  const std::int64_t to = context.node.integer("to", 0);
  if (to < 0 || to > 255) unsupported(context.node, "the type " + std::to_string(to) + " is not supported");
  require_type(CastTypes{}, context.node, x.element);
  require_type(CastTypes{}, context.node, static_cast<ElementType>(to));
  return types(context, {{static_cast<ElementType>(to), x.shape}});
}

std::vector<TensorType> infer_cast_like(const InferContext& context) {
  require_type(CastTypes{}, context.node, input(context, 0).element);
  require_type(CastTypes{}, context.node, input(context, 1).element);
  return types(context, {{input(context, 1).element, input(context, 0).shape}});
}

void compute_cast(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  const bool saturate = context.node.integer("saturate", 1) != 0;
  if (x.type() == y.type()) return copy_bytes(x, y);
  dispatch(CastTypes{}, context.node, x.type(), [&](auto from_tag) {
    using From = decltype(from_tag);
    dispatch(CastTypes{}, context.node, y.type(), [&](auto to_tag) {
      using To = decltype(to_tag);
      const From* from = data<From>(x);
      To* to = data<To>(y);
      for (std::int64_t i = 0; i < x.count(); ++i) {
        if constexpr (kIsFloat8<To>) {
          to[i] = To(convert<float>(from[i]), saturate);
        } else {
          to[i] = convert<To>(from[i]);
        }
      }
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Cast", 6, 1, 1, 1, 1, infer_cast, compute_cast},
    OpDefinition{"", "CastLike", 15, 2, 2, 1, 1, infer_cast_like, compute_cast},
};

}  // namespace

std::span<const OpDefinition> cast_definitions() { return kDefinitions; }

}  // namespace ns::ops
