// The runner side of quantize. Parameters of a trial:
//
//   {"action": "baseline"}                                                      the model as it came
//   {"action": "try", "float_nodes": […], "rank": bool, "fp32_accuracy": x}     one configuration
//   {"action": "finish", "float_nodes": […]}                                    the chosen one again, measured and
//   stored
//
// What is measured is always the model read back from the bytes that are exported.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/error.h"
#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "kernels/runtime/evaluate.h"
#include "kernels/runtime/session.h"
#include "worker/machine.h"
#include "worker/tasks/quantize/cost.h"
#include "worker/tasks/quantize/material.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kRankingSamples = 32;  // the order settles long before; every node costs a pass over them
constexpr auto kTryLatency = 250ms;           // for each of the two models
constexpr auto kFinishLatency = 1000ms;
constexpr double kMostSecondsToRepeat = 3;

using SharedGraph = std::shared_ptr<const graph::Graph>;

struct Quantized {
  std::string bytes;  // what would be handed over
  SharedGraph graph;  // read back from them
  std::vector<std::string> int8_nodes;
};

std::set<std::string> float_nodes_of(const json& parameters, const graph::Graph& model) {
  std::set<std::string> known;
  for (const auto& node : quantize::quantizable_nodes(model)) known.insert(node.node);
  std::set<std::string> nodes;
  for (const json& node : parameters.value("float_nodes", json::array())) {
    const std::string name = node.get<std::string>();
    if (!known.contains(name)) {
      throw Error(ErrorCode::invalid, fmt::format("float_nodes: \"{}\" is not an operator that can be quantized", name),
                  "float_nodes");
    }
    nodes.insert(name);
  }
  return nodes;
}

quantize::QuantizeConfig configuration(const Material& material, std::set<std::string> float_nodes) {
  return {std::move(float_nodes), material.spec().activation, material.spec().bias};
}

Quantized make_quantized(Material& material, const json& parameters, int threads) {
  const graph::Graph& source = *material.source();
  const std::set<std::string> float_nodes = float_nodes_of(parameters, source);
  Quantized made;
  made.bytes =
      onnx::write_bytes(quantize::insert(source, material.calibration(threads), configuration(material, float_nodes)));
  auto graph = std::make_shared<graph::Graph>(onnx::read_bytes(made.bytes));
  passes::simplify(*graph);
  made.graph = std::move(graph);
  for (const auto& node : quantize::quantizable_nodes(source)) {
    if (!float_nodes.contains(node.node)) made.int8_nodes.push_back(node.node);
  }
  return made;
}

class QuantizeRunner final : public Runner {
 public:
  TrialResult run(const Trial& trial, Workplace& workplace) override {
    const json parameters = json::parse(trial.parameters, nullptr, false);
    if (!parameters.is_object()) throw Error(ErrorCode::invalid, "the trial's parameters are not a JSON object");
    Material& material = warm(trial, workplace);
    const std::string action = parameters.value("action", "");
    if (action == "baseline") return {Outcome::succeeded, baseline(material, workplace).dump(), {}};
    if (action == "try") return {Outcome::succeeded, attempt(material, parameters, workplace).dump(), {}};
    if (action == "finish") return {Outcome::succeeded, finish(material, parameters, workplace).dump(), {}};
    throw Error(ErrorCode::invalid, fmt::format("action: \"{}\" is none of baseline, try, finish", action), "action");
  }

 private:
  // One task at a time is kept: a slot works through trials of few tasks, and models and data may be large.
  Material& warm(const Trial& trial, Workplace& workplace) {
    if (!material_ || material_->spec().text != trial.spec) {
      material_.reset();
      material_.emplace(read_quantize_spec(trial.spec), workplace);
    }
    return *material_;
  }

