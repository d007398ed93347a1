#include "kernels/onednn/convolution.h"

#include <algorithm>

#include "kernels/onednn/primitive.h"

namespace ns::onednn {

using dnnl::memory;
using graph::ElementType;

namespace {

// oneDNN keeps groups in an axis of their own.
memory::dims weight_dims(const ConvolutionSpec& spec) {
  memory::dims dims = dims_of(spec.weights.shape());
  if (spec.groups > 1) {
    dims[0] /= spec.groups;
    dims.insert(dims.begin(), spec.groups);
  }
  return dims;
}

memory::dims oneDNN_dilations(const std::vector<std::int64_t>& dilations) {
  memory::dims result;
  for (const std::int64_t one : dilations) result.push_back(one - 1);  // there 0 is dense
  return result;
}

void set_arithmetic(dnnl::primitive_attr& attr, const Arithmetic& arithmetic) {
  const bool per_channel = arithmetic.output_scales.size() > 1;
  if (per_channel || arithmetic.output_scales[0] != 1.0F) {
    attr.set_output_scales(per_channel ? 1 << 1 : 0, arithmetic.output_scales);
  }
  if (arithmetic.input_zero_point != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {arithmetic.input_zero_point});
  if (arithmetic.output_zero_point != 0) attr.set_zero_points(DNNL_ARG_DST, 0, {arithmetic.output_zero_point});
}

// Along the height alone: oneDNN's loops are made for the width.
bool is_column(const ConvolutionSpec& spec) {
  return spec.input.size() == 4 && spec.input[3] == 1 && spec.output[3] == 1 && spec.weights.shape()[3] == 1 &&
         spec.input[2] > 1 && spec.pads_begin[1] == 0 && spec.pads_end[1] == 0 &&
         std::none_of(spec.post.begin(), spec.post.end(),
                      [](const PostOperation& one) { return one.kind == PostOperation::Kind::add; });
}

// The same numbers in the same places, height and width exchanged.
ConvolutionSpec turned(ConvolutionSpec spec) {
  const auto turn = [](auto& list) { std::iter_swap(list.end() - 2, list.end() - 1); };
  turn(spec.input);
  turn(spec.output);
  for (auto* list : {&spec.strides, &spec.dilations, &spec.pads_begin, &spec.pads_end}) turn(*list);
  graph::Shape weights = spec.weights.shape();
  turn(weights);
  spec.weights = spec.weights.reshaped(weights);
  return spec;
}

memory::desc turned_back(const memory::desc& descriptor) { return descriptor.permute_axes({0, 1, 3, 2}); }

Made make(const ConvolutionSpec& given) {
  const bool column = is_column(given);
  const ConvolutionSpec spec = column ? turned(given) : given;
  Attributes attributes = attributes_of(spec.post);
  set_arithmetic(attributes.attr, spec.arithmetic);
  const memory::dims weights = weight_dims(spec);
  const memory::desc source = any_layout(spec.input_type, dims_of(spec.input));
  const memory::desc target = any_layout(spec.output_type, dims_of(spec.output));
  const memory::desc weight = any_layout(spec.weights.type(), weights);
  const memory::desc bias =
      spec.bias.defined() ? any_layout(ElementType::float32, dims_of(spec.bias.shape())) : memory::desc();
  const memory::dims strides = spec.strides, begin = spec.pads_begin, end = spec.pads_end;
  const dnnl::convolution_forward::desc wanted(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                               source, weight, bias, target, strides, oneDNN_dilations(spec.dilations),
                                               begin, end);
  const dnnl::convolution_forward::primitive_desc chosen(wanted, attributes.attr, cpu());
  std::vector<std::pair<int, memory>> constants{
      {DNNL_ARG_WEIGHTS, packed(spec.weights, weights, chosen.weights_desc())}};
  if (spec.bias.defined()) {
    constants.emplace_back(DNNL_ARG_BIAS, packed(spec.bias, dims_of(spec.bias.shape()), chosen.bias_desc()));
  }
  const auto as_given = [&](const memory::desc& one) { return column ? turned_back(one) : one; };
  return finish(chosen, dnnl::convolution_forward(chosen), {{DNNL_ARG_SRC, as_given(chosen.src_desc())}},
                std::move(constants), as_given(chosen.dst_desc()), attributes);
}

}  // namespace

Made make_convolution(const ConvolutionSpec& spec) {
  return attempt([&] { return make(spec); });
}

}  // namespace ns::onednn
