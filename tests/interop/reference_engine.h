// ONNX Runtime as a child process (node, tests/interop/run_ort.js), installed on first use.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::interop {

// Why it cannot be used here (node or npm missing); empty when it can. Installs the packages where they are missing;
// throws std::runtime_error when that fails.
std::string why_not_available();

struct ReferenceRun {
  std::vector<graph::Tensor> outputs;  // over all samples
  graph::Graph optimized;              // what it made of the model
};

// Runs the model over inputs whose first axis is the samples, `batch` of them a run. Throws std::runtime_error with
// what the engine said.
ReferenceRun run_reference(const graph::Graph& model, const std::vector<graph::Tensor>& inputs, std::int64_t batch);

// Runs a model file once for each entry along a first axis that inputs and outputs have in addition. `same` is that
// model: the inputs are in the order of its own.
std::vector<graph::Tensor> run_reference_on_whole_inputs(const std::filesystem::path& model, const graph::Graph& same,
                                                         const std::vector<graph::Tensor>& inputs);

}  // namespace ns::interop
