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
  std::shared_ptr<const graph::Graph> graph;  // simplified, at an opset that can be quantized where there is one

  explicit ModelFolder(std::filesystem::path folder) : path(std::move(folder)) {
    std::ifstream file(path / "meta.json");
    if (!file) throw Error(ErrorCode::not_found, (path / "meta.json").string() + " is not there: it says what to feed");
    file >> meta;
    graph::Graph loaded = raised(onnx::read_file(path / "model.onnx"));
    passes::simplify(loaded);
    graph = std::make_shared<const graph::Graph>(std::move(loaded));
  }

  // As it is where an operator cannot be raised: it runs, and only cannot be quantized.
  static graph::Graph raised(graph::Graph model) {
    if (model.opset() >= 13) return model;
    try {
      graph::Graph newer = model;
      passes::raise_opset(newer, 13);
      return newer;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      return model;
    }
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
