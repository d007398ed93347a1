#include "worker/leased_job.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/limits.h"

namespace ns::worker {
namespace {

constexpr std::size_t kMostBytes = limits::kMaxMessageBytes / 2;
constexpr std::size_t kOtherFields = 256;  // of one job, and the names of all

}  // namespace

std::vector<LeasedJob> with_specs(Jobs message) {
  std::unordered_map<TaskId, std::shared_ptr<const std::string>> specs;
  for (TaskSpecText& text : message.specs) specs[text.task] = std::make_shared<const std::string>(std::move(text.spec));
  std::vector<LeasedJob> jobs;
  jobs.reserve(message.jobs.size());
  for (Job& job : message.jobs) {
    std::shared_ptr<const std::string>& spec = specs[job.task];
    if (!spec || (!job.spec.empty() && job.spec != *spec)) spec = std::make_shared<const std::string>(job.spec);
    job.spec.clear();
    jobs.push_back({std::move(job), spec});
  }
  return jobs;
}

bool JobsMessage::has_spec_of(const LeasedJob& leased) const {
  return std::find(specs_.begin(), specs_.end(), leased.spec) != specs_.end();
}

std::size_t JobsMessage::size_with(const LeasedJob& leased) const {
  return bytes_ + leased.job.parameters.size() + kOtherFields + (has_spec_of(leased) ? 0 : leased.spec->size());
}

// Two specs of one task cannot be told apart in `specs`; the second goes with its job instead.
void JobsMessage::add(LeasedJob leased) {
  bytes_ = size_with(leased);
  if (!has_spec_of(leased)) {
    const bool task_is_there = std::any_of(message_.specs.begin(), message_.specs.end(),
                                           [&](const TaskSpecText& text) { return text.task == leased.job.task; });
    if (task_is_there) {
      leased.job.spec = *leased.spec;
    } else {
      message_.specs.push_back({leased.job.task, *leased.spec});
      specs_.push_back(leased.spec);
    }
  }
  message_.jobs.push_back(std::move(leased.job));
}

bool JobsMessage::has_room_for(const LeasedJob& leased) const {
  return empty() || (message_.jobs.size() < limits::kMaxBatch && size_with(leased) <= kMostBytes);
}

Jobs JobsMessage::take() {
  specs_.clear();
  bytes_ = 0;
  return std::exchange(message_, {});
}

}  // namespace ns::worker
