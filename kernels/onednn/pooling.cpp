#include "kernels/onednn/pooling.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

using dnnl::memory;

namespace {

dnnl::algorithm algorithm_of(Pooling kind) {
  switch (kind) {
    case Pooling::max:
      return dnnl::algorithm::pooling_max;
    case Pooling::average_with_padding:
      return dnnl::algorithm::pooling_avg_include_padding;
    case Pooling::average_without_padding:
      return dnnl::algorithm::pooling_avg_exclude_padding;
  }
  throw Error(ErrorCode::internal, "a pooling that oneDNN has no name for");
}

Made make(const PoolingSpec& spec) {
  const Attributes attributes = attributes_of(spec.post);
  const memory::desc& source = descriptor_of(spec.input);
  const memory::desc target = any_layout(spec.input.type(), dims_of(spec.output));
  memory::dims dilations;
  for (const std::int64_t one : spec.dilations) dilations.push_back(one - 1);  // there 0 is dense
  const dnnl::pooling_v2_forward::desc wanted(dnnl::prop_kind::forward_inference, algorithm_of(spec.kind), source,
                                              target, spec.strides, spec.kernel, dilations, spec.pads_begin,
                                              spec.pads_end);
  const dnnl::pooling_v2_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
  return finish(chosen, dnnl::pooling_v2_forward(chosen), {{DNNL_ARG_SRC, chosen.src_desc()}}, {}, chosen.dst_desc(),
                attributes);
}

}  // namespace

Made make_pooling(const PoolingSpec& spec) {
  return attempt([&] { return make(spec); });
}

}  // namespace ns::onednn
