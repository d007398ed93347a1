#include "worker/tasks/quantize/quantize_spec.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;

Objective objective_named(const std::string& name) {
  if (name == "latency") return Objective::latency;
  if (name == "throughput") return Objective::throughput;
  if (name == "size") return Objective::size;
  throw Error(ErrorCode::invalid, fmt::format("objective: \"{}\" is none of latency, throughput, size", name),
              "objective");
}

void read_data(const json& data, QuantizeSpec& spec) {
  spec.calibration.text = data.at("calibration").at("npz").get<std::string>();
  spec.evaluation.text = data.at("evaluation").at("npz").get<std::string>();
  spec.labels = data.at("evaluation").value("labels", "labels");
  const json inputs = data.value("inputs", json::object());
  for (const auto& [name, values] : inputs.items()) {
    spec.inputs.inputs[name] = {values.value("mean", std::vector<float>()), values.value("std", std::vector<float>())};
  }
  const json constants = data.value("constants", json::object());
  for (const auto& [name, value] : constants.items()) spec.inputs.constants[name] = value.get<double>();
}

}  // namespace

QuantizeSpec read_quantize_spec(const std::string& text) {
  try {
    const json parsed = json::parse(text);
    const json empty = json::object();
    QuantizeSpec spec;
    spec.text = text;
    spec.model.text = parsed.at("model").get<std::string>();
    read_data(parsed.at("data"), spec);
    spec.metric = parsed.value("metric", empty).value("name", "top1");
    const json accuracy = parsed.value("accuracy", empty);
    spec.criterion.relative = accuracy.value("criterion", "relative") == "relative";
    spec.criterion.tolerable_loss = accuracy.value("tolerable_loss", 0.01);
    spec.criterion.higher_is_better = accuracy.value("higher_is_better", true);
    spec.objective = objective_named(parsed.value("objective", "latency"));
    spec.allow_slower = parsed.value("allow_slower", false);
    const json formats = parsed.value("quantization", empty);
    using quantize::ActivationType, quantize::BiasType;
    spec.activation = formats.value("activation", "uint8") == "int8" ? ActivationType::int8 : ActivationType::uint8;
    spec.bias = formats.value("bias", "int32") == "float32" ? BiasType::float32 : BiasType::int32;
    spec.strategy = parsed.value("strategy", empty).value("name", "fallback");
    spec.max_trials = parsed.value("stop", empty).value("max_trials", 40u);
    spec.seed = parsed.value("seed", std::uint64_t{0});
    return spec;
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::invalid, fmt::format("the spec of a quantize task cannot be read: {}", failure.what()));
  }
}

}  // namespace ns::worker::tasks
