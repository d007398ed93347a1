#include "tests/kernels/quantize/shared_models.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "tests/support/shared_folder.h"

namespace ns::quantize::testing {

std::filesystem::path shared_model_folder(const std::string& name) {
  return test::shared_folder(NS_SOURCE_DIR) / "models" / name;
}

TrainedModel load_model(const std::filesystem::path& folder, const std::map<std::string, data::Normalization>& inputs) {
  auto graph = std::make_shared<graph::Graph>(onnx::read_file(folder / "model.onnx"));
  if (graph->opset() < 13) passes::raise_opset(*graph, 13);
  passes::simplify(*graph);
  data::DataSetOptions options;
  options.inputs = inputs;
  TrainedModel model;
  model.calibration = std::make_shared<data::DataSet>(data::DataSet::load(folder / "calib.npz", *graph, options));
  options.labels = "labels";
  model.evaluation = std::make_shared<data::DataSet>(data::DataSet::load(folder / "eval.npz", *graph, options));
  model.graph = std::move(graph);
  return model;
}

TrainedModel load_shared_model(const std::string& name) {
  const std::filesystem::path folder = shared_model_folder(name);
  const auto meta = nlohmann::json::parse(std::ifstream(folder / "meta.json"));
  std::map<std::string, data::Normalization> inputs;
  for (const auto& [input, how] : meta.at("inputs").items()) {
    if (how.contains("mean")) inputs[input] = {how.at("mean"), how.at("std")};
  }
  TrainedModel model = load_model(folder, inputs);
  model.top1 = meta.at("fp32").at("top1");
  return model;
}

}  // namespace ns::quantize::testing
