#include "kernels/onednn/matmul.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

using dnnl::memory;
using graph::ElementType;

namespace {

// [..., rows, columns] as it is multiplied, of a tensor that may be stored with the last two axes swapped.
memory::desc matrix(ElementType type, const graph::Shape& logical, bool transposed) {
  memory::dims stored = dims_of(logical);
  const std::size_t last = stored.size() - 1;
  if (!transposed) return row_major(type, stored);
  std::swap(stored[last], stored[last - 1]);
  return row_major(type, stored).permute_axes([&] {
    std::vector<int> order(stored.size());
    for (std::size_t axis = 0; axis < order.size(); ++axis) order[axis] = static_cast<int>(axis);
    std::swap(order[last], order[last - 1]);
    return order;
  }());
}

void set_arithmetic(dnnl::primitive_attr& attr, const Arithmetic& arithmetic, std::size_t rank) {
  const bool per_column = arithmetic.output_scales.size() > 1;
  if (per_column || arithmetic.output_scales[0] != 1.0F) {
    attr.set_output_scales(per_column ? 1 << (rank - 1) : 0, arithmetic.output_scales);
  }
  if (arithmetic.input_zero_point != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {arithmetic.input_zero_point});
  if (arithmetic.output_zero_point != 0) attr.set_zero_points(DNNL_ARG_DST, 0, {arithmetic.output_zero_point});
}

memory pack_weights(const MatmulSpec& spec, const memory::desc& wanted) {
  memory source(matrix(spec.right_type, spec.right, spec.right_transposed), cpu(),
                const_cast<void*>(spec.weights.bytes()));
  memory target(wanted, cpu());
  dnnl::stream stream(cpu());
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

Made make(const MatmulSpec& spec) {
  const std::size_t rank = spec.left.size();
  if (rank < 2 || spec.right.size() != rank) return {nullptr, "matmul wants two matrices of the same rank"};
  Attributes attributes = attributes_of(spec.post);
  set_arithmetic(attributes.attr, spec.arithmetic, rank);
  const memory::desc left = matrix(spec.input_type, spec.left, spec.left_transposed);
  const memory::desc right = spec.weights.defined() ? any_layout(spec.right_type, dims_of(spec.right))
                                                    : matrix(spec.right_type, spec.right, spec.right_transposed);
  const memory::desc target = row_major(spec.output_type, dims_of(spec.output));
  memory::dims bias_dims(rank, 1);
  bias_dims.back() = spec.output.back();
  const memory::desc bias = spec.bias.defined() ? row_major(ElementType::float32, bias_dims) : memory::desc();
  const dnnl::matmul::desc wanted =
      spec.bias.defined() ? dnnl::matmul::desc(left, right, bias, target) : dnnl::matmul::desc(left, right, target);
  const dnnl::matmul::primitive_desc chosen(wanted, attributes.attr, cpu());
  std::vector<std::pair<int, memory::desc>> inputs{{DNNL_ARG_SRC, left}};
  std::vector<std::pair<int, memory>> constants;
  if (spec.weights.defined()) {
    constants.emplace_back(DNNL_ARG_WEIGHTS, pack_weights(spec, chosen.weights_desc()));
  } else {
    inputs.emplace_back(DNNL_ARG_WEIGHTS, right);
  }
  if (spec.bias.defined()) constants.emplace_back(DNNL_ARG_BIAS, packed(spec.bias, bias_dims, bias));
  return finish(chosen, dnnl::matmul(chosen), std::move(inputs), std::move(constants), target, attributes);
}

}  // namespace

Made make_matmul(const MatmulSpec& spec) {
  return attempt([&] { return make(spec); });
}

}  // namespace ns::onednn
