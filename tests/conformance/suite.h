// A folder of tests in the layout of the official ONNX backend tests, and its index:
//
//   <category>/<test>/model.onnx  <category>/<test>/test_data_set_<n>/input_<i>.pb, output_<i>.pb
//
// The index has a row a test, tab-separated, with the columns' names in its first line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "tests/conformance/comparison.h"

namespace ns::conformance {

struct Row {
  std::string test, category, tier, operator_under_test, disputed;
  Tolerance tolerance;

  // Not counted: the expectation is wrong, random, ambiguous or mistyped, as the index says.
  bool counts() const;
};

// Error(invalid) names the file and the column that is missing.
std::vector<Row> read_index(const std::filesystem::path&);

// Runs a model over inputs in the order of its graph.inputs.
using Engine = std::vector<graph::Tensor> (*)(const graph::Graph&, const std::vector<graph::Tensor>& inputs);

// Empty when the outputs of every data set in the test's folder agree, otherwise what is different. `model` is the
// test's own, rewritten or not: its inputs and outputs are the same.
std::string difference_to_expected(const std::filesystem::path& test, const graph::Graph& model, Engine, Tolerance);

// Unpacks a .tar.zst; throws std::runtime_error when tar cannot.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& into);

}  // namespace ns::conformance
