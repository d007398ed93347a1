// Step: one thing that a plan does, and the kinds of steps that are not oneDNN primitives.
//
// A Step is immutable and belongs to a plan; bind() ties it to the buffers of one workspace.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/onednn/kernel.h"
#include "kernels/ops/op.h"
#include "kernels/runtime/loops.h"

namespace ns::runtime {

struct Buffers {
  std::span<void* const> inputs;
  std::span<void* const> outputs;
  void* scratchpad = nullptr;
};

class Step {
 public:
  virtual ~Step() = default;
  virtual std::unique_ptr<onednn::Bound> bind(const Buffers&) const = 0;
  virtual std::size_t scratchpad_bytes() const { return 0; }
  virtual std::string implementation() const = 0;
};

std::unique_ptr<Step> primitive_step(std::shared_ptr<const onednn::Kernel>);

// The operator's plain computation; absent inputs have an undefined element type and no buffer.
struct PlainCall {
  const graph::Node* node;  // of the plan's graph
  std::int64_t opset;
  const ops::OpDefinition* definition;
  std::vector<ops::TensorType> inputs, outputs;
};
std::unique_ptr<Step> plain_step(PlainCall);

// A function of the buffers; `inputs` may be read, `outputs` written. No state: it may run on several threads.
using Loop = std::function<void(std::span<void* const> inputs, std::span<void* const> outputs, void* scratchpad)>;
std::unique_ptr<Step> loop_step(Loop, std::size_t scratchpad_bytes = 0);

}  // namespace ns::runtime
