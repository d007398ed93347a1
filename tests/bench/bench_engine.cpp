// bench_engine --models DIR… [--budget MS] [--json]
//
// Each DIR holds model.onnx, calib.npz, eval.npz and meta.json. Float against int8 (everything quantized, min-max):
// median and p99 latency at batch 1 on one thread and on two, taken in alternating rounds of one run so that the ratios
// hold on a busy machine, and throughput over the evaluation set.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "kernels/metrics/metric.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/evaluate.h"
#include "kernels/runtime/session.h"
#include "tests/kernels/runtime/model_folder.h"

namespace {

using namespace ns;

struct Options {
  std::vector<std::string> models;
  int budget_ms = 1000;
  bool json = false;
};

constexpr std::int64_t kCalibrationSamples = 64;
constexpr int kThreads[] = {1, 2};

nlohmann::json to_json(const runtime::Latency& latency) {
  return {{"median_ms", latency.median_ms},
          {"p99_ms", latency.p99_ms},
          {"min_ms", latency.min_ms},
          {"runs", latency.runs},
          {"threads", latency.threads}};
}

std::shared_ptr<const graph::Graph> quantized(const runtime::ModelFolder& model) {
  const data::DataSet all = model.data("calib.npz", false);
  const data::DataSet part = all.slice(0, std::min(all.size(), kCalibrationSamples));
  const quantize::Calibration ranges = quantize::calibrate(model.graph, part, quantize::CalibrationMethod::minmax, 2);
  return std::make_shared<const graph::Graph>(quantize::insert(*model.graph, ranges, {}));
}

std::size_t int8_node_count(const std::shared_ptr<const graph::Graph>& graph, const data::DataSet& data) {
  runtime::Session session(graph, {.threads = 1});
  session.run(data.batch(0, 1));
  return session.int8_nodes().size();
}

runtime::EvaluateOptions how_to_evaluate() {
  runtime::EvaluateOptions options;
  options.threads = kThreads[1];
  return options;
}

nlohmann::json measure(const std::string& folder, const Options& options) {
  const runtime::ModelFolder model(folder);
  nlohmann::json result{{"model", model.path.filename()}};
  const bool top1 = model.meta.value("metric", "") == "top1";
  const data::DataSet data = model.data("eval.npz", top1);
  std::vector<std::shared_ptr<const graph::Graph>> graphs{model.graph};
  if (!quantize::quantizable_nodes(*model.graph).empty()) graphs.push_back(quantized(model));
  const char* names[] = {"fp32", "int8"};
  for (const int threads : kThreads) {
    runtime::LatencyOptions how;
    how.threads = threads;
    how.budget = std::chrono::milliseconds(options.budget_ms);
    const std::vector<runtime::Latency> latencies = runtime::measure_latency(graphs, data, how);
    for (std::size_t i = 0; i < graphs.size(); ++i) {
      result[names[i]][fmt::format("threads_{}", threads)] = to_json(latencies[i]);
    }
    if (graphs.size() > 1) {
      result["ratio"][fmt::format("threads_{}", threads)] = latencies[0].median_ms / latencies[1].median_ms;
    }
  }
  const metrics::MetricDefinition* metric = top1 ? metrics::find_metric("top1") : nullptr;
  for (std::size_t i = 0; metric != nullptr && i < graphs.size(); ++i) {
    const runtime::Evaluation evaluation = runtime::evaluate(graphs[i], data, *metric, how_to_evaluate());
    result[names[i]]["top1"] = evaluation.metric;
    result[names[i]]["samples_per_second"] = evaluation.throughput;
  }
  if (graphs.size() > 1) result["int8"]["int8_nodes"] = int8_node_count(graphs[1], data);
  return result;
}

void print(const nlohmann::json& one) {
  fmt::print("{}\n", one.at("model").get<std::string>());
  for (const char* name : {"fp32", "int8"}) {
    if (!one.contains(name)) continue;
    const nlohmann::json& figures = one.at(name);
    fmt::print("  {}", name);
    for (const int threads : kThreads) {
      const nlohmann::json& latency = figures.at(fmt::format("threads_{}", threads));
      fmt::print("  up to {} thread(s): median {:.4f} ms, p99 {:.4f} ms", threads,
                 latency.at("median_ms").get<double>(), latency.at("p99_ms").get<double>());
    }
    if (figures.contains("top1")) {
      fmt::print("  top1 {:.4f}  {:.0f} samples/s", figures.at("top1").get<double>(),
                 figures.at("samples_per_second").get<double>());
    }
    if (figures.contains("int8_nodes")) fmt::print("  {} nodes in int8", figures.at("int8_nodes").get<std::size_t>());
    fmt::print("\n");
  }
  if (one.contains("ratio")) {
    fmt::print("  fp32 / int8  {:.2f}  {:.2f}\n", one.at("ratio").at("threads_1").get<double>(),
               one.at("ratio").at("threads_2").get<double>());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("The engine on whole models: float against int8");
  app.add_option("--models", options.models, "folders with model.onnx, calib.npz, eval.npz, meta.json")->required();
  app.add_option("--budget", options.budget_ms, "milliseconds of measuring for each model");
  app.add_flag("--json", options.json, "one JSON array instead of text");
  CLI11_PARSE(app, argc, argv);
  nlohmann::json all = nlohmann::json::array();
  int failed = 0;
  for (const std::string& folder : options.models) {
    try {
      all.push_back(measure(folder, options));
      if (!options.json) print(all.back());
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}: {}\n", folder, error.what());
      failed = 1;
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(2));
  return failed;
}
