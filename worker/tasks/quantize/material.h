// Material: what every trial of one quantize task starts from, read once and kept warm.
// One thread an object; what it holds is read-only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"
#include "kernels/metrics/metric.h"
#include "kernels/quantize/quantize.h"
#include "worker/tasks/quantize/quantize_spec.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker::tasks {

class Material {
 public:
  // Fetches and reads model and data. Error names the field of the spec that is wrong.
  Material(const QuantizeSpec&, Workplace&);

  const QuantizeSpec& spec() const { return spec_; }
  std::shared_ptr<const graph::Graph> fp32() const { return fp32_; }      // simplified, at the model's own opset
  std::shared_ptr<const graph::Graph> source() const { return source_; }  // simplified, raised: where Q/DQ go in
  std::uint64_t model_bytes() const { return model_bytes_; }
  const data::DataSet& calibration_set() const { return *calibration_set_; }
  const data::DataSet& evaluation_set() const { return *evaluation_set_; }
  const metrics::MetricDefinition& metric() const { return *metric_; }

  // Made at the first call.
  const quantize::Calibration& calibration(int threads);

  // That data and model fit each other and the metric, and that calibration did not see the evaluation samples.
  void check() const;

 private:
  QuantizeSpec spec_;
  std::shared_ptr<const graph::Graph> fp32_, source_;
  std::uint64_t model_bytes_ = 0;
  std::optional<data::DataSet> calibration_set_, evaluation_set_;
  const metrics::MetricDefinition* metric_ = nullptr;
  std::optional<quantize::Calibration> calibration_;
};

}  // namespace ns::worker::tasks
