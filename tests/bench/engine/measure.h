// Rounds: in each, every contender of a case has one slice, one after the other. What is compared is taken within a
// round, so a machine that slows down for a while is unfair to none.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/engine/contender.h"
#include "tests/bench/engine/models.h"

namespace ns::bench {

struct Settings {
  std::vector<std::int64_t> batches{1, 32};
  std::vector<int> threads{1, 2};
  std::vector<Precision> precisions{Precision::fp32, Precision::int8};
  int rounds = 7;
  int budget_ms = 700;  // of each contender, over all rounds
  int instances = 2;    // 0: not measured
  bool accuracy = false;
};

struct Ratio {
  double median = 0, low = 0, high = 0;  // low and high: quartiles over the rounds
};

// One model, precision, batch size and number of threads.
struct Case {
  std::string model;
  Precision precision = Precision::fp32;
  std::int64_t batch = 1;
  int threads = 1;
  double own_min_ms = 0;
  double own_ms = 0;                   // median of the rounds' medians
  double own_p99_ms = 0;               // over all runs
  std::optional<double> reference_ms;  // likewise, without the binding's cost
  std::optional<double> reference_min_ms;
  std::optional<Ratio> ratio;         // reference / own, round by round: above 1, ours is faster
  std::optional<Ratio> int8_speedup;  // our fp32 / our int8, for int8 where fp32 is measured too
  std::string reference_error;
};

// One thread each, batch 1: what several instances do together, by what one does alone times their number.
struct Scaling {
  std::string model;
  Precision precision;
  int instances;
  double runs_per_second;  // together
  Ratio efficiency;
};

struct Accuracy {
  std::string model;
  Precision precision;
  double top1, samples_per_second;
  std::size_t int8_nodes;
};

struct NotLoaded {
  std::string model, what, reason;
};

struct Results {
  std::map<int, double> binding_ms;  // by threads: what a model that does nothing takes through the binding
  std::vector<Case> cases;
  std::vector<Scaling> scalings;
  std::vector<Accuracy> accuracies;
  std::vector<NotLoaded> not_loaded;
};

// `server` may be null: then ours alone. `progress` is told what is about to be measured.
Results measure(const std::vector<std::filesystem::path>& folders, const Settings&, ReferenceServer* server,
                const std::function<void(const std::string&)>& progress);

}  // namespace ns::bench
