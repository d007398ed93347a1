// Plan and Session: a graph compiled for one set of input shapes, and run.
//
// A graph in which shapes follow from the data (NonZero, If, Loop, a computed Reshape) is cut at such nodes and
// compiled in parts (staged.h); whoever runs it sees no difference.
// A batch whose samples do not depend on each other is run in smaller ones where that is faster (batch_runner.h), which
// is measured in the first run of each set of input shapes.
//
// A Plan is immutable after it was made; any number of threads may run it, each with its own Workspace. Packed weights
// and compiled primitives belong to the plan. A Session belongs to one thread: it makes a plan per input shape (bounded
// cache) and owns a workspace; sessions made with share() use the same plans.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "kernels/ops/op.h"

namespace ns::runtime {

class Plan;

struct PlanOptions {
  int threads = 1;       // for one run, inside operators
  bool plain = false;    // only the plain operators: the oracle
  bool profile = false;  // record time per step; a batch is then run as a whole
  // A batch may be run in parts of a size that is measured. Other sizes may round the last digit of a sum differently:
  // false where the same answer has to come each time.
  bool batch_in_parts = true;
};

struct StepTime {
  std::string node;            // of the graph; a fused group is named after its last node
  std::string operation;       // "Conv+Relu", "int8 Conv+Add+Relu", …
  std::string implementation;  // "plain", oneDNN's implementation name, …
  double microseconds = 0;     // per run, mean
};

class Session {
 public:
  // Keeps the graph. The passes have been run (see passes::simplify). Error(unsupported) lists every operator that is
  // not known, with its node, at construction.
  Session(std::shared_ptr<const graph::Graph>, PlanOptions);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // For another thread: same graph, same plans, own workspace.
  Session share() const;

  const graph::Graph& graph() const;

  // Inputs in the order of graph().inputs. Error(invalid) names the input whose type or shape does not fit. Outputs in
  // the order of graph().outputs; their bytes stay valid until the next run on this session (they lie in its
  // workspace).
  std::vector<graph::Tensor> run(std::span<const graph::Tensor> inputs);

  std::vector<StepTime> profile() const;
  std::size_t arena_bytes() const;  // of a plan that was run
  // Nodes of the graph that run in int8 arithmetic in a plan that was run.
  std::vector<std::string> int8_nodes() const;

 private:
  struct State;
  explicit Session(std::shared_ptr<State>);
  bool is_staged(const std::vector<ops::TensorType>& inputs);
  const Plan* last_plan() const;  // or null
  std::shared_ptr<State> state_;
};

}  // namespace ns::runtime
