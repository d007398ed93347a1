#include "kernels/onednn/reorder.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

namespace {

Made make(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  Attributes attributes = attributes_of({});
  attributes.accept_reference = true;
  const dnnl::reorder::primitive_desc chosen(cpu(), from, cpu(), to, attributes.attr);
  return finish(chosen, dnnl::reorder(chosen), {{DNNL_ARG_FROM, from}}, {}, to, attributes);
}

}  // namespace

Made make_reorder(const Layout& from, const Layout& to) {
  return attempt([&] { return make(descriptor_of(from), descriptor_of(to)); });
}

Made make_transpose(graph::ElementType type, const graph::Shape& input, std::span<const std::int64_t> permutation) {
  return attempt([&]() -> Made {
    if (data_type_of(type) == dnnl::memory::data_type::undef || input.empty()) {
      return {nullptr, "oneDNN has no such element type or rank"};
    }
    // permute_axes sends axis i of the old to axis order[i] of the new.
    std::vector<int> order(input.size());
    dnnl::memory::dims output(input.size());
    for (std::size_t axis = 0; axis < input.size(); ++axis) {
      order[static_cast<std::size_t>(permutation[axis])] = static_cast<int>(axis);
      output[axis] = input[static_cast<std::size_t>(permutation[axis])];
    }
    return make(row_major(type, dims_of(input)).permute_axes(order), row_major(type, output));
  });
}

}  // namespace ns::onednn
