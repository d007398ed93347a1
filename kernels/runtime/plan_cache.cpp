#include "kernels/runtime/plan_cache.h"

#include <algorithm>

namespace ns::runtime {

bool same_types(const std::vector<ops::TensorType>& one, const std::vector<ops::TensorType>& other) {
  return std::equal(
      one.begin(), one.end(), other.begin(), other.end(),
      [](const ops::TensorType& a, const ops::TensorType& b) { return a.element == b.element && a.shape == b.shape; });
}

std::shared_ptr<const Plan> PlanCache::find_or_make(const std::vector<ops::TensorType>& inputs) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& plan) { return same_types(plan->inputs(), inputs); });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
  } else {
    plans_.push_front(std::make_shared<const Plan>(graph_, inputs, options_));
    if (plans_.size() > kMaxPlans) plans_.pop_back();
  }
  return plans_.front();
}

void PlanCache::forget(const std::vector<ops::TensorType>& inputs) {
  const std::lock_guard lock(mutex_);
  plans_.remove_if([&](const auto& plan) { return same_types(plan->inputs(), inputs); });
}

std::size_t PlanCache::size() const {
  const std::lock_guard lock(mutex_);
  return plans_.size();
}

}  // namespace ns::runtime
