// Tuner: proposes configurations in rounds and learns from how they did.
//
// Pure: no input or output, no clock, no randomness but the seed. So the same tells give the same asks, and telling a
// fresh tuner a task's written history brings it to where the old one was: a restart needs no checkpoint. Belongs to
// one thread. One tuner is one file in tuners/ and one line in tuner_list.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/search_space.h"

namespace ns::worker::tuning {

struct TunerOptions {
  std::uint64_t seed = 0;
  SearchSpace space;  // of tuners that draw from one
};

// How one proposal did.
struct Observation {
  std::uint32_t proposal = 0;   // as counted over all asks of this tuner, from 0
  bool completed = false;       // false: the trial failed, was stopped or cancelled; nothing below is known
  bool meets_criterion = true;  // the result is as good as the task demands
  bool accepted = true;         // and may be handed over (not slower than what it replaces, for one)
  double value = 0;             // lower is better
  std::string details;          // JSON text: what the trial found out beyond its metrics
};

class Tuner {
 public:
  virtual ~Tuner() = default;

  // The next round, at most `limit` proposals, each JSON text; empty: the tuner has finished and stays so.
  // REQUIRES: every proposal of the round before has been told.
  std::vector<std::string> ask(std::uint32_t limit);

  // Error(internal) for a proposal that was never asked for or is told twice.
  void tell(const Observation&);

 private:
  virtual std::vector<std::string> propose(std::uint32_t limit) = 0;
  virtual void learn(const Observation&) = 0;

  std::uint32_t asked_ = 0;
  std::vector<bool> told_;
  std::uint32_t open_ = 0;
  bool finished_ = false;
};

struct TunerDefinition {
  std::string_view name;
  bool needs_space;  // draws from a search space; the others know their task's configurations
  std::unique_ptr<Tuner> (*make)(const TunerOptions&);
};

std::span<const TunerDefinition> all_tuners();

// Error(invalid) names the field and lists the tuners there are.
const TunerDefinition& find_tuner(std::string_view name, bool with_space);

}  // namespace ns::worker::tuning
