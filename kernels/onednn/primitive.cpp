#include "kernels/onednn/primitive.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

namespace ns::onednn {

using dnnl::memory;
using graph::ElementType;

void set_threads(int threads) { omp_set_num_threads(std::max(1, threads)); }

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type data_type_of(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return memory::data_type::f32;
    case ElementType::int32:
      return memory::data_type::s32;
    case ElementType::int8:
      return memory::data_type::s8;
    case ElementType::uint8:
      return memory::data_type::u8;
    default:
      return memory::data_type::undef;
  }
}

memory::dims dims_of(const graph::Shape& shape) {
  if (shape.empty()) return {1};
  return {shape.begin(), shape.end()};
}

memory::desc row_major(ElementType type, const memory::dims& dims) {
  memory::dims strides(dims.size(), 1);
  for (std::size_t axis = dims.size() - 1; axis > 0; --axis) {
    strides[axis - 1] = strides[axis] * std::max<memory::dim>(1, dims[axis]);
  }
  return {dims, data_type_of(type), strides};
}

memory::desc any_layout(ElementType type, const memory::dims& dims) {
  return {dims, data_type_of(type), memory::format_tag::any};
}

memory packed(const graph::Tensor& tensor, const memory::dims& dims, const memory::desc& wanted) {
  // oneDNN's reorder only reads from its source.
  memory source(row_major(tensor.type(), dims), cpu(), const_cast<void*>(tensor.bytes()));
  memory target(wanted, cpu());
  dnnl::stream stream(cpu());
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

dnnl::algorithm algorithm_of(Function function) {
  switch (function) {
    case Function::relu:
      return dnnl::algorithm::eltwise_relu;
    case Function::clip:
      return dnnl::algorithm::eltwise_clip;
    case Function::logistic:
      return dnnl::algorithm::eltwise_logistic;
    case Function::tanh:
      return dnnl::algorithm::eltwise_tanh;
    case Function::elu:
      return dnnl::algorithm::eltwise_elu;
    case Function::hardswish:
      return dnnl::algorithm::eltwise_hardswish;
    case Function::linear:
      return dnnl::algorithm::eltwise_linear;
    case Function::round:
      return dnnl::algorithm::eltwise_round;
    case Function::abs:
      return dnnl::algorithm::eltwise_abs;
    case Function::sqrt:
      return dnnl::algorithm::eltwise_sqrt;
    case Function::exp:
      return dnnl::algorithm::eltwise_exp;
    case Function::log:
      return dnnl::algorithm::eltwise_log;
    case Function::square:
      return dnnl::algorithm::eltwise_square;
    case Function::gelu_erf:
      return dnnl::algorithm::eltwise_gelu_erf;
  }
  throw Error(ErrorCode::internal, "a function that oneDNN has no name for");
}

Attributes attributes_of(std::span<const PostOperation> post) {
  Attributes result;
  result.attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops operations;
  for (const PostOperation& one : post) {
    const int position = operations.len();
    switch (one.kind) {
      case PostOperation::Kind::function:
        operations.append_eltwise(1.0F, algorithm_of(one.function), one.alpha, one.beta);
        break;
      case PostOperation::Kind::sum:
        operations.append_sum(one.scale, one.zero_point, data_type_of(one.type));
        result.sum_position = static_cast<int>(result.extra.size());
        result.extra.emplace_back(DNNL_ARG_DST, Layout());
        break;
      case PostOperation::Kind::add: {
        const Layout layout = Layout::plain(one.type, one.shape);
        operations.append_binary(dnnl::algorithm::binary_add, descriptor_of(layout));
        result.extra.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(position) | DNNL_ARG_SRC_1, layout);
        break;
      }
    }
  }
  result.attr.set_post_ops(operations);
  return result;
}

namespace {

// What a kernel holds beside its public face.
class PrimitiveKernel final : public Kernel, public std::enable_shared_from_this<PrimitiveKernel> {
 public:
  dnnl::primitive primitive;
  std::vector<int> input_arguments;
  std::vector<std::pair<int, memory>> constants;
  memory::desc scratchpad;

