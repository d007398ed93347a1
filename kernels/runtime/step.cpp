#include "kernels/runtime/step.h"

namespace ns::runtime {

using graph::ElementType;
using graph::Tensor;

namespace {

class PrimitiveStep final : public Step {
 public:
  explicit PrimitiveStep(std::shared_ptr<const onednn::Kernel> kernel) : kernel_(std::move(kernel)) {}
  std::unique_ptr<onednn::Bound> bind(const Buffers& buffers) const override {
    return kernel_->bind(buffers.inputs, buffers.outputs[0], buffers.scratchpad);
  }
  std::size_t scratchpad_bytes() const override { return kernel_->scratchpad_bytes; }
  std::string implementation() const override { return kernel_->implementation; }

 private:
  std::shared_ptr<const onednn::Kernel> kernel_;
};

class BoundPlain final : public onednn::Bound {
 public:
  BoundPlain(const PlainCall& call, const Buffers& buffers) : call_(call) {
    inputs_.reserve(call.inputs.size());
    for (std::size_t i = 0; i < call.inputs.size(); ++i) inputs_.push_back(view(call.inputs[i], buffers.inputs[i]));
    for (const Tensor& input : inputs_) pointers_.push_back(input.defined() ? &input : nullptr);
    for (std::size_t i = 0; i < call.outputs.size(); ++i) outputs_.push_back(view(call.outputs[i], buffers.outputs[i]));
  }

  void run() override {
    call_.definition->compute({.node = *call_.node, .opset = call_.opset, .inputs = pointers_, .outputs = outputs_});
  }
  void set_input(std::size_t index, void* bytes) override { inputs_[index] = view(call_.inputs[index], bytes); }

 private:
  static Tensor view(const ops::TensorType& type, void* bytes) {
    if (type.element == ElementType::undefined) return {};
    return Tensor::view(type.element, type.shape, bytes, nullptr);  // the workspace outlives it
  }

  const PlainCall& call_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<const Tensor*> pointers_;
};

class PlainStep final : public Step {
 public:
  explicit PlainStep(PlainCall call) : call_(std::move(call)) {}
  std::unique_ptr<onednn::Bound> bind(const Buffers& buffers) const override {
    return std::make_unique<BoundPlain>(call_, buffers);
  }
  std::string implementation() const override { return "plain"; }

 private:
  PlainCall call_;
};

class BoundLoop final : public onednn::Bound {
 public:
  BoundLoop(const Loop& loop, const Buffers& buffers)
      : loop_(loop),
        inputs_(buffers.inputs.begin(), buffers.inputs.end()),
        outputs_(buffers.outputs.begin(), buffers.outputs.end()),
        scratchpad_(buffers.scratchpad) {}
  void run() override { loop_(inputs_, outputs_, scratchpad_); }
  void set_input(std::size_t index, void* bytes) override { inputs_[index] = bytes; }

 private:
  const Loop& loop_;
  std::vector<void*> inputs_, outputs_;
  void* scratchpad_;
};

class LoopStep final : public Step {
 public:
  LoopStep(Loop loop, std::size_t scratchpad_bytes) : loop_(std::move(loop)), scratchpad_bytes_(scratchpad_bytes) {}
  std::unique_ptr<onednn::Bound> bind(const Buffers& buffers) const override {
    return std::make_unique<BoundLoop>(loop_, buffers);
  }
  std::size_t scratchpad_bytes() const override { return scratchpad_bytes_; }
  std::string implementation() const override { return "loop"; }

 private:
  Loop loop_;
  std::size_t scratchpad_bytes_;
};

}  // namespace

std::unique_ptr<Step> primitive_step(std::shared_ptr<const onednn::Kernel> kernel) {
  return std::make_unique<PrimitiveStep>(std::move(kernel));
}
std::unique_ptr<Step> plain_step(PlainCall call) { return std::make_unique<PlainStep>(std::move(call)); }
std::unique_ptr<Step> loop_step(Loop loop, std::size_t scratchpad_bytes) {
  return std::make_unique<LoopStep>(std::move(loop), scratchpad_bytes);
}

}  // namespace ns::runtime
