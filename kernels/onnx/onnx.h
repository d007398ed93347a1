// ONNX file <-> graph: the only user of protobuf. Stateless functions; any thread.
#pragma once

#include <filesystem>
#include <string>

#include "kernels/graph/graph.h"

namespace ns::onnx {

// Reads a model. Error(invalid): not ONNX, truncated, wrong types, cyclic; Error(unsupported): an IR or element type
// that is not known; Error(too_large): over the stated limits. Whether every operator is known is the plan's question,
// not the reader's.
graph::Graph read_file(const std::filesystem::path&);
graph::Graph read_bytes(std::string_view);

// The model as ONNX bytes: deterministic (equal graphs give equal bytes), initializers as raw_data.
std::string write_bytes(const graph::Graph&);
void write_file(const graph::Graph&, const std::filesystem::path&);  // through a temporary beside it

}  // namespace ns::onnx
