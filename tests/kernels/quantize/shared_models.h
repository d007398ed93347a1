// The real trained models beside the repository (../shared/models), as their meta.json says to feed them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"

namespace ns::quantize::testing {

struct TrainedModel {
  std::shared_ptr<const graph::Graph> graph;  // simplified, opset 13 or more
  std::shared_ptr<const data::DataSet> calibration, evaluation;
  double top1 = 0;  // in float32, as another engine gives it; 0: nobody said
};

std::filesystem::path shared_model_folder(const std::string& name);
// model.onnx, calib.npz and eval.npz (with labels) of a folder, stored arrays normalized so.
TrainedModel load_model(const std::filesystem::path& folder, const std::map<std::string, data::Normalization>& inputs);
// REQUIRES: the folder exists.
TrainedModel load_shared_model(const std::string& name);

}  // namespace ns::quantize::testing
