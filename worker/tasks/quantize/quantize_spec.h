// The spec of a quantize task as a struct. Read once from JSON that the schema has checked. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/id.h"
#include "kernels/data/dataset.h"
#include "kernels/quantize/quantize.h"
#include "worker/tasks/quantize/criterion.h"

namespace ns::worker::tasks {

enum class Objective { latency, throughput, size };

struct QuantizeSpec {
  std::string text;  // as it came
  ArtifactId model, calibration, evaluation;
  data::DataSetOptions inputs;  // without labels
  std::string labels;
  std::string metric;
  Criterion criterion;
  Objective objective = Objective::latency;
  bool allow_slower = false;
  quantize::ActivationType activation = quantize::ActivationType::uint8;
  quantize::BiasType bias = quantize::BiasType::int32;
  std::string strategy;
  std::uint32_t max_trials = 40;
  std::uint64_t seed = 0;
};

QuantizeSpec read_quantize_spec(const std::string& json);  // Error(invalid)

}  // namespace ns::worker::tasks
