// The plans of one graph by input shapes, at most kMaxPlans, the one used longest ago dropped first. Any thread; a plan
// is made by one thread while others that want a plan wait.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "kernels/runtime/plan.h"

namespace ns::runtime {

inline constexpr std::size_t kMaxPlans = 8;  // a plan holds packed weights; more shapes than this at once are rare

class PlanCache {
 public:
  PlanCache(std::shared_ptr<const graph::Graph> graph, const PlanOptions& options)
      : graph_(std::move(graph)), options_(options) {}

  std::shared_ptr<const Plan> find_or_make(const std::vector<ops::TensorType>& inputs);
  void forget(const std::vector<ops::TensorType>& inputs);
  std::size_t size() const;
  const std::shared_ptr<const graph::Graph>& graph() const { return graph_; }
  const PlanOptions& options() const { return options_; }

 private:
  const std::shared_ptr<const graph::Graph> graph_;
  const PlanOptions options_;
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<const Plan>> plans_;  // last used first
};

bool same_types(const std::vector<ops::TensorType>&, const std::vector<ops::TensorType>&);

}  // namespace ns::runtime
