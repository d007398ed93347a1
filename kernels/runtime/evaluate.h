// Measuring a model: accuracy over a data set (throughput work, batches in parallel over the bound cores) and latency
// the way it will be served. Functions make their own threads and join them; call them from one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"
#include "kernels/metrics/metric.h"

namespace ns::runtime {

struct EvaluateOptions {
  int threads = 1;          // batches at once, one thread each
  std::int64_t batch = 32;  // cut to what model and data allow
  // Stop, exactly, as soon as the metric can no longer reach this value (direction from the metric).
  std::optional<double> give_up_below;
  // Called now and then with samples done and in all; returning false stops the evaluation with Error(cancelled).
  std::function<bool(std::int64_t, std::int64_t)> progress;
};

struct Evaluation {
  double metric = 0;
  std::int64_t samples = 0;  // fewer than the set when given up
  bool gave_up = false;
  double throughput = 0;  // samples a second, wall clock
};

Evaluation evaluate(std::shared_ptr<const graph::Graph>, const data::DataSet&, const metrics::MetricDefinition&,
                    const EvaluateOptions&);

struct LatencyOptions {
  int threads = 1;                         // of one run: all cores of the slot
  std::chrono::milliseconds budget{1000};  // for each model, warm-up not counted
  int min_runs = 50;
};

struct Latency {
  double median_ms = 0, p99_ms = 0, min_ms = 0;
  std::int64_t runs = 0;
  int threads = 1;
};

// Batch 1, warm. Several models are measured in one go, in alternating rounds, so that a busy machine is equally unfair
// to all: their ratio is what may be compared.
std::vector<Latency> measure_latency(std::span<const std::shared_ptr<const graph::Graph>>, const data::DataSet&,
                                     const LatencyOptions&);

}  // namespace ns::runtime