  std::unique_ptr<Bound> bind(std::span<void* const> input_bytes, void* output_bytes,
                              void* scratchpad_bytes_at) const override;
};

class BoundPrimitive final : public Bound {
 public:
  BoundPrimitive(std::shared_ptr<const PrimitiveKernel> kernel, std::span<void* const> input_bytes, void* output_bytes,
                 void* scratchpad)
      : kernel_(std::move(kernel)), stream_(cpu()), at_(kernel_->inputs.size(), 0) {
    for (std::size_t i = 0; i < kernel_->inputs.size(); ++i) {
      if (static_cast<int>(i) == kernel_->shares_input) continue;  // it is the output's memory
      at_[i] = memories_.size();
      add(kernel_->input_arguments[i], memory(descriptor_of(kernel_->inputs[i]), cpu(), input_bytes[i]));
    }
    for (const auto& [argument, constant] : kernel_->constants) add(argument, constant);
    add(DNNL_ARG_DST, memory(descriptor_of(kernel_->output), cpu(), output_bytes));
    if (kernel_->scratchpad_bytes > 0) add(DNNL_ARG_SCRATCHPAD, memory(kernel_->scratchpad, cpu(), scratchpad));
  }

  // The C call: the C++ one copies its map of arguments on every run.
  void run() override {
    const dnnl_status_t status = dnnl_primitive_execute(kernel_->primitive.get(), stream_.get(),
                                                        static_cast<int>(arguments_.size()), arguments_.data());
    if (status != dnnl_success) {
      throw Error(ErrorCode::internal, "oneDNN failed in " + kernel_->implementation + ", status " +
                                           std::to_string(static_cast<int>(status)));
    }
  }

  void set_input(std::size_t index, void* bytes) override { memories_[at_[index]].set_data_handle(bytes); }

 private:
  void add(int argument, memory made) {
    arguments_.push_back({argument, made.get()});
    memories_.push_back(std::move(made));
  }

  std::shared_ptr<const PrimitiveKernel> kernel_;
  dnnl::stream stream_;
  std::vector<memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::vector<std::size_t> at_;  // by input: its memory
};

std::unique_ptr<Bound> PrimitiveKernel::bind(std::span<void* const> input_bytes, void* output_bytes,
                                             void* scratchpad_at) const {
  return std::make_unique<BoundPrimitive>(shared_from_this(), input_bytes, output_bytes, scratchpad_at);
}

std::string implementation_of(const dnnl::primitive_desc_base& descriptor) {
  const char* text = descriptor.impl_info_str();
  return text == nullptr ? "" : text;
}

}  // namespace

Made finish(const dnnl::primitive_desc_base& descriptor, const dnnl::primitive& primitive,
            std::vector<std::pair<int, memory::desc>> inputs, std::vector<std::pair<int, memory>> constants,
            const memory::desc& output, const Attributes& attributes) {
  auto kernel = std::make_shared<PrimitiveKernel>();
  kernel->implementation = implementation_of(descriptor);
  if (kernel->implementation.starts_with("ref") && !attributes.accept_reference) {
    return {nullptr, "oneDNN has only its reference code for this (" + kernel->implementation + ")"};
  }
  kernel->primitive = primitive;
  kernel->output = layout_of(output);
  for (auto& [argument, wanted] : inputs) {
    kernel->input_arguments.push_back(argument);
    kernel->inputs.push_back(layout_of(wanted));
  }
  if (attributes.sum_position >= 0) {
    kernel->shares_input = static_cast<int>(inputs.size()) + attributes.sum_position;
  }
  for (const auto& [argument, layout] : attributes.extra) {
    kernel->input_arguments.push_back(argument);
    kernel->inputs.push_back(layout.defined() ? layout : kernel->output);
  }
  kernel->constants = std::move(constants);
  kernel->scratchpad = memory::desc(descriptor.query_md(dnnl::query::exec_arg_md, DNNL_ARG_SCRATCHPAD));
  kernel->scratchpad_bytes = kernel->scratchpad.get_size();
  return {kernel, ""};
}

}  // namespace ns::onednn
