// Inside kernels/onednn only: between our words and oneDNN's.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

struct Layout::Form {
  dnnl::memory::desc descriptor;  // zero (ndims 0) when oneDNN has no such element type or rank
  graph::ElementType type;
  std::size_t bytes;
};

const dnnl::engine& cpu();
dnnl::memory::data_type data_type_of(graph::ElementType);  // undef when oneDNN has none
dnnl::memory::dims dims_of(const graph::Shape&);           // a scalar is [1]
Layout layout_of(const dnnl::memory::desc&);
const dnnl::memory::desc& descriptor_of(const Layout&);  // Error(unsupported) when oneDNN has none
dnnl::memory::desc any_layout(graph::ElementType, const dnnl::memory::dims&);
dnnl::memory::desc row_major(graph::ElementType, const dnnl::memory::dims&);

// A memory that owns a packed copy of the constant.
dnnl::memory packed(const graph::Tensor&, const dnnl::memory::dims&, const dnnl::memory::desc& wanted);

dnnl::algorithm algorithm_of(Function);

// Attributes of a primitive and the extra inputs that its post operations take, in order.
struct Attributes {
  dnnl::primitive_attr attr;
  std::vector<std::pair<int, Layout>> extra;  // argument and layout; a sum has an undefined layout: the output's
  int sum_position = -1;                      // in `extra`
  bool accept_reference = false;              // oneDNN's slow code is better than none
};
Attributes attributes_of(std::span<const PostOperation>);

// The kernel of a primitive. `inputs` are the run-time arguments with their descriptors, `constants` the packed ones.
Made finish(const dnnl::primitive_desc_base&, const dnnl::primitive&,
            std::vector<std::pair<int, dnnl::memory::desc>> inputs, std::vector<std::pair<int, dnnl::memory>> constants,
            const dnnl::memory::desc& output, const Attributes&);

// Runs a maker; oneDNN's refusal becomes the reason.
template <typename Maker>
Made attempt(Maker&& maker) {
  try {
    return std::forward<Maker>(maker)();
  } catch (const dnnl::error& refused) {
    return {nullptr, std::string("oneDNN: ") + refused.what()};
  } catch (const Error& refused) {
    if (refused.code() != ErrorCode::unsupported) throw;
    return {nullptr, refused.what()};
  }
}

}  // namespace ns::onednn
