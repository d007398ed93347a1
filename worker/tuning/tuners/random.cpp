// random: independent draws from the search space, nothing learned.
//
// Proposal n depends on the seed and n alone, except that a discrete space is not asked the same question twice: a
// point that came up before is drawn again, and when new ones no longer turn up the space counts as explored.
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "worker/tuning/generator.h"
#include "worker/tuning/tuner.h"

namespace ns::worker::tuning {
namespace {

using nlohmann::json;

constexpr std::uint32_t kRound = 256;       // nothing is learned between rounds, so they only bound one message
constexpr int kDrawsForOneProposal = 1000;  // of a discrete space before it counts as explored

double to_step(double value, double step) { return std::nearbyint(value / step) * step; }  // half to even, as NNI

double finite(double value) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  return std::clamp(value, -kLargest, kLargest);
}

json draw(const std::vector<Parameter>& parameters, Generator& generator);

json draw_choice(const Parameter& parameter, Generator& generator) {
  if (parameter.branches.empty()) return json::parse(parameter.options[generator.below(parameter.options.size())]);
  const Branch& branch = parameter.branches[generator.below(parameter.branches.size())];
  json point = draw(branch.parameters, generator);
  point["_name"] = branch.name;
  return point;
}

json draw(const Parameter& parameter, Generator& generator) {
  const double first = parameter.first, second = parameter.second, step = parameter.step;
  const auto between = [&](double low, double high) { return low + (high - low) * generator.unit(); };
  const auto logarithmic = [&] {
    return std::clamp(std::exp(between(std::log(first), std::log(second))), first, second);
  };
  const auto normal = [&] { return first + second * generator.normal(); };
  switch (parameter.type) {
    case ParameterType::choice:
      return draw_choice(parameter, generator);
    case ParameterType::randint: {
      const auto low = static_cast<std::int64_t>(first);
      const auto span = static_cast<std::uint64_t>(static_cast<std::int64_t>(second) - low);
      return low + static_cast<std::int64_t>(generator.below(span));
    }
    case ParameterType::uniform:
      return finite(std::clamp(between(first, second), first, second));
    case ParameterType::quniform:
      return std::clamp(to_step(between(first, second), step), first, second);
    case ParameterType::loguniform:
      return logarithmic();
    case ParameterType::qloguniform:
      return std::clamp(to_step(logarithmic(), step), first, second);
    case ParameterType::normal:
      return finite(normal());
    case ParameterType::qnormal:
      return finite(to_step(normal(), step));
    case ParameterType::lognormal:
      return finite(std::exp(normal()));
    case ParameterType::qlognormal:
      return finite(to_step(finite(std::exp(normal())), step));
  }
  return nullptr;
}

json draw(const std::vector<Parameter>& parameters, Generator& generator) {
  json point = json::object();
  for (const Parameter& parameter : parameters) point[parameter.name] = draw(parameter, generator);
  return point;
}

class Random final : public Tuner {
 public:
  explicit Random(const TunerOptions& options)
      : seed_(options.seed), space_(options.space), discrete_(is_discrete(options.space)) {}

 private:
  std::vector<std::string> propose(std::uint32_t limit) override {
    std::vector<std::string> round;
    while (round.size() < std::min(limit, kRound)) {
      std::string point = next_point();
      if (point.empty()) break;
      round.push_back(std::move(point));
    }
    return round;
  }

  void learn(const Observation&) override {}

  // Empty when the space is explored.
  std::string next_point() {
    Generator generator(seed_, drawn_++);
    for (int draws = 0; draws < kDrawsForOneProposal; ++draws) {
      std::string point = draw(space_.parameters, generator).dump();
      if (!discrete_ || seen_.insert(point).second) return point;
    }
    return {};
  }

  std::uint64_t seed_;
  SearchSpace space_;
  bool discrete_;
  std::uint64_t drawn_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace

std::unique_ptr<Tuner> make_random(const TunerOptions& options) { return std::make_unique<Random>(options); }

}  // namespace ns::worker::tuning
