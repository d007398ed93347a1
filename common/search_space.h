// SearchSpace: what an experiment may vary, as NNI writes it: {"name": {"_type": "uniform", "_value": [0, 1]}, ...}.
//
// Parsed and checked once, then read-only. Plain values; any thread. How points are drawn is the tuner's business.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ns {

enum class ParameterType {
  choice,       // one of the options; options that all carry a "_name" are branches with parameters of their own
  randint,      // integer in [low, high)
  uniform,      // [low, high]
  quniform,     // round(uniform / step) * step, clipped to [low, high]
  loguniform,   // exp(uniform in the logarithm)
  qloguniform,  // round(loguniform / step) * step, clipped
  normal,       // mean, deviation
  qnormal,      // round(normal / step) * step
  lognormal,    // exp(normal)
  qlognormal,   // round(lognormal / step) * step
};

struct Branch {
  std::string name;                          // "_name"
  std::vector<struct Parameter> parameters;  // by name
};

struct Parameter {
  std::string name;
  ParameterType type = ParameterType::choice;
  std::vector<std::string> options;  // choice: JSON text of each
  std::vector<Branch> branches;      // nested choice; options is empty then
  double first = 0;                  // low or mean
  double second = 0;                 // high or deviation
  double step = 0;                   // of the q types
};

struct SearchSpace {
  std::vector<Parameter> parameters;  // by name, so that the order of a file's keys does not change what is drawn
};

// Limits on what a task file may ask for.
inline constexpr std::size_t kMaxSearchParameters = 10'000;  // of one space, branches included
inline constexpr std::size_t kMaxSearchNesting = 8;          // depth of branches in branches

// Reads and checks JSON text. Error(invalid) names the entry ("search_space.rate._value"), what it is and what would be
// right.
SearchSpace parse_search_space(std::string_view json, const std::string& field = "search_space");

std::string_view to_text(ParameterType);

// Whether a value drawn from it is one of a countable, usually small set, so that the same point can come up twice.
bool is_discrete(const SearchSpace&);

}  // namespace ns
