#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cmath>
#include <thread>

#include "kernels/runtime/session.h"
#include "worker/commands/commands.h"
#include "worker/commands/model.h"
#include "worker/commands/profile.h"

namespace ns::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kSamples = 8;         // different inputs, taken in turn
constexpr std::size_t kMostTimes = 2 << 20;  // kept of one instance

struct Options {
  std::string model;
  DataOptions data;
  std::vector<std::string> shapes;
  std::int64_t batch = 1;
  int threads = 1, instances = 1;
  double seconds = 5;
  bool profile = false, json = false;
};

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

using Inputs = std::vector<std::vector<graph::Tensor>>;

Inputs inputs_from_data(const Options& options, const graph::Graph& graph) {
  const data::DataSet data = load_data(options.data, graph);
  if (options.batch > data.max_batch()) {
    throw Error(ErrorCode::invalid,
                fmt::format("--batch {}: model and data allow at most {}", options.batch, data.max_batch()), "--batch");
  }
  Inputs inputs;
  for (std::int64_t i = 0; i < std::min(kSamples, data.size() / options.batch); ++i) {
    inputs.push_back(data.batch(i * options.batch, options.batch));
  }
  return inputs;
}

Inputs inputs_of(const Options& options, const graph::Graph& graph) {
  if (!options.data.path.empty()) return inputs_from_data(options, graph);
  const std::vector<ops::TensorType> types = input_types(graph, parse_shapes(options.shapes, graph), options.batch);
  for (std::size_t i = 0; i < types.size(); ++i) {
    const graph::Value& input = graph.value(graph.inputs[i]);
    if (options.batch == 1 || (!types[i].shape.empty() && types[i].shape[0] == options.batch)) continue;
    throw Error(ErrorCode::invalid,
                fmt::format("--batch {}: the first axis of input '{}' is {}, not {}", options.batch, input.name,
                            graph::to_string(types[i].shape), options.batch),
                "--batch");
  }
  return {made_up_inputs(types)};
}

struct Figures {
  double load_ms = 0, first_run_ms = 0;
  std::vector<double> latencies_ms;  // of all instances, sorted
  double samples_per_second = 0;
  std::uint64_t peak_bytes = 0;  // of this process, everything included

  double latency(double part) const {
    return latencies_ms[static_cast<std::size_t>(std::ceil(part * static_cast<double>(latencies_ms.size() - 1)))];
  }
};

std::vector<double> times_of(runtime::Session& session, const Inputs& inputs, double seconds) {
  std::vector<double> times;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    session.run(inputs[times.size() % inputs.size()]);
    times.push_back(milliseconds_since(start));
  } while (milliseconds_since(begin) < seconds * 1000 && times.size() < kMostTimes);
  return times;
}

// Instances in threads of their own that begin together; each has warmed up.
void measure_instances(const runtime::Session& first, const Inputs& inputs, const Options& options, Figures& figures) {
  const auto count = static_cast<std::size_t>(options.instances);
  std::vector<std::vector<double>> times(count);
  std::vector<std::exception_ptr> failures(count);
  std::barrier together(options.instances);
  const auto serve = [&](std::size_t instance) {
    runtime::Session session = first.share();
    try {
      times_of(session, inputs, options.seconds / 10);
    } catch (...) {
      failures[instance] = std::current_exception();
    }
    together.arrive_and_wait();
    if (!failures[instance]) times[instance] = times_of(session, inputs, options.seconds);
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back(serve, i);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (failures[i]) std::rethrow_exception(failures[i]);
    double sum = 0;
    for (const double one : times[i]) sum += one;
    figures.samples_per_second +=
        1000 * static_cast<double>(times[i].size()) * static_cast<double>(options.batch) / sum;
    figures.latencies_ms.insert(figures.latencies_ms.end(), times[i].begin(), times[i].end());
  }
  std::sort(figures.latencies_ms.begin(), figures.latencies_ms.end());
}

std::uint64_t peak_memory() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

nlohmann::json as_json(const Options& options, const Figures& figures) {
  return {{"batch", options.batch},
          {"threads", options.threads},
          {"instances", options.instances},
          {"runs", figures.latencies_ms.size()},
          {"latency_ms",
           {{"min", figures.latency(0)},
            {"p50", figures.latency(0.5)},
            {"p90", figures.latency(0.9)},
            {"p99", figures.latency(0.99)}}},
          {"samples_per_second", figures.samples_per_second},
          {"load_ms", figures.load_ms},
          {"first_run_ms", figures.first_run_ms},
          {"peak_memory_bytes", figures.peak_bytes}};
}

void print_text(const Options& options, const Figures& figures) {
  fmt::print("{} runs, batch {}, {} instance(s) of {} thread(s)\n", figures.latencies_ms.size(), options.batch,
             options.instances, options.threads);
  fmt::print("latency      p50 {:.4f} ms, p90 {:.4f} ms, p99 {:.4f} ms, min {:.4f} ms\n", figures.latency(0.5),
             figures.latency(0.9), figures.latency(0.99), figures.latency(0));
  fmt::print("throughput   {:.1f} samples/s\n", figures.samples_per_second);
  fmt::print("load         {:.1f} ms, and {:.1f} ms for the first run, which compiles\n", figures.load_ms,
             figures.first_run_ms);
  fmt::print("peak memory  {}\n", bytes_text(figures.peak_bytes));
}

int run(const Options& options) {
  Figures figures;
  const Clock::time_point start = Clock::now();
  const auto graph = load_model(options.model);
  runtime::Session session(graph, {.threads = options.threads});
  figures.load_ms = milliseconds_since(start);
  const Inputs inputs = inputs_of(options, *graph);
  const Clock::time_point first_run = Clock::now();
  session.run(inputs[0]);
  figures.first_run_ms = milliseconds_since(first_run);
  measure_instances(session, inputs, options, figures);
  figures.peak_bytes = peak_memory();
  nlohmann::json json = as_json(options, figures);
  if (!options.json) print_text(options, figures);
  if (options.profile) {
    const Profile profile = profile_of(graph, inputs, options.threads, options.seconds / 2);
    options.json ? json["profile"] = profile.as_json() : (profile.print(), json);
  }
  if (options.json) print_json(json);
  return 0;
}

}  // namespace

Action add_benchmark(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "An ONNX file")->required();
  auto* data =
      add_data_options(app, options->data)->description("An .npz whose samples are fed; without it, made-up numbers");
  add_shape_option(app, options->shapes);
  app.get_option("--shape")->excludes(data);
  app.add_option("--batch", options->batch, "Samples a run, 1")->check(CLI::Range(1, 1 << 20));
  app.add_option("--threads", options->threads, "Threads inside operators, of each instance, 1")
      ->check(CLI::Range(1, 1024));
  app.add_option("--instances", options->instances, "Copies that run at once and share the weights, 1")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seconds", options->seconds, "To measure for, 5; a tenth of it before, to warm up")
      ->check(CLI::Range(0.001, 86'400.0));
  app.add_flag("--profile", options->profile, "Also where the time goes, by node and by kind of group");
  app.add_flag("--json", options->json, "As JSON");
  return [options] { return run(*options); };
}

}  // namespace ns::worker