  static runtime::Evaluation evaluate(const Material& material, SharedGraph graph, Workplace& workplace,
                                      std::optional<double> give_up_below = {}) {
    runtime::EvaluateOptions options;
    options.threads = workplace.threads();
    options.batch = kBatch;
    options.give_up_below = give_up_below;
    options.progress = [&](std::int64_t, std::int64_t) { return !workplace.stopped(); };
    return runtime::evaluate(std::move(graph), material.evaluation_set(), material.metric(), options);
  }

  static std::vector<runtime::Latency> latency(const Material& material, const std::vector<SharedGraph>& graphs,
                                               Workplace& workplace, std::chrono::milliseconds budget) {
    if (workplace.stopped()) throw Error(ErrorCode::cancelled, "the trial was asked to stop");
    runtime::LatencyOptions options;
    options.threads = workplace.threads();
    options.budget = budget;
    return runtime::measure_latency(graphs, material.evaluation_set(), options);
  }

  static json baseline(Material& material, Workplace& workplace) {
    const runtime::Evaluation evaluation = evaluate(material, material.fp32(), workplace);
    const runtime::Latency latency_fp32 = latency(material, {material.fp32()}, workplace, kTryLatency).at(0);
    json result;
    result["metrics"] = {{"accuracy", evaluation.metric},
                         {"latency_ms", latency_fp32.median_ms},
                         {"latency_p99_ms", latency_fp32.p99_ms},
                         {"throughput", evaluation.throughput},
                         {"size_bytes", material.model_bytes()}};
    result["summary"] = fmt::format("fp32 {} {:.2f} %, {:.3f} ms", material.spec().metric, 100 * evaluation.metric,
                                    latency_fp32.median_ms);
    result["details"] = {{"samples", evaluation.samples}, {"environment", environment(workplace)}};
    return result;
  }

  static json attempt(Material& material, const json& parameters, Workplace& workplace) {
    const double fp32 = parameters.value("fp32_accuracy", 0.0);
    const Quantized made = make_quantized(material, parameters, workplace.threads());
    const Criterion& criterion = material.spec().criterion;
    const runtime::Evaluation evaluation = evaluate(material, made.graph, workplace, criterion.threshold(fp32));
    const bool meets = !evaluation.gave_up && criterion.meets(evaluation.metric, fp32);
    json result;
    result["metrics"] = {{"accuracy", evaluation.metric}, {"size_bytes", made.bytes.size()}};
    result["details"] = {
        {"samples", evaluation.samples}, {"gave_up", evaluation.gave_up}, {"int8_nodes", made.int8_nodes.size()}};
    std::string speed;
    if (meets) {
      const auto times = latency(material, {material.fp32(), made.graph}, workplace, kTryLatency);
      const double speedup = times[0].median_ms / times[1].median_ms;
      result["metrics"].update({{"latency_ms", times[1].median_ms},
                                {"latency_fp32_ms", times[0].median_ms},
                                {"latency_p99_ms", times[1].p99_ms},
                                {"speedup", speedup},
                                {"throughput", evaluation.throughput}});
      speed = fmt::format(", {:.3f} ms, {:.2f}x", times[1].median_ms, speedup);
    }
    if (parameters.value("rank", false)) result["details"].update(rankings(material, meets, workplace));
    result["summary"] = fmt::format(
        "{} int8 operators, {} {:.2f} %{}{}", made.int8_nodes.size(), material.spec().metric, 100 * evaluation.metric,
        evaluation.gave_up ? fmt::format(" (given up after {} samples)", evaluation.samples) : "", speed);
    return result;
  }

  // What the tuner goes on with: the error that each operator causes where accuracy missed, and what each costs.
  static json rankings(Material& material, bool meets, Workplace& workplace) {
    json details;
    details["cost"] = json::array();
    for (const NodeCost& cost : rank_by_cost(*material.source(), material.calibration_set())) {
      details["cost"].push_back({{"node", cost.node}, {"multiplications", cost.multiplications}});
    }
    if (meets) return details;
    details["ranking"] = json::array();
    for (const quantize::NodeError& error : quantize::rank_by_error(
             material.source(), material.calibration(workplace.threads()), configuration(material, {}),
             material.calibration_set(), kRankingSamples, workplace.threads())) {
      details["ranking"].push_back({{"node", error.node}, {"error", std::isfinite(error.error) ? error.error : 1e30}});
    }
    return details;
  }

