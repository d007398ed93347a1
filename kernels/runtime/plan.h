// Plan: a graph compiled for one set of input shapes, and Workspace: the memory in which one thread runs it.
//
// A Plan is immutable once made and shared by threads; a Workspace belongs to one thread and keeps its plan alive.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/lowering.h"
#include "kernels/runtime/session.h"

namespace ns::runtime {

class Plan {
 public:
  Plan(std::shared_ptr<const graph::Graph>, std::vector<ops::TensorType> inputs, const PlanOptions&);

  const std::vector<ops::TensorType>& inputs() const { return inputs_; }
  const Program& program() const { return program_; }
  const std::vector<ops::TensorType>& outputs() const { return outputs_; }
  std::size_t offset(BufferId buffer) const { return offsets_[static_cast<std::size_t>(buffer)]; }  // in the arena
  std::size_t arena_bytes() const { return arena_bytes_; }
  std::size_t scratchpad_bytes() const { return scratchpad_bytes_; }
  const PlanOptions& options() const { return options_; }

 private:
  void lay_out_buffers();

  std::shared_ptr<const graph::Graph> graph_;  // steps refer to its nodes
  std::vector<ops::TensorType> inputs_, outputs_;
  PlanOptions options_;
  Program program_;
  std::vector<std::size_t> offsets_;
  std::size_t arena_bytes_ = 0, scratchpad_bytes_ = 0;
};

class Workspace {
 public:
  explicit Workspace(std::shared_ptr<const Plan>);

  // REQUIRES: types and shapes are those of the plan.
  std::vector<graph::Tensor> run(std::span<const graph::Tensor> inputs);
  std::vector<StepTime> profile() const;
  const Plan& plan() const { return *plan_; }

 private:
  struct InputUse {
    std::size_t step, argument;
  };
  void bind();
  void set_inputs(std::span<const graph::Tensor> inputs);
  void run_steps();
  void run_steps_timed();

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<std::byte> memory_;
  std::vector<std::unique_ptr<onednn::Bound>> steps_;
  std::vector<std::vector<InputUse>> input_uses_;  // by graph input
  std::vector<const void*> input_bytes_;           // as set last
  std::vector<graph::Tensor> outputs_;
  std::vector<std::chrono::nanoseconds> times_;
  std::int64_t timed_runs_ = 0;
};

}  // namespace ns::runtime
