#include "kernels/onednn/layout.h"

#include <algorithm>

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

using dnnl::memory;
using graph::ElementType;

namespace {

bool has_descriptor(const Layout::Form& form) { return form.descriptor.data.ndims > 0; }

struct Extent {
  memory::dim size, stride;
};

// Every loop over the tensor in logical order: the outer part of an axis, then the blocks of that axis.
std::vector<Extent> extents_of(const dnnl_memory_desc_t& data) {
  const auto& blocking = data.format_desc.blocking;
  memory::dim blocked[DNNL_MAX_NDIMS];
  std::fill(std::begin(blocked), std::end(blocked), 1);
  for (int block = 0; block < blocking.inner_nblks; ++block) {
    blocked[blocking.inner_idxs[block]] *= blocking.inner_blks[block];
  }
  std::vector<Extent> result;
  for (int axis = 0; axis < data.ndims; ++axis) {
    result.push_back({data.padded_dims[axis] / blocked[axis], blocking.strides[axis]});
    for (int block = 0; block < blocking.inner_nblks; ++block) {
      if (blocking.inner_idxs[block] != axis) continue;
      memory::dim stride = 1;
      for (int later = block + 1; later < blocking.inner_nblks; ++later) stride *= blocking.inner_blks[later];
      result.push_back({blocking.inner_blks[block], stride});
    }
  }
  std::erase_if(result, [](const Extent& extent) { return extent.size == 1; });
  return result;
}

bool is_blocked(const dnnl_memory_desc_t& data) {
  return data.format_kind == dnnl_blocked && data.extra.flags == dnnl_memory_extra_flag_none;
}

bool same_extents(const dnnl_memory_desc_t& one, const dnnl_memory_desc_t& other) {
  if (!is_blocked(one) || !is_blocked(other) || one.ndims != other.ndims) return false;
  if (!std::equal(one.dims, one.dims + one.ndims, other.dims)) return false;
  if (!std::equal(one.padded_dims, one.padded_dims + one.ndims, other.padded_dims)) return false;
  const auto left = extents_of(one), right = extents_of(other);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Extent& a, const Extent& b) { return a.size == b.size && a.stride == b.stride; });
}

Layout make(ElementType type, memory::desc descriptor, std::size_t bytes) {
  return Layout(std::make_shared<const Layout::Form>(Layout::Form{std::move(descriptor), type, bytes}));
}

ElementType element_type_of(dnnl_data_type_t type) {
  switch (type) {
    case dnnl_f32:
      return ElementType::float32;
    case dnnl_s32:
      return ElementType::int32;
    case dnnl_s8:
      return ElementType::int8;
    case dnnl_u8:
      return ElementType::uint8;
    default:
      return ElementType::undefined;
  }
}

}  // namespace

Layout Layout::plain(ElementType type, const graph::Shape& shape) {
  const std::size_t bytes = static_cast<std::size_t>(graph::element_count(shape)) * graph::size_of(type);
  if (data_type_of(type) == memory::data_type::undef || shape.size() > DNNL_MAX_NDIMS || bytes == 0) {
    return make(type, memory::desc(), bytes);
  }
  return make(type, row_major(type, dims_of(shape)), bytes);
}

Layout Layout::channels_last(ElementType type, const graph::Shape& shape) {
  if (shape.size() < 3 || data_type_of(type) == memory::data_type::undef) return plain(type, shape);
  memory::dims strides(shape.size(), 1);
  memory::dim stride = shape[1];
  for (std::size_t axis = shape.size() - 1; axis >= 2; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  strides[0] = stride;
  const memory::desc descriptor(dims_of(shape), data_type_of(type), strides);
  return make(type, descriptor, descriptor.get_size());
}

ElementType Layout::type() const { return form_->type; }
std::size_t Layout::bytes() const { return form_->bytes; }

bool Layout::is_padded() const {
  const dnnl_memory_desc_t& data = form_->descriptor.data;
  return !std::equal(data.dims, data.dims + data.ndims, data.padded_dims);
}

bool Layout::is_row_major() const {
  if (!has_descriptor(*form_)) return true;
  const dnnl_memory_desc_t& data = form_->descriptor.data;
  if (!is_blocked(data) || is_padded()) return false;
  const std::vector<Extent> extents = extents_of(data);
  memory::dim wanted = 1;
  for (auto extent = extents.rbegin(); extent != extents.rend(); ++extent) {
    if (extent->stride != wanted) return false;
    wanted *= extent->size;
  }
  return true;
}

bool Layout::is_channels_last() const {
  if (!has_descriptor(*form_)) return false;
  const dnnl_memory_desc_t& data = form_->descriptor.data;
  const graph::Shape shape(data.dims, data.dims + data.ndims);
  return shape.size() >= 3 && same_extents(data, channels_last(form_->type, shape).form().descriptor.data);
}

bool Layout::same_bytes(const Layout& other) const {
  if (type() != other.type() || bytes() != other.bytes()) return false;
  const bool plain = is_row_major();
  if (plain != other.is_row_major()) return false;
  return plain || same_extents(form_->descriptor.data, other.form_->descriptor.data);
}

std::string Layout::describe() const {
  std::string text(graph::name_of(type()));
  if (!has_descriptor(*form_)) return text + " row-major";
  const dnnl_memory_desc_t& data = form_->descriptor.data;
  text += is_row_major() ? " row-major " : is_channels_last() ? " channels-last " : " blocked ";
  return text + graph::to_string(graph::Shape(data.dims, data.dims + data.ndims));
}

Layout layout_of(const memory::desc& descriptor) {
  return make(element_type_of(descriptor.data.data_type), descriptor, descriptor.get_size());
}

const memory::desc& descriptor_of(const Layout& layout) {
  if (!layout.defined() || !has_descriptor(layout.form())) {
    throw Error(ErrorCode::unsupported, "oneDNN has no layout for this element type, rank or empty shape");
  }
  return layout.form().descriptor;
}

}  // namespace ns::onednn
