#include "tests/bench/engine/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "kernels/metrics/metric.h"
#include "kernels/runtime/evaluate.h"

namespace ns::bench {
namespace {

// Threads of the one engine spin for some milliseconds after its last run, and would take a core from the other.
constexpr std::chrono::milliseconds kUntilThreadsSleep{50};

struct Entrant {
  Precision precision = Precision::fp32;
  std::unique_ptr<Contender> own, reference;  // reference: null when there is none
  std::string reference_error;
  std::vector<double> own_rounds, reference_rounds, own_runs;
  double reference_min_ms = std::numeric_limits<double>::max();
};

graph::Graph model_that_does_nothing() {
  graph::Graph graph;
  graph.name = "nothing";
  graph.opsets[""] = 13;
  graph::Value input, output;
  input.name = "x";
  output.name = "y";
  input.type = output.type = graph::ElementType::float32;
  input.shape = output.shape = {{1, ""}};
  graph.inputs = {graph.add_value(input)};
  graph.outputs = {graph.add_value(output)};
  graph::Node node;
  node.name = "nothing";
  node.op_type = "Identity";
  node.inputs = graph.inputs;
  node.outputs = graph.outputs;
  graph.nodes.push_back(node);
  return graph;
}

class Measuring {
 public:
  Measuring(const Settings& settings, ReferenceServer* server, const std::function<void(const std::string&)>& progress)
      : settings_(settings), server_(server), progress_(progress) {
    if (server_ != nullptr) measure_binding();
  }

  void measure(const std::filesystem::path& folder) {
    const std::string name = folder.filename().string();
    try {
      BenchModel model(folder, scratch_.path());
      for (const std::int64_t batch : settings_.batches) {
        if (model.samples(batch).empty()) continue;
        for (const int threads : settings_.threads) measure_case(model, batch, threads);
      }
      for (const Precision precision : settings_.precisions) measure_whole(model, precision);
    } catch (const std::exception& error) {
      not_loaded(name, "model", error);
    }
  }

  Results results() && { return std::move(results_); }

 private:
  double slice_ms() const { return static_cast<double>(settings_.budget_ms) / settings_.rounds; }

  void not_loaded(const std::string& model, const std::string& what, const std::exception& error) {
    for (const NotLoaded& known : results_.not_loaded) {
      if (known.model == model && known.what == what && known.reason == error.what()) return;
    }
    results_.not_loaded.push_back({model, what, error.what()});
  }

  void measure_binding() {
    const std::filesystem::path file = scratch_.path() / "nothing.onnx";
    onnx::write_file(model_that_does_nothing(), file);
    const Samples samples{{graph::Tensor::from<float>({1}, std::vector<float>{1})}};
    for (const int threads : settings_.threads) {
      Reference nothing(*server_, "nothing", file, threads, {"x"}, samples);
      std::vector<double> rounds;
      for (int round = 0; round < settings_.rounds; ++round) rounds.push_back(median(nothing.slice(slice_ms())));
      results_.binding_ms[threads] = median(rounds);
    }
  }

  std::optional<Entrant> entrant(BenchModel& model, Precision precision, std::int64_t batch, int threads) {
    Entrant made;
    made.precision = precision;
    const Samples& samples = model.samples(batch);
    std::optional<Variant> variant;
    try {
      variant = model.variant(precision);
      if (!variant) return std::nullopt;
      made.own = std::make_unique<OwnEngine>(variant->graph, threads, samples);
    } catch (const std::exception& error) {
      not_loaded(model.name(), std::string(name_of(precision)), error);
      return std::nullopt;
    }
    if (server_ == nullptr) return made;
    const std::string name = fmt::format("{} {}", model.name(), name_of(precision));
    try {
      made.reference =
          std::make_unique<Reference>(*server_, name, variant->file, threads, model.input_names(), samples);
    } catch (const Error& error) {
      made.reference_error = error.what();
    }
    return made;
  }

  void run_rounds(std::vector<Entrant>& entrants, int threads) {
    const auto settle = [&] {
      if (threads > 1) std::this_thread::sleep_for(kUntilThreadsSleep);
    };
    for (int round = 0; round < settings_.rounds; ++round) {
      for (Entrant& entrant : entrants) {
        settle();
        const std::vector<double> runs = entrant.own->slice(slice_ms());
        entrant.own_rounds.push_back(median(runs));
        entrant.own_runs.insert(entrant.own_runs.end(), runs.begin(), runs.end());
        if (entrant.reference == nullptr) continue;
        settle();
        const std::vector<double> theirs = entrant.reference->slice(slice_ms());
        const double binding = results_.binding_ms.at(threads);
        entrant.reference_rounds.push_back(std::max(0.0, median(theirs) - binding));
        entrant.reference_min_ms = std::min(entrant.reference_min_ms, quantile(theirs, 0) - binding);
      }
    }
  }

