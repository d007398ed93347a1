// Staged: a graph in which the shapes of some values follow from the data (NonZero, If, a Reshape to a computed shape).
//
// It is cut at the nodes that need data. Everything that can run before them is one stage: a graph of its own with
// plans of its own; then the nodes themselves run, one by one, and what they made lets the next stage begin. Where the
// cuts lie follows from the operators, not from the sizes, so they are found in the first run and kept; a part that
// needs data for other shapes after all cuts itself further, being run by a Session.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "kernels/runtime/control_flow.h"
#include "kernels/runtime/session.h"

namespace ns::runtime {

// The stages; any thread.
class Staged {
 public:
  struct Node {
    std::int32_t index;                  // in the graph
    std::unique_ptr<ControlFlow> flows;  // null: a plain operator
  };
  struct Stage {
    std::vector<graph::ValueId> inputs, outputs;  // of the part, by the whole graph's ids
    std::optional<Session> part;                  // none: nothing but nodes
    std::vector<Node> nodes;                      // that run after the part
  };

  Staged(std::shared_ptr<const graph::Graph>, const PlanOptions&);

  const graph::Graph& graph() const { return *graph_; }
  const PlanOptions& options() const { return options_; }

  // Stage number `index`, or null behind the last. `values` by id, made by the stages before it. The stage lives as
  // long as this.
  const Stage* stage(std::size_t index, std::span<const graph::Tensor> values);

 private:
  void cut(std::span<const graph::Tensor> values);
  std::vector<graph::ValueId> needed_outside(const std::vector<std::int32_t>& part) const;

  const std::shared_ptr<const graph::Graph> graph_;
  const PlanOptions options_;
  std::mutex mutex_;
  std::list<Stage> stages_;
  std::vector<bool> done_;  // by node
};

// One thread's run of them.
class StagedRun {
 public:
  explicit StagedRun(std::shared_ptr<Staged> staged) : staged_(std::move(staged)) {}

  // As Session::run, with inputs that were checked.
  std::vector<graph::Tensor> run(std::span<const graph::Tensor> inputs);
  std::vector<StepTime> profile() const;
  std::vector<const Session*> sessions() const;  // of the parts and of sub-graphs

 private:
  struct StageRun {
    const Staged::Stage* stage;
    std::optional<Session> part;
    std::vector<std::unique_ptr<ControlFlow>> flows;  // by node of the stage; null: a plain operator
    std::vector<double> microseconds;                 // by node of the stage, in all
  };
  StageRun begin(const Staged::Stage&) const;
  void run_stage(StageRun&);
  void run_node(StageRun&, std::size_t index);
  std::vector<graph::Tensor> outputs_of(std::span<const graph::Tensor> inputs) const;

  std::shared_ptr<Staged> staged_;
  std::vector<StageRun> stages_;
  std::vector<graph::Tensor> values_;  // by id, during a run
  std::int64_t runs_ = 0;
};

}  // namespace ns::runtime
