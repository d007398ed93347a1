#include "kernels/runtime/plan.h"

#include <algorithm>
#include <new>

#include "kernels/runtime/memory.h"

namespace ns::runtime {

using graph::Tensor;

Plan::Plan(std::shared_ptr<const graph::Graph> graph, std::vector<ops::TensorType> inputs, const PlanOptions& options)
    : graph_(std::move(graph)), inputs_(std::move(inputs)), options_(options) {
  onednn::set_threads(options_.threads);
  Lowering lowering(*graph_, inputs_, options_.plain);
  program_ = lowering.run();
  for (const graph::ValueId output : graph_->outputs) outputs_.push_back(lowering.resolved().type(output));
  lay_out_buffers();
}

// A buffer lives from the step that first writes it to the step that last uses it; outputs live on after the run.
void Plan::lay_out_buffers() {
  const auto steps = static_cast<std::int32_t>(program_.steps.size());
  std::vector<Lifetime> lives(program_.buffers.size(), {.bytes = 0, .first = steps, .last = -1});
  const auto touch = [&](BufferId buffer, std::int32_t step) {
    Lifetime& life = lives[static_cast<std::size_t>(buffer)];
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
  };
  for (std::int32_t step = 0; step < steps; ++step) {
    const PlannedStep& one = program_.steps[static_cast<std::size_t>(step)];
    for (const BufferId input : one.inputs) touch(input, step);
    for (const BufferId output : one.outputs) touch(output, step);
    scratchpad_bytes_ = std::max(scratchpad_bytes_, one.step->scratchpad_bytes());
  }
  for (const BufferId output : program_.outputs) touch(output, steps);
  std::vector<Lifetime> in_arena;
  std::vector<std::size_t> owners;
  for (std::size_t buffer = 0; buffer < lives.size(); ++buffer) {
    if (program_.buffers[buffer].kind != Buffer::Kind::arena || lives[buffer].last < 0) continue;
    lives[buffer].bytes = program_.buffers[buffer].bytes;
    in_arena.push_back(lives[buffer]);
    owners.push_back(buffer);
  }
  const ArenaLayout layout = lay_out(in_arena);
  offsets_.assign(lives.size(), 0);
  for (std::size_t i = 0; i < owners.size(); ++i) offsets_[owners[i]] = layout.offsets[i];
  arena_bytes_ = layout.bytes;
}

namespace {

std::shared_ptr<std::byte> aligned_memory(std::size_t bytes) {
  constexpr std::align_val_t kAt{kAlignment};
  auto* start = static_cast<std::byte*>(::operator new(std::max<std::size_t>(bytes, 1), kAt));
  // Padding of blocked layouts has to be zero before it is first read.
  std::fill_n(start, bytes, std::byte{0});
  return {start, [](std::byte* memory) { ::operator delete (memory, std::align_val_t{kAlignment}); }};
}

}  // namespace

Workspace::Workspace(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)),
      memory_(aligned_memory(plan_->arena_bytes() + plan_->scratchpad_bytes())),
      input_uses_(plan_->inputs().size()),
      input_bytes_(plan_->inputs().size(), nullptr),
      times_(plan_->program().steps.size()) {
  bind();
}

void Workspace::bind() {
  const Program& program = plan_->program();
  const auto bytes_of = [&](BufferId id) -> void* {
    const Buffer& buffer = program.buffers[static_cast<std::size_t>(id)];
    switch (buffer.kind) {
      case Buffer::Kind::arena:
        return memory_.get() + plan_->offset(id);
      case Buffer::Kind::constant:
        return const_cast<void*>(buffer.constant.bytes());  // only read
      default:
        return nullptr;
    }
  };
  void* const scratchpad = memory_.get() + plan_->arena_bytes();
  for (std::size_t step = 0; step < program.steps.size(); ++step) {
    const PlannedStep& one = program.steps[step];
    std::vector<void*> inputs, outputs;
    for (std::size_t i = 0; i < one.inputs.size(); ++i) {
      const Buffer& buffer = program.buffers[static_cast<std::size_t>(one.inputs[i])];
      if (buffer.kind == Buffer::Kind::input) input_uses_[buffer.input].push_back({step, i});
      inputs.push_back(bytes_of(one.inputs[i]));
    }
    for (const BufferId output : one.outputs) outputs.push_back(bytes_of(output));
    steps_.push_back(one.step->bind({.inputs = inputs, .outputs = outputs, .scratchpad = scratchpad}));
  }
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    const ops::TensorType& type = plan_->outputs()[i];
    const Buffer& buffer = program.buffers[static_cast<std::size_t>(program.outputs[i])];
    outputs_.push_back(buffer.kind == Buffer::Kind::constant
                           ? buffer.constant.reshaped(type.shape)
                           : Tensor::view(type.element, type.shape, bytes_of(program.outputs[i]), memory_));
  }
}

void Workspace::set_inputs(std::span<const Tensor> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const void* bytes = inputs[i].bytes();
    if (bytes == input_bytes_[i]) continue;
    input_bytes_[i] = bytes;
    for (const InputUse& use : input_uses_[i]) steps_[use.step]->set_input(use.argument, const_cast<void*>(bytes));
  }
}

std::vector<Tensor> Workspace::run(std::span<const Tensor> inputs) {
  set_inputs(inputs);
  onednn::set_threads(plan_->options().threads);
  plan_->options().profile ? run_steps_timed() : run_steps();
  return outputs_;
}

void Workspace::run_steps() {
  for (const auto& step : steps_) step->run();
}

void Workspace::run_steps_timed() {
  using clock = std::chrono::steady_clock;
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    const clock::time_point start = clock::now();
    steps_[step]->run();
    times_[step] += clock::now() - start;
  }
  ++timed_runs_;
}

std::vector<StepTime> Workspace::profile() const {
  std::vector<StepTime> result;
  const Program& program = plan_->program();
  for (std::size_t step = 0; step < program.steps.size(); ++step) {
    const PlannedStep& one = program.steps[step];
    const double total = std::chrono::duration<double, std::micro>(times_[step]).count();
    result.push_back({one.node, one.operation, one.step->implementation(),
                      timed_runs_ == 0 ? 0.0 : total / static_cast<double>(timed_runs_)});
  }
  return result;
}

}  // namespace ns::runtime
