#include "kernels/onednn/binary.h"

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

namespace {

dnnl::algorithm algorithm_of(Binary kind) {
  switch (kind) {
    case Binary::add:
      return dnnl::algorithm::binary_add;
    case Binary::subtract:
      return dnnl::algorithm::binary_sub;
    case Binary::multiply:
      return dnnl::algorithm::binary_mul;
    case Binary::divide:
      return dnnl::algorithm::binary_div;
    case Binary::maximum:
      return dnnl::algorithm::binary_max;
    case Binary::minimum:
      return dnnl::algorithm::binary_min;
  }
  throw Error(ErrorCode::internal, "a binary operation that oneDNN has no name for");
}

}  // namespace

Made make_binary(Binary kind, const Layout& left, const Layout& right) {
  return attempt([&] {
    const Attributes attributes = attributes_of({});
    const dnnl::memory::desc &first = descriptor_of(left), &second = descriptor_of(right);
    const dnnl::binary::desc wanted(algorithm_of(kind), first, second, first);
    const dnnl::binary::primitive_desc chosen(wanted, attributes.attr, cpu());
    return finish(chosen, dnnl::binary(chosen), {{DNNL_ARG_SRC_0, first}, {DNNL_ARG_SRC_1, second}}, {},
                  chosen.dst_desc(), attributes);
  });
}

}  // namespace ns::onednn
