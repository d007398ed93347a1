#include "tests/bench/engine/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ns::bench {
namespace {

struct Mean {
  std::string of;
  double ratio = 0;
  std::size_t cases = 0, below_one = 0;
};

// Of the ratios of all cases that `take` accepts.
template <typename Take>
Mean geometric_mean(const Results& results, std::string of, Take take) {
  Mean mean{std::move(of)};
  double logarithms = 0;
  for (const Case& one : results.cases) {
    if (!one.ratio || !take(one)) continue;
    logarithms += std::log(one.ratio->median);
    ++mean.cases;
    mean.below_one += one.ratio->median < 1;
  }
  if (mean.cases > 0) mean.ratio = std::exp(logarithms / static_cast<double>(mean.cases));
  return mean;
}

std::vector<Mean> geometric_means(const Results& results, const Settings& settings) {
  std::vector<Mean> means;
  for (const Precision precision : settings.precisions) {
    means.push_back(geometric_mean(results, std::string(name_of(precision)),
                                   [&](const Case& one) { return one.precision == precision; }));
    for (const int threads : settings.threads) {
      for (const std::int64_t batch : settings.batches) {
        means.push_back(
            geometric_mean(results, fmt::format("{}, {} thread(s), batch {}", name_of(precision), threads, batch),
                           [&](const Case& one) {
                             return one.precision == precision && one.threads == threads && one.batch == batch;
                           }));
      }
    }
  }
  std::erase_if(means, [](const Mean& mean) { return mean.cases == 0; });
  return means;
}

nlohmann::json to_json(const Ratio& ratio) {
  return {{"median", ratio.median}, {"low", ratio.low}, {"high", ratio.high}};
}

nlohmann::json to_json(const Case& one) {
  nlohmann::json json{{"model", one.model},   {"precision", name_of(one.precision)},
                      {"batch", one.batch},   {"threads", one.threads},
                      {"own_ms", one.own_ms}, {"own_p99_ms", one.own_p99_ms}};
  json["own_min_ms"] = one.own_min_ms;
  if (one.reference_ms) json["reference_ms"] = *one.reference_ms;
  if (one.reference_min_ms) json["reference_min_ms"] = *one.reference_min_ms;
  if (one.ratio) json["ratio"] = to_json(*one.ratio);
  if (one.int8_speedup) json["int8_speedup"] = to_json(*one.int8_speedup);
  if (!one.reference_error.empty()) json["reference_error"] = one.reference_error;
  return json;
}

std::string text(const std::optional<Ratio>& ratio) {
  return ratio ? fmt::format("{:6.2f} ({:.2f}..{:.2f})", ratio->median, ratio->low, ratio->high) : std::string("-");
}

std::string ratio_of_minima(const Case& one) {
  return one.reference_min_ms ? fmt::format("{:.2f}", *one.reference_min_ms / one.own_min_ms) : std::string("-");
}

void print_cases(const Results& results) {
  constexpr const char* kRow = "{:<22} {:<4} {:>5} {:>7} {:>10} {:>10} {:>10}  {:<20} {:>8}  {}\n";
  const auto milliseconds = [](double value) { return fmt::format("{:.4f}", value); };
  fmt::print(kRow, "model", "", "batch", "threads", "ours ms", "p99", "ORT ms", " ORT/ours", "of best",
             "own fp32/int8");
  for (const Case& one : results.cases) {
    fmt::print(kRow, one.model, name_of(one.precision), one.batch, one.threads, milliseconds(one.own_ms),
               milliseconds(one.own_p99_ms), one.reference_ms ? milliseconds(*one.reference_ms) : "-",
               one.reference_error.empty() ? text(one.ratio) : one.reference_error, ratio_of_minima(one),
               one.int8_speedup ? text(one.int8_speedup) : "");
  }
}

void print_whole(const Results& results) {
  for (const Scaling& one : results.scalings) {
    fmt::print("{:<24} {:<5} {} instances: {:.1f} runs/s, {:.1f} % of as many alone ({:.1f}..{:.1f})\n", one.model,
               name_of(one.precision), one.instances, one.runs_per_second, 100 * one.efficiency.median,
               100 * one.efficiency.low, 100 * one.efficiency.high);
  }
  for (const Accuracy& one : results.accuracies) {
    fmt::print("{:<24} {:<5} top1 {:.4f}, {:.0f} samples/s, {} nodes in int8\n", one.model, name_of(one.precision),
               one.top1, one.samples_per_second, one.int8_nodes);
  }
  for (const NotLoaded& one : results.not_loaded) {
    fmt::print("{:<24} {:<5} not loaded: {}\n", one.model, one.what == "model" ? "" : one.what, one.reason);
  }
}

}  // namespace

nlohmann::json to_json(const Results& results, const Settings& settings) {
  nlohmann::json json{{"rounds", settings.rounds}, {"budget_ms", settings.budget_ms}};
  for (const char* list : {"binding", "cases", "geometric_means", "instances", "accuracy", "not_loaded"}) {
    json[list] = nlohmann::json::array();
  }
  for (const auto& [threads, took] : results.binding_ms) {
    json["binding"].push_back({{"threads", threads}, {"milliseconds", took}});
  }
  for (const Case& one : results.cases) json["cases"].push_back(to_json(one));
  for (const Mean& mean : geometric_means(results, settings)) {
    json["geometric_means"].push_back(
        {{"of", mean.of}, {"ratio", mean.ratio}, {"cases", mean.cases}, {"below_one", mean.below_one}});
  }
  for (const Scaling& one : results.scalings) {
    json["instances"].push_back({{"model", one.model},
                                 {"precision", name_of(one.precision)},
                                 {"instances", one.instances},
                                 {"runs_per_second", one.runs_per_second},
                                 {"efficiency", to_json(one.efficiency)}});
  }
  for (const Accuracy& one : results.accuracies) {
    json["accuracy"].push_back({{"model", one.model},
                                {"precision", name_of(one.precision)},
                                {"top1", one.top1},
                                {"samples_per_second", one.samples_per_second},
                                {"int8_nodes", one.int8_nodes}});
  }
  for (const NotLoaded& one : results.not_loaded) {
    json["not_loaded"].push_back({{"model", one.model}, {"what", one.what}, {"reason", one.reason}});
  }
  return json;
}

void print(const Results& results, const Settings& settings) {
  if (!results.binding_ms.empty()) {
    fmt::print(
        "ORT is ONNX Runtime under node; its threads spin by default. Taken off each of its times, as a model that "
        "does nothing needs it:");
    for (const auto& [threads, took] : results.binding_ms) {
      fmt::print(" {:.1f} us ({} thread(s))", took * 1000, threads);
    }
    fmt::print("\n");
  }
  fmt::print(
      "Medians over {} rounds; in parentheses the quartiles of the rounds' ratios. Above 1, ours is faster. Of best: "
      "each "
      "engine's fastest run.\n\n",
      settings.rounds);
  print_cases(results);
  fmt::print("\n");
  print_whole(results);
  fmt::print("\n");
  for (const Mean& mean : geometric_means(results, settings)) {
    fmt::print("geometric mean, {}: {:.3f} over {} cases, {} of them below 1\n", mean.of, mean.ratio, mean.cases,
               mean.below_one);
  }
}

}  // namespace ns::bench
