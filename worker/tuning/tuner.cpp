#include "worker/tuning/tuner.h"

#include <fmt/format.h>

#include "common/error.h"

namespace ns::worker::tuning {

std::vector<std::string> Tuner::ask(std::uint32_t limit) {
  if (open_ != 0) {
    throw Error(ErrorCode::internal, fmt::format("the tuner was asked while {} proposals are still open", open_));
  }
  if (finished_ || limit == 0) return {};
  std::vector<std::string> proposals = propose(limit);
  finished_ = proposals.empty();
  asked_ += static_cast<std::uint32_t>(proposals.size());
  open_ = static_cast<std::uint32_t>(proposals.size());
  told_.resize(asked_, false);
  return proposals;
}

void Tuner::tell(const Observation& observation) {
  if (observation.proposal >= asked_ || told_[observation.proposal]) {
    throw Error(ErrorCode::internal, fmt::format("the tuner was told of proposal {}, which is {}", observation.proposal,
                                                 observation.proposal >= asked_ ? "not one it made" : "told already"));
  }
  told_[observation.proposal] = true;
  --open_;
  learn(observation);
}

}  // namespace ns::worker::tuning
