// A metric: how good a model's outputs are, added up batch by batch. One file a metric, one line in metric_list.h.
// A Score belongs to one thread; scores of several threads are merged at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/graph/tensor.h"

namespace ns::metrics {

class Score {
 public:
  virtual ~Score() = default;
  // Outputs of one batch (in the model's order) and its labels. Error(invalid) when the shapes do not fit the metric.
  virtual void add(std::span<const graph::Tensor> outputs, std::span<const std::int64_t> labels) = 0;
  virtual void merge(const Score&) = 0;
  virtual double value() const = 0;  // over all samples added; NaN before the first
  virtual std::int64_t samples() const = 0;
  // The best value still possible when `remaining` further samples are all right; for stopping a hopeless trial
  // exactly.
  virtual double best_possible(std::int64_t remaining) const = 0;
};

struct MetricDefinition {
  std::string_view name;  // "top1"
  bool higher_is_better;
  bool needs_labels;
  std::unique_ptr<Score> (*make)();
};

const MetricDefinition* find_metric(std::string_view name);
std::span<const MetricDefinition> all_metrics();

}  // namespace ns::metrics
