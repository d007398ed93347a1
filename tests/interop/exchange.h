// Tensors as run_ort.js and ort_server.js take and give them: the elements in a file, and what they are in JSON.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/graph/tensor.h"

namespace ns::interop {

// {"name", "type", "shape", "file"}; the elements are written to the file. Throws std::runtime_error when they cannot
// be.
nlohmann::json write_tensor(const std::string& name, const graph::Tensor&, const std::filesystem::path& file);

// What such an entry says, its file relative to a folder.
graph::Tensor read_tensor(const nlohmann::json& entry, const std::filesystem::path& folder);

}  // namespace ns::interop
