// bench_engine --models DIR… [--json]
//
// Our engine and ONNX Runtime on whole models, in float and in int8 (the same QDQ file for both), interleaved in one
// run. Each DIR holds model.onnx, calib.npz, eval.npz and meta.json, or folders that do.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "kernels/runtime/spinning.h"
#include "tests/bench/engine/report.h"

namespace {

using namespace ns;
using namespace ns::bench;

struct Options {
  Settings settings;
  std::vector<std::string> models;
  std::string reference = NS_INTEROP_DIR;
  bool no_reference = false;
  bool json = false;
};

void add_options(CLI::App& app, Options& options) {
  Settings& settings = options.settings;
  const std::map<std::string, Precision> precisions{{"fp32", Precision::fp32}, {"int8", Precision::int8}};
  app.add_option("--models", options.models,
                 "Folders with model.onnx, calib.npz, eval.npz and meta.json, or folders of such")
      ->required();
  app.add_option("--batch", settings.batches, "Batch sizes, 1 and 32; left out where a model's is fixed")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", settings.threads, "Threads of a run, 1 and 2")->check(CLI::Range(1, 1024));
  app.add_option("--precision", settings.precisions, "fp32, int8 or both")
      ->transform(CLI::CheckedTransformer(precisions));
  app.add_option("--rounds", settings.rounds, "In each, every engine has its turn")->check(CLI::Range(1, 1000));
  app.add_option("--budget", settings.budget_ms, "Milliseconds of each engine in each case, over all rounds")
      ->check(CLI::Range(1, 3'600'000));
  app.add_option("--instances", settings.instances, "Measure so many instances of one thread against one; 0: not")
      ->check(CLI::Range(0, 1024));
  app.add_flag("--accuracy", settings.accuracy,
               "Also accuracy and throughput over the evaluation set, where it is top1");
  app.add_option("--reference", options.reference, "Folder into which tests/interop/install has put ONNX Runtime");
  app.add_flag("--no-reference", options.no_reference, "Our engine alone");
  app.add_flag("--json", options.json, "One JSON object instead of text");
}

int run(const Options& options) {
  std::unique_ptr<ReferenceServer> server;
  if (!options.no_reference) server = std::make_unique<ReferenceServer>(options.reference);
  const bool tell = ::isatty(STDERR_FILENO) == 1;
  const Results results =
      measure(folders_of_models(options.models), options.settings, server.get(), [&](const std::string& what) {
        if (tell) fmt::print(stderr, "\r\033[K{}", what);
      });
  if (tell) fmt::print(stderr, "\r\033[K");
  if (options.json) {
    fmt::print("{}\n", to_json(results, options.settings).dump(2));
  } else {
    print(results, options.settings);
  }
  return results.not_loaded.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  runtime::restart_with_bounded_spinning(arguments);
  Options options;
  CLI::App app("Our engine and ONNX Runtime on whole models");
  add_options(app, options);
  CLI11_PARSE(app, count, arguments);
  try {
    return run(options);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_engine: {}\n", error.what());
    return entry_of(error.code()).exit_code;
  }
}