  static Ratio ratio(const std::vector<double>& above, const std::vector<double>& below) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < above.size(); ++round) ratios.push_back(above[round] / below[round]);
    return {median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75)};
  }

  void measure_case(BenchModel& model, std::int64_t batch, int threads) {
    progress_(fmt::format("{} batch {} threads {}", model.name(), batch, threads));
    std::vector<Entrant> entrants;
    for (const Precision precision : settings_.precisions) {
      std::optional<Entrant> made = entrant(model, precision, batch, threads);
      if (made) entrants.push_back(std::move(*made));
    }
    run_rounds(entrants, threads);
    const std::vector<double>* fp32 = nullptr;
    for (const Entrant& entrant : entrants) {
      Case result;
      result.model = model.name();
      result.precision = entrant.precision;
      result.batch = batch;
      result.threads = threads;
      result.own_min_ms = quantile(entrant.own_runs, 0);
      result.own_ms = median(entrant.own_rounds);
      result.own_p99_ms = quantile(entrant.own_runs, 0.99);
      result.reference_error = entrant.reference_error;
      if (entrant.reference != nullptr) {
        result.reference_min_ms = std::max(0.0, entrant.reference_min_ms);
        result.reference_ms = median(entrant.reference_rounds);
        result.ratio = ratio(entrant.reference_rounds, entrant.own_rounds);
      }
      if (entrant.precision == Precision::fp32) fp32 = &entrant.own_rounds;
      if (entrant.precision == Precision::int8 && fp32 != nullptr)
        result.int8_speedup = ratio(*fp32, entrant.own_rounds);
      results_.cases.push_back(std::move(result));
    }
  }

  void measure_whole(BenchModel& model, Precision precision) {
    std::optional<Variant> variant;
    try {
      variant = model.variant(precision);
      if (!variant) return;
      if (settings_.instances > 0) measure_scaling(model, precision, *variant);
      if (settings_.accuracy) measure_accuracy(model, precision, *variant);
    } catch (const std::exception& error) {
      not_loaded(model.name(), std::string(name_of(precision)), error);
    }
  }

  void measure_scaling(BenchModel& model, Precision precision, const Variant& variant) {
    progress_(fmt::format("{} {} in {} instances", model.name(), name_of(precision), settings_.instances));
    OwnEngine engine(variant.graph, 1, model.samples(1));
    std::vector<double> alone, together;
    for (int round = 0; round < settings_.rounds; ++round) {
      alone.push_back(engine.throughput(1, slice_ms()) * settings_.instances);
      together.push_back(engine.throughput(settings_.instances, slice_ms()));
    }
    results_.scalings.push_back(
        {model.name(), precision, settings_.instances, median(together), ratio(together, alone)});
  }

  void measure_accuracy(BenchModel& model, Precision precision, const Variant& variant) {
    if (model.folder().meta.value("metric", "") != "top1") return;
    progress_(fmt::format("{} {} accuracy", model.name(), name_of(precision)));
    runtime::EvaluateOptions how;
    how.threads = *std::max_element(settings_.threads.begin(), settings_.threads.end());
    const data::DataSet data = model.folder().data("eval.npz", true);
    const runtime::Evaluation evaluation = runtime::evaluate(variant.graph, data, *metrics::find_metric("top1"), how);
    const OwnEngine engine(variant.graph, 1, model.samples(1));
    results_.accuracies.push_back(
        {model.name(), precision, evaluation.metric, evaluation.throughput, engine.int8_nodes()});
  }

  const Settings& settings_;
  ReferenceServer* server_;
  const std::function<void(const std::string&)>& progress_;
  test::TempFolder scratch_;
  Results results_;
};

}  // namespace

Results measure(const std::vector<std::filesystem::path>& folders, const Settings& settings, ReferenceServer* server,
                const std::function<void(const std::string&)>& progress) {
  Measuring measuring(settings, server, progress);
  for (const std::filesystem::path& folder : folders) measuring.measure(folder);
  return std::move(measuring).results();
}

}  // namespace ns::bench