  static json measures(const runtime::Evaluation& evaluation, const runtime::Latency& latency, std::uint64_t bytes) {
    return {{"accuracy", evaluation.metric},
            {"latency_ms", latency.median_ms},
            {"latency_p99_ms", latency.p99_ms},
            {"latency_min_ms", latency.min_ms},
            {"runs", latency.runs},
            {"throughput", evaluation.throughput},
            {"size_bytes", bytes}};
  }

  static double seconds_of(const runtime::Evaluation& evaluation) {
    return evaluation.throughput > 0 ? static_cast<double>(evaluation.samples) / evaluation.throughput : 0;
  }

  static json finish(Material& material, const json& parameters, Workplace& workplace) {
    const Quantized made = make_quantized(material, parameters, workplace.threads());
    runtime::Evaluation fp32 = evaluate(material, material.fp32(), workplace);
    runtime::Evaluation int8 = evaluate(material, made.graph, workplace);
    // Where it costs little, once more in turn: a machine that was busy for a moment is not the model's throughput.
    if (seconds_of(fp32) + seconds_of(int8) < kMostSecondsToRepeat) {
      fp32.throughput = std::max(fp32.throughput, evaluate(material, material.fp32(), workplace).throughput);
      int8.throughput = std::max(int8.throughput, evaluate(material, made.graph, workplace).throughput);
    }
    const auto times = latency(material, {material.fp32(), made.graph}, workplace, kFinishLatency);
    const double speedup = times[0].median_ms / times[1].median_ms;

    json result;
    result["metrics"] = {
        {"accuracy", int8.metric}, {"latency_ms", times[1].median_ms}, {"latency_fp32_ms", times[0].median_ms},
        {"speedup", speedup},      {"throughput", int8.throughput},    {"size_bytes", made.bytes.size()}};
    result["summary"] = fmt::format("{} {:.2f} %, {:.3f} ms, {:.2f}x", material.spec().metric, 100 * int8.metric,
                                    times[1].median_ms, speedup);
    result["artifacts"] = {{"model.onnx", workplace.store(made.bytes).text}};
    json nodes = json::array();
    const std::set<std::string> in_int8(made.int8_nodes.begin(), made.int8_nodes.end());
    for (const auto& node : quantize::quantizable_nodes(*material.source())) {
      nodes.push_back(
          {{"node", node.node}, {"operation", node.op_type}, {"type", in_int8.contains(node.node) ? "int8" : "float"}});
    }
    result["details"] = {{"fp32", measures(fp32, times[0], material.model_bytes())},
                         {"int8", measures(int8, times[1], made.bytes.size())},
                         {"samples", int8.samples},
                         {"nodes", nodes},
                         {"int8_kernels", int8_kernels(made.graph, material)},
                         {"environment", environment(workplace)}};
    return result;
  }

  // Operators that the engine really runs in int8 arithmetic, as the plan says.
  static std::vector<std::string> int8_kernels(SharedGraph graph, const Material& material) {
    runtime::Session session(std::move(graph), {});
    session.run(material.evaluation_set().batch(0, 1));
    return session.int8_nodes();
  }

  static json environment(const Workplace& workplace) {
    return {{"cpu", cpu_model()},
            {"isa", isa_of_this_machine()},
            {"cpus", workplace.cpus()},
            {"threads", workplace.threads()},
            {"ns", NS_VERSION}};
  }

  std::optional<Material> material_;
};

}  // namespace

std::unique_ptr<Runner> make_quantize_runner() { return std::make_unique<QuantizeRunner>(); }

}  // namespace ns::worker::tasks
