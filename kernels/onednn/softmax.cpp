#include "kernels/onednn/softmax.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

Made make_softmax(const Layout& input, int axis, bool logarithm) {
  return attempt([&] {
    const Attributes attributes = attributes_of({});
    const dnnl::memory::desc& source = descriptor_of(input);
    const auto algorithm = logarithm ? dnnl::algorithm::softmax_log : dnnl::algorithm::softmax_accurate;
    const dnnl::softmax_v2_forward::desc wanted(dnnl::prop_kind::forward_inference, algorithm, source, source, axis);
    const dnnl::softmax_v2_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
    return finish(chosen, dnnl::softmax_v2_forward(chosen), {{DNNL_ARG_SRC, source}}, {}, chosen.dst_desc(),
                  attributes);
  });
}

}  // namespace ns::onednn
