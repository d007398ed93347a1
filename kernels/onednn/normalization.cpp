#include "kernels/onednn/normalization.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

Made make_batch_normalization(const BatchNormalizationSpec& spec) {
  return attempt([&] {
    using flags = dnnl::normalization_flags;
    const Attributes attributes = attributes_of({});
    const dnnl::memory::desc& source = descriptor_of(spec.input);
    const dnnl::batch_normalization_forward::desc wanted(dnnl::prop_kind::forward_inference, source, spec.epsilon,
                                                         flags::use_global_stats | flags::use_scale | flags::use_shift);
    const dnnl::batch_normalization_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
    const auto constant = [](const graph::Tensor& tensor) {
      const dnnl::memory::dims dims = dims_of(tensor.shape());
      return packed(tensor, dims, row_major(tensor.type(), dims));
    };
    return finish(chosen, dnnl::batch_normalization_forward(chosen), {{DNNL_ARG_SRC, source}},
                  {{DNNL_ARG_SCALE, constant(spec.scale)},
                   {DNNL_ARG_SHIFT, constant(spec.shift)},
                   {DNNL_ARG_MEAN, constant(spec.mean)},
                   {DNNL_ARG_VARIANCE, constant(spec.variance)}},
                  chosen.dst_desc(), attributes);
  });
}

Made make_local_response(const Layout& input, std::int64_t size, float alpha, float beta, float bias) {
  // With an even size ONNX and oneDNN place the window differently.
  if (size % 2 == 0) return {nullptr, "an even window of local response normalization"};
  return attempt([&] {
    const Attributes attributes = attributes_of({});
    const dnnl::memory::desc& source = descriptor_of(input);
    const dnnl::lrn_forward::desc wanted(dnnl::prop_kind::forward_inference, dnnl::algorithm::lrn_across_channels,
                                         source, size, alpha, beta, bias);
    const dnnl::lrn_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
    return finish(chosen, dnnl::lrn_forward(chosen), {{DNNL_ARG_SRC, source}}, {}, chosen.dst_desc(), attributes);
  });
}

}  // namespace ns::onednn
