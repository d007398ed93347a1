// The real models beside the repository: what to feed and what to expect, from their meta.json.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "common/error.h"
#include "kernels/data/dataset.h"
#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"

namespace ns::runtime {

struct ModelFolder {
  std::filesystem::path path;
  nlohmann::json meta;
  std::shared_ptr<const graph::Graph> graph;  // simplified, at an opset that can be quantized

  explicit ModelFolder(std::filesystem::path folder) : path(std::move(folder)) {
    std::ifstream file(path / "meta.json");
    if (!file) throw Error(ErrorCode::not_found, (path / "meta.json").string() + " is not there: it says what to feed");
    file >> meta;
    graph::Graph loaded = onnx::read_file(path / "model.onnx");
    if (loaded.opset() < 13) passes::raise_opset(loaded, 13);
    passes::simplify(loaded);
    graph = std::make_shared<const graph::Graph>(std::move(loaded));
  }

  data::DataSet data(const std::string& file, bool labels) const {
    data::DataSetOptions options;
    for (const auto& [name, input] : meta.at("inputs").items()) {
      if (input.contains("mean")) options.inputs[name].mean = input.at("mean").get<std::vector<float>>();
      if (input.contains("std")) options.inputs[name].std = input.at("std").get<std::vector<float>>();
      if (input.contains("const")) options.constants[name] = input.at("const").get<double>();
    }
    if (labels) options.labels = "labels";
    return data::DataSet::load(path / file, *graph, options);
  }
};

}  // namespace ns::runtime
