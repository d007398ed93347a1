// What the commands share: a model from a file, what to feed it, and how numbers are written.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"
#include "kernels/ops/op.h"

namespace ns::worker {

// Read and simplified, as a session takes it.
std::shared_ptr<const graph::Graph> load_model(const std::string& path);

// "[N, 3, 224, 224]"
std::string declared_shape(const graph::Value&);

// --shape name=1x3x224x224, by input.
using Shapes = std::map<std::string, graph::Shape>;
void add_shape_option(CLI::App&, std::vector<std::string>& given);
// Error(invalid) names an option that is malformed, an input that the model does not have, and a size that does not fit
// what the model declares.
Shapes parse_shapes(const std::vector<std::string>& given, const graph::Graph&);

// The inputs' types: sizes from `shapes`, else as declared; a first axis that is open is `batch`. Error(invalid) names
// the first input with another open axis and how to give it.
std::vector<ops::TensorType> input_types(const graph::Graph&, const Shapes&, std::int64_t batch);

// Numbers between -1 and 1, the same at every call; zeros for integers, which may be indices.
std::vector<graph::Tensor> made_up_inputs(const std::vector<ops::TensorType>&);

// --data and what goes with it: where the arrays are and how they become inputs.
struct DataOptions {
  std::string path, labels;
  std::vector<std::string> mean, std, constants;
};
CLI::Option* add_data_options(CLI::App&, DataOptions&);
data::DataSet load_data(const DataOptions&, const graph::Graph&);

void print_json(const nlohmann::json&);
std::string amount_text(double);        // "82.1 M"
std::string bytes_text(std::uint64_t);  // "1.3 MiB"

}  // namespace ns::worker
