#include "kernels/onednn/concat.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

Made make_concat(std::span<const Layout> inputs, int axis) {
  return attempt([&] {
    const Attributes attributes = attributes_of({});
    std::vector<dnnl::memory::desc> sources;
    std::vector<std::pair<int, dnnl::memory::desc>> arguments;
    for (const Layout& input : inputs) {
      arguments.emplace_back(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(sources.size()), descriptor_of(input));
      sources.push_back(descriptor_of(input));
    }
    const dnnl::concat::primitive_desc chosen(axis, sources, cpu(), attributes.attr);
    return finish(chosen, dnnl::concat(chosen), std::move(arguments), {}, chosen.dst_desc(), attributes);
  });
}

}  // namespace ns::onednn
