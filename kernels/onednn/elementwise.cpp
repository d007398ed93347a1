#include "kernels/onednn/elementwise.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

Made make_elementwise(const Layout& input, Function function, float alpha, float beta) {
  return attempt([&] {
    const Attributes attributes = attributes_of({});
    const dnnl::memory::desc& source = descriptor_of(input);
    const dnnl::eltwise_forward::desc wanted(dnnl::prop_kind::forward_inference, algorithm_of(function), source, alpha,
                                             beta);
    const dnnl::eltwise_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
    return finish(chosen, dnnl::eltwise_forward(chosen), {{DNNL_ARG_SRC, source}}, {}, chosen.dst_desc(), attributes);
  });
}

}  // namespace ns::onednn
