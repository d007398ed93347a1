// If, Loop and Scan: operators that run sub-graphs, as often as the data says.
//
// A ControlFlow belongs to one thread, like the Session that it is part of; those made with share() use the same plans.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/session.h"

namespace ns::runtime {

bool is_control_flow(const graph::Node&);

class ControlFlow {
 public:
  // Compiles the sub-graphs of a node of the graph, which must outlive it. Error(invalid) names the node and what is
  // wrong with its sub-graphs; Error(unsupported) lists their operators that are not known.
  static std::unique_ptr<ControlFlow> make(const graph::Graph&, const graph::Node&, const PlanOptions&);
  virtual ~ControlFlow() = default;

  virtual std::unique_ptr<ControlFlow> share() const = 0;

  // `values` by the graph's ValueId: the node's inputs and what its sub-graphs capture are there. The node's outputs;
  // their bytes stay valid until the next run.
  virtual std::vector<graph::Tensor> run(std::span<const graph::Tensor> values) = 0;

  // Of the sub-graphs, as Session has them.
  virtual std::vector<const Session*> sessions() const = 0;
};

}  // namespace ns::runtime
