// A batch run in parts: smaller ones stay in the cache, and several threads take a part each.
//
// A BatchRunner belongs to one thread, which may make others help it. How large the parts are is measured once for each
// set of input shapes (choose_parts) and shared by all sessions of a graph.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/runtime/plan_cache.h"

namespace ns::runtime {

struct BatchParts {
  std::vector<ops::TensorType> inputs;  // of the whole batch
  std::int64_t batch = 0;
  std::int64_t samples = 0;  // of each part, the last one's may be fewer; 0: the batch is run as a whole
};

// Runs the batch whole (a plan of `whole`) and in parts of several sizes (plans of `parts`, one thread each), on these
// inputs, and answers with what took least. REQUIRES: the inputs are of the types, and no other thread uses the caches.
BatchParts choose_parts(PlanCache& whole, PlanCache& parts, const std::vector<ops::TensorType>& types,
                        std::span<const graph::Tensor> inputs);

class BatchRunner {
 public:
  // `plans` are of one thread; `threads` of them run parts at the same time. REQUIRES: parts.samples > 0.
  BatchRunner(std::shared_ptr<PlanCache> plans, BatchParts parts, int threads);
  ~BatchRunner();

  const BatchParts& parts() const { return parts_; }
  const Plan& plan() const { return *plan_; }  // of a part

  // As Session::run, with inputs of the types that `parts` names.
  std::vector<graph::Tensor> run(std::span<const graph::Tensor> inputs);

 private:
  class PartWorkspaces;
  struct Team;
  void run_part(PartWorkspaces&, std::span<const graph::Tensor> inputs, std::int64_t part);

  std::shared_ptr<PlanCache> plans_;
  const BatchParts parts_;
  std::shared_ptr<const Plan> plan_;
  std::vector<graph::Tensor> outputs_;  // of the whole batch
  std::unique_ptr<Team> team_;
};

}  // namespace ns::runtime
