#include <fmt/format.h>

#include "kernels/runtime/session.h"
#include "worker/commands/commands.h"
#include "worker/commands/model.h"

namespace ns::worker {
namespace {

struct Options {
  std::string model, input, output;
  int threads = 1;
  bool plain = false, json = false;
};

std::vector<graph::Tensor> inputs_from(const std::string& path, const graph::Graph& graph) {
  const std::map<std::string, graph::Tensor> arrays = data::read_npz(path);
  std::string names;
  for (const auto& [name, array] : arrays) names += (names.empty() ? "" : ", ") + name;
  std::vector<graph::Tensor> inputs;
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& input = graph.value(id);
    const auto found = arrays.find(input.name);
    if (found == arrays.end()) {
      throw Error(ErrorCode::invalid,
                  fmt::format("{} has no array '{}' for the model's input, {} {} (arrays: {})", path, input.name,
                              graph::name_of(input.type), declared_shape(input), names),
                  "--input");
    }
    inputs.push_back(found->second);
  }
  return inputs;
}

int run(const Options& options) {
  const auto graph = load_model(options.model);
  runtime::Session session(graph, {.threads = options.threads, .plain = options.plain});
  const std::vector<graph::Tensor> results = session.run(inputs_from(options.input, *graph));
  std::map<std::string, graph::Tensor> outputs;
  nlohmann::json told = nlohmann::json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string& name = graph->value(graph->outputs[i]).name;
    outputs[name] = results[i];
    told.push_back({{"name", name}, {"type", graph::name_of(results[i].type())}, {"shape", results[i].shape()}});
    if (!options.json) {
      fmt::print("{}  {} {}\n", name, graph::name_of(results[i].type()), graph::to_string(results[i].shape()));
    }
  }
  data::write_npz(options.output, outputs);
  if (options.json) print_json({{"outputs", told}, {"file", options.output}});
  return 0;
}

}  // namespace

Action add_run(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "An ONNX file")->required();
  app.add_option("--input", options->input,
                 "An .npz with an array for each input of the model, whole and named like it")
      ->required();
  app.add_option("--output", options->output, "The .npz to write, an array for each output of the model")->required();
  app.add_option("--threads", options->threads, "Threads inside operators, 1")->check(CLI::Range(1, 1024));
  app.add_flag("--plain", options->plain, "With the plain operators: slow, and the definition of what is right");
  app.add_flag("--json", options->json, "What was written, as JSON");
  return [options] { return run(*options); };
}

}  // namespace ns::worker
