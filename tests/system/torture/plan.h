// What a simulated task asks of simulated workers: its spec and its trials' parameters, as JSON texts. Pure.
//
// A trial's plan has one word an attempt (the last stands for all further ones); a worker does what it says.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace ns::torture {

using Json = nlohmann::json;
using Random = std::mt19937_64;

inline constexpr const char* kSimulatedKind = "torture";

inline bool happens(Random& random, double part) { return std::uniform_real_distribution<>(0, 1)(random) < part; }

inline std::uint64_t between(Random& random, std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
}

// One of the words, each as likely as its weight says.
struct Weighted {
  const char* word;
  double weight;
};
std::string one_of(Random& random, const std::vector<Weighted>& words);

// trials, batch (enqueued at once), seed, end: how the coordinator ends once all trials have: "succeed", "fail",
// "fail early" (while trials are open) or "crash once" (and succeed in the next attempt).
Json make_spec(Random& random);

// Parameters of trial `number` of a task with that spec: the same whoever asks, as a replaced coordinator has to.
Json parameters_of(const Json& spec, std::uint32_t number);

// What a worker does in this attempt:
//   succeed, fail, crash   reports just that
//   hand back  does so every other time, else succeeds
//   double    succeeds, and its report arrives three times
//   late      falls silent about the job until its lease has run out, then reports success
//   silent    never says a word about it again
//   linger    succeeds, and pays no heed to being told to stop
std::string plan_for(const Json& parameters, std::uint32_t attempt);

}  // namespace ns::torture
