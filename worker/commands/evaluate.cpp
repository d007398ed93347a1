#include "kernels/runtime/evaluate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "worker/commands/commands.h"
#include "worker/commands/model.h"

namespace ns::worker {
namespace {

struct Options {
  std::string model, metric = "top1";
  DataOptions data;
  runtime::EvaluateOptions how;
  bool json = false;
};

const metrics::MetricDefinition& metric_named(const std::string& name) {
  if (const metrics::MetricDefinition* metric = metrics::find_metric(name)) return *metric;
  std::string names;
  for (const metrics::MetricDefinition& metric : metrics::all_metrics()) {
    names += (names.empty() ? "" : ", ") + std::string(metric.name);
  }
  throw Error(ErrorCode::invalid, fmt::format("--metric \"{}\" is not known; it must be one of {}", name, names),
              "--metric");
}

void show_progress(Options& options) {
  if (options.json || ::isatty(STDERR_FILENO) != 1) return;
  options.how.progress = [](std::int64_t done, std::int64_t all) {
    fmt::print(stderr, "\r{} of {} samples{}", done, all, done == all ? "\n" : "");
    return true;
  };
}

int run(Options options) {
  const metrics::MetricDefinition& metric = metric_named(options.metric);
  const auto graph = load_model(options.model);
  if (!metric.needs_labels) options.data.labels.clear();
  const data::DataSet data = load_data(options.data, *graph);
  show_progress(options);
  const runtime::Evaluation evaluation = runtime::evaluate(graph, data, metric, options.how);
  if (options.json) {
    print_json({{"metric", metric.name},
                {"value", evaluation.metric},
                {"samples", evaluation.samples},
                {"samples_per_second", evaluation.throughput}});
  } else {
    fmt::print("{} {:.4f} over {} samples, {:.1f} samples/s\n", metric.name, evaluation.metric, evaluation.samples,
               evaluation.throughput);
  }
  return 0;
}

}  // namespace

Action add_evaluate(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  options->data.labels = "labels";
  options->how.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  app.add_option("MODEL", options->model, "An ONNX file")->required();
  add_data_options(app, options->data)->required();
  app.add_option("--labels", options->data.labels, "The array of labels in it, \"labels\"");
  app.add_option("--metric", options->metric, "top1, top5, …");
  app.add_option("--batch", options->how.batch, "Samples a run, 32; less where the model's batch is fixed")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--threads", options->how.threads, "Batches at once; the number of CPUs")->check(CLI::Range(1, 1024));
  app.add_flag("--json", options->json, "As JSON");
  return [options] { return run(*options); };
}

}  // namespace ns::worker
