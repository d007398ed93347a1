#include "kernels/runtime/staged.h"

#include <algorithm>
#include <chrono>

#include "kernels/graph/part.h"
#include "kernels/ops/op.h"
#include "kernels/runtime/resolved.h"

namespace ns::runtime {

using graph::kAbsent;
using graph::Tensor;
using graph::ValueId;

namespace {

std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

std::vector<std::int32_t> nodes_in(const std::vector<NodeState>& states, NodeState wanted) {
  std::vector<std::int32_t> nodes;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i] == wanted) nodes.push_back(static_cast<std::int32_t>(i));
  }
  return nodes;
}

}  // namespace

Staged::Staged(std::shared_ptr<const graph::Graph> graph, const PlanOptions& options)
    : graph_(std::move(graph)), options_(options), done_(graph_->nodes.size(), false) {}

const Staged::Stage* Staged::stage(std::size_t index, std::span<const Tensor> values) {
  const std::lock_guard lock(mutex_);
  const bool is_next = index == stages_.size();
  if (is_next && std::find(done_.begin(), done_.end(), false) != done_.end()) cut(values);
  return index < stages_.size() ? &*std::next(stages_.begin(), static_cast<std::ptrdiff_t>(index)) : nullptr;
}

void Staged::cut(std::span<const Tensor> values) {
  std::vector<std::optional<ops::TensorType>> types(values.size());
  for (std::size_t id = 0; id < values.size(); ++id) {
    if (values[id].defined()) types[id] = ops::TensorType{values[id].type(), values[id].shape()};
  }
  const std::vector<NodeState> states = Resolved::readiness(*graph_, std::move(types), done_);
  const std::vector<std::int32_t> part = nodes_in(states, NodeState::ready);
  Stage stage;
  if (!part.empty()) {
    stage.outputs = needed_outside(part);
    auto graph = std::make_shared<const graph::Graph>(graph::part_of(*graph_, part, stage.outputs));
    for (const ValueId input : graph->inputs) stage.inputs.push_back(graph_->find(graph->value(input).name));
    if (!stage.outputs.empty()) stage.part.emplace(std::move(graph), options_);
  }
  for (const std::int32_t index : nodes_in(states, NodeState::needs_data)) {
    const graph::Node& node = graph_->nodes[at(index)];
    const bool flows = is_control_flow(node);
    stage.nodes.push_back({index, flows ? ControlFlow::make(*graph_, node, options_) : nullptr});
  }
  for (const std::int32_t index : part) done_[at(index)] = true;
  for (const Node& node : stage.nodes) done_[at(node.index)] = true;
  stages_.push_back(std::move(stage));
}

// What the part makes and the graph's outputs or nodes that are not part of it use.
std::vector<ValueId> Staged::needed_outside(const std::vector<std::int32_t>& part) const {
  const graph::Graph::Uses uses = graph_->uses();
  std::vector<bool> inside(graph_->nodes.size(), false);
  for (const std::int32_t index : part) inside[at(index)] = true;
  std::vector<ValueId> needed;
  for (const std::int32_t index : part) {
    for (const ValueId id : graph_->nodes[at(index)].outputs) {
      if (id == kAbsent) continue;
      const auto& consumers = uses.consumers[at(id)];
      const bool outside =
          std::any_of(consumers.begin(), consumers.end(), [&](std::int32_t user) { return !inside[at(user)]; });
      if (outside || uses.is_output[at(id)]) needed.push_back(id);
    }
  }
  return needed;
}

std::vector<Tensor> StagedRun::run(std::span<const Tensor> inputs) {
  const graph::Graph& graph = staged_->graph();
  values_.assign(graph.value_count(), Tensor());
  for (std::size_t id = 0; id < values_.size(); ++id) {
    values_[id] = graph.value(static_cast<ValueId>(id)).constant;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) values_[at(graph.inputs[i])] = inputs[i];
  for (std::size_t index = 0;; ++index) {
    if (index == stages_.size()) {
      const Staged::Stage* next = staged_->stage(index, values_);
      if (next == nullptr) break;
      stages_.push_back(begin(*next));
    }
    run_stage(stages_[index]);
  }
  ++runs_;
  std::vector<Tensor> outputs = outputs_of(inputs);
  values_.clear();
  return outputs;
}

StagedRun::StageRun StagedRun::begin(const Staged::Stage& stage) const {
  StageRun run{.stage = &stage, .part = {}, .flows = {}, .microseconds = std::vector<double>(stage.nodes.size(), 0)};
  if (stage.part) run.part.emplace(stage.part->share());
  for (const Staged::Node& node : stage.nodes) run.flows.push_back(node.flows ? node.flows->share() : nullptr);
  return run;
}

void StagedRun::run_stage(StageRun& run) {
  const Staged::Stage& stage = *run.stage;
  if (run.part) {
    std::vector<Tensor> inputs;
    for (const ValueId id : stage.inputs) inputs.push_back(values_[at(id)]);
    std::vector<Tensor> outputs = run.part->run(inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) values_[at(stage.outputs[i])] = std::move(outputs[i]);
  }
  for (std::size_t i = 0; i < stage.nodes.size(); ++i) run_node(run, i);
}

void StagedRun::run_node(StageRun& run, std::size_t index) {
  using Clock = std::chrono::steady_clock;
  const graph::Graph& graph = staged_->graph();
  const graph::Node& node = graph.nodes[at(run.stage->nodes[index].index)];
  const bool profile = staged_->options().profile;
  const Clock::time_point start = profile ? Clock::now() : Clock::time_point();
  std::vector<Tensor> outputs;
  if (run.flows[index]) {
    outputs = run.flows[index]->run(values_);
  } else {
    std::vector<const Tensor*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(id == kAbsent ? nullptr : &values_[at(id)]);
    outputs = ops::run_node(node, graph.opset_of(node), inputs);
  }
  for (std::size_t i = 0; i < outputs.size() && i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent) values_[at(node.outputs[i])] = std::move(outputs[i]);
  }
  if (profile) run.microseconds[index] += std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// An input that is handed through is copied, as a plan does: the caller may change it before it reads the output.
std::vector<Tensor> StagedRun::outputs_of(std::span<const Tensor> inputs) const {
  std::vector<Tensor> outputs;
  for (const ValueId id : staged_->graph().outputs) {
    const Tensor& value = values_[at(id)];
    const bool is_input =
        std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& input) { return input.bytes() == value.bytes(); });
    outputs.push_back(is_input ? value.clone() : value);
  }
  return outputs;
}

std::vector<StepTime> StagedRun::profile() const {
  std::vector<StepTime> steps;
  for (const StageRun& run : stages_) {
    if (run.part) {
      for (StepTime& step : run.part->profile()) steps.push_back(std::move(step));
    }
    for (std::size_t i = 0; i < run.stage->nodes.size(); ++i) {
      const graph::Node& node = staged_->graph().nodes[at(run.stage->nodes[i].index)];
      steps.push_back({node.name, node.op_type, run.flows[i] ? "sub-graph" : "plain",
                       runs_ == 0 ? 0.0 : run.microseconds[i] / static_cast<double>(runs_)});
    }
  }
  return steps;
}

std::vector<const Session*> StagedRun::sessions() const {
  std::vector<const Session*> all;
  for (const StageRun& run : stages_) {
    if (run.part) all.push_back(&*run.part);
    for (const auto& flow : run.flows) {
      if (!flow) continue;
      for (const Session* session : flow->sessions()) all.push_back(session);
    }
  }
  return all;
}

}  // namespace ns::runtime
