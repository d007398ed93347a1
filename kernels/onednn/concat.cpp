#include "kernels/onednn/concat.h"

#include <algorithm>

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

namespace {

// Axis 0 outermost, then axis 1, perhaps in blocks; nothing but these numbers.
bool has_channel_rows(const dnnl_memory_desc_t& data, dnnl::memory::dim count) {
  if (data.format_kind != dnnl_blocked || data.extra.flags != dnnl_memory_extra_flag_none || data.ndims < 2)
    return false;
  const auto& blocking = data.format_desc.blocking;
  if (blocking.inner_nblks > 1 || (blocking.inner_nblks == 1 && blocking.inner_idxs[0] != 1)) return false;
  if (!std::equal(data.dims, data.dims + data.ndims, data.padded_dims)) return false;
  const dnnl::memory::dim block = blocking.inner_nblks == 1 ? blocking.inner_blks[0] : 1;
  const dnnl::memory::dim image = count / data.dims[0];
  if (data.dims[0] > 1 && blocking.strides[0] != image) return false;
  return data.dims[1] == block || blocking.strides[1] == image / (data.dims[1] / block);
}

}  // namespace

bool joins_as_rows(std::span<const Layout> parts, const Layout& whole) {
  const auto of = [](const Layout& layout) -> const dnnl_memory_desc_t& { return descriptor_of(layout).data; };
  const auto& target = of(whole).format_desc.blocking;
  const auto count = [](const Layout& layout) {
    return static_cast<dnnl::memory::dim>(layout.bytes() / graph::size_of(layout.type()));
  };
  if (!has_channel_rows(of(whole), count(whole))) return false;
  return std::all_of(parts.begin(), parts.end(), [&](const Layout& part) {
    const auto& blocking = of(part).format_desc.blocking;
    return has_channel_rows(of(part), count(part)) && blocking.inner_nblks == target.inner_nblks &&
           (target.inner_nblks == 0 || blocking.inner_blks[0] == target.inner_blks[0]) &&
           // The order inside an image: the axes behind the channels lie alike in both.
           std::equal(blocking.strides + 2, blocking.strides + of(part).ndims, target.strides + 2);
  });
}

}  // namespace ns::onednn
