#include "worker/tasks/quantize/material.h"

#include <fmt/format.h>

#include <unordered_set>

#include "common/error.h"
#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "kernels/runtime/session.h"

namespace ns::worker::tasks {
namespace {

constexpr std::int64_t kOpsetForQuantized = 13;  // the first with Q/DQ per channel

// Does `work`; what goes wrong gets the field of the spec that it is about.
template <typename Work>
auto about(const std::string& field, Work&& work) {
  try {
    return work();
  } catch (const Error& failure) {
    throw Error(failure.code(), fmt::format("{}: {}", field, failure.what()), field);
  }
}

const metrics::MetricDefinition& metric_named(const QuantizeSpec& spec) {
  const metrics::MetricDefinition* metric = metrics::find_metric(spec.metric);
  if (metric == nullptr) {
    std::string known;
    for (const auto& definition : metrics::all_metrics())
      known += (known.empty() ? "" : ", ") + std::string(definition.name);
    throw Error(ErrorCode::invalid, fmt::format("metric.name: \"{}\" is not a metric; known: {}", spec.metric, known),
                "metric.name");
  }
  if (metric->higher_is_better != spec.criterion.higher_is_better) {
    throw Error(ErrorCode::invalid,
                fmt::format("accuracy.higher_is_better: {} is better when it is {}", spec.metric,
                            metric->higher_is_better ? "higher: should be true" : "lower: should be false"),
                "accuracy.higher_is_better");
  }
  return *metric;
}

}  // namespace

Material::Material(const QuantizeSpec& spec, Workplace& workplace) : spec_(spec), metric_(&metric_named(spec)) {
  about("model", [&] {
    const CachedFile file = workplace.artifact(spec_.model);
    model_bytes_ = std::filesystem::file_size(file.path());
    auto model = std::make_shared<graph::Graph>(onnx::read_file(file.path()));
    passes::simplify(*model);
    auto raised = std::make_shared<graph::Graph>(*model);
    if (raised->opset() < kOpsetForQuantized) passes::raise_opset(*raised, kOpsetForQuantized);
    fp32_ = std::move(model);
    source_ = std::move(raised);
  });
  about("data.calibration", [&] {
    const CachedFile file = workplace.artifact(spec_.calibration);
    calibration_set_ = data::DataSet::load(file.path(), *fp32_, spec_.inputs);
  });
  about("data.evaluation", [&] {
    const CachedFile file = workplace.artifact(spec_.evaluation);
    data::DataSetOptions options = spec_.inputs;
    if (metric_->needs_labels) options.labels = spec_.labels;
    evaluation_set_ = data::DataSet::load(file.path(), *fp32_, options);
  });
}

const quantize::Calibration& Material::calibration(int threads) {
  if (!calibration_) {
    calibration_ = quantize::calibrate(source_, *calibration_set_, quantize::CalibrationMethod::minmax, threads);
  }
  return *calibration_;
}

void Material::check() const {
  about("model", [&] {
    if (quantize::quantizable_nodes(*source_).empty()) {
      throw Error(ErrorCode::unsupported, "no operator of it can be quantized");
    }
  });
  for (const auto& [field, set] :
       {std::pair{"data.calibration", &*calibration_set_}, {"data.evaluation", &*evaluation_set_}}) {
    about(field, [set = set] {
      if (set->size() == 0) throw Error(ErrorCode::invalid, "has no samples; at least one is needed");
    });
  }
  runtime::Session session = about("model", [&] { return runtime::Session(fp32_, {}); });
  const auto outputs = about("data.evaluation", [&] { return session.run(evaluation_set_->batch(0, 1)); });
  about("metric", [&] {
    std::vector<std::int64_t> labels;
    if (metric_->needs_labels) labels = evaluation_set_->labels(0, 1);
    metric_->make()->add(outputs, labels);
  });

  std::unordered_set<std::string> calibrated;
  for (std::string& digest : calibration_set_->sample_digests()) calibrated.insert(std::move(digest));
  std::int64_t both = 0;
  for (const std::string& digest : evaluation_set_->sample_digests()) both += calibrated.contains(digest) ? 1 : 0;
  if (both > 0) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("data.evaluation: {} of {} samples are in data.calibration too; accuracy must be measured on "
                    "samples that calibration did not see",
                    both, evaluation_set_->size()),
        "data.evaluation");
  }
}

}  // namespace ns::worker::tasks
