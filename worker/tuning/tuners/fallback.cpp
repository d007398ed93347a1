// fallback: everything in int8 first; where accuracy misses, the operators that cause the most error go back to float.
//
// Proposals are {"float_nodes": [...], "rank": bool}. The first is everything in int8; "rank" asks that trial for the
// ranking of operators should it miss the criterion. Then:
//
//   ranking (worst first)   n1 n2 n3 n4 n5 n6 n7 n8        the first k go back to float
//   k = 0 missed, k = 8 is no int8 at all                   bisect for the smallest k that meets the criterion,
//            try k = 3 and k = 6 in one round, …            two at a time, so about log3(n) rounds
//
// Where the smallest k is accurate but too slow to be accepted, fewer operators in int8 may still pay: the operators
// with the most multiplications ("cost") stay, a half, a quarter, an eighth of them and only the first, in two rounds.
// Rounds have a fixed size: the number of workers changes nothing.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "worker/tuning/tuner.h"

namespace ns::worker::tuning {
namespace {

using nlohmann::json;

std::vector<std::string> nodes_of(const json& details, const char* list) {
  std::vector<std::string> nodes;
  const auto found = details.find(list);
  if (found == details.end() || !found->is_array()) return nodes;
  std::set<std::string> seen;
  for (const json& entry : *found) {
    const std::string node = entry.is_object() ? entry.value("node", std::string()) : std::string();
    if (!node.empty() && seen.insert(node).second) nodes.push_back(node);
  }
  return nodes;
}

class Fallback final : public Tuner {
 private:
  enum class Phase { everything, bisecting, thinning, finished };
  struct Attempt {
    std::size_t count = 0;  // bisecting: worst nodes in float; thinning: costly nodes left in int8
  };

  std::vector<std::string> propose(std::uint32_t limit) override {
    round_.clear();
    if (phase_ == Phase::everything) round_.push_back({0});
    if (phase_ == Phase::bisecting) plan_bisection(limit);
    if (phase_ == Phase::thinning) plan_thinning(limit);
    std::vector<std::string> proposals;
    for (const Attempt& attempt : round_) proposals.push_back(parameters_of(attempt));
    base_ += told_in_round_;
    told_in_round_ = 0;
    return proposals;
  }

  void learn(const Observation& observation) override {
    const std::size_t index = observation.proposal - base_;
    const Attempt attempt = round_.at(index);
    ++told_in_round_;
    if (phase_ == Phase::everything)
      learn_everything(observation);
    else if (phase_ == Phase::bisecting)
      learn_bisection(observation, attempt);
    else if (observation.completed && observation.accepted)
      found_ = true;
  }

  void learn_everything(const Observation& observation) {
    phase_ = Phase::finished;
    if (!observation.completed) return;
    const json details = json::parse(observation.details, nullptr, false);
    if (!details.is_object()) return;
    cost_ = nodes_of(details, "cost");
    if (observation.meets_criterion) {
      if (!observation.accepted) start_thinning();
      return;
    }
    ranking_ = nodes_of(details, "ranking");
    high_ = ranking_.size();  // all of them in float is no int8 at all: known to be exact, and of no use
    if (high_ > 1) phase_ = Phase::bisecting;
  }

  // A failed trial says nothing of accuracy; it counts as a miss, so that the search goes on with more float.
  void learn_bisection(const Observation& observation, const Attempt& attempt) {
    const bool meets = observation.completed && observation.meets_criterion;
    if (meets && attempt.count < high_) {
      high_ = attempt.count;
      high_accepted_ = observation.accepted;
    }
    if (!meets && attempt.count < high_) low_ = std::max(low_, attempt.count);
  }

  // Points at thirds of the open interval (low_, high_).
  void plan_bisection(std::uint32_t limit) {
    low_ = std::min(low_, high_ - 1);  // a miss above a hit says that the landscape is not monotone: the hit counts
    const std::size_t inside = high_ - low_ - 1;
    if (inside == 0) {
      phase_ = Phase::finished;
      if (high_ < ranking_.size() && !high_accepted_) start_thinning();
      return;
    }
    if (inside == 1 || limit == 1) {
      round_.push_back({low_ + (inside + 1) / 2});
      return;
    }
    const std::size_t third = std::max<std::size_t>(1, (inside + 1) / 3);
    round_.push_back({low_ + third});
    round_.push_back({std::min(low_ + 2 * third, high_ - 1)});
  }

  void start_thinning() {
    // Those already given back to float for accuracy's sake stay there.
    const std::set<std::string> floated(ranking_.begin(),
                                        ranking_.begin() + static_cast<std::ptrdiff_t>(ranking_.empty() ? 0 : high_));
    std::erase_if(cost_, [&](const std::string& node) { return floated.contains(node); });
    const std::size_t all = cost_.size();
    for (std::size_t kept : {all / 2, all / 4, all / 8, std::size_t{1}}) {
      if (kept > 0 && kept < all && (thin_.empty() || kept < thin_.back())) thin_.push_back(kept);
    }
    if (!thin_.empty()) phase_ = Phase::thinning;
  }

  void plan_thinning(std::uint32_t limit) {
    if (found_ || thin_next_ >= thin_.size()) {
      phase_ = Phase::finished;
      return;
    }
    const std::size_t size = std::min<std::size_t>(std::min<std::uint32_t>(limit, 2), thin_.size() - thin_next_);
    for (std::size_t count = 0; count < size; ++count) round_.push_back({thin_[thin_next_++]});
  }

  std::string parameters_of(const Attempt& attempt) const {
    std::vector<std::string> floated;
    if (phase_ == Phase::bisecting) {
      floated.assign(ranking_.begin(), ranking_.begin() + static_cast<std::ptrdiff_t>(attempt.count));
    }
    if (phase_ == Phase::thinning) {
      if (!ranking_.empty()) floated.assign(ranking_.begin(), ranking_.begin() + static_cast<std::ptrdiff_t>(high_));
      floated.insert(floated.end(), cost_.begin() + static_cast<std::ptrdiff_t>(attempt.count), cost_.end());
    }
    return json{{"float_nodes", floated}, {"rank", phase_ == Phase::everything}}.dump();
  }

  Phase phase_ = Phase::everything;
  std::vector<Attempt> round_;
  std::uint32_t base_ = 0;  // number of the round's first proposal
  std::uint32_t told_in_round_ = 0;

  std::vector<std::string> ranking_;  // worst first
  std::size_t low_ = 0;               // this many in float missed the criterion
  std::size_t high_ = 0;              // this many meet it
  bool high_accepted_ = false;

  std::vector<std::string> cost_;  // most multiplications first
  std::vector<std::size_t> thin_;  // how many of cost_ to keep in int8, one an attempt
  std::size_t thin_next_ = 0;
  bool found_ = false;
};

}  // namespace

std::unique_ptr<Tuner> make_fallback(const TunerOptions&) { return std::make_unique<Fallback>(); }

}  // namespace ns::worker::tuning
