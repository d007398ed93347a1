#include "tests/conformance/suite.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "kernels/onnx/tensor_bytes.h"

namespace ns::conformance {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, '\t');) cells.push_back(cell);
  return cells;
}

// The file of the model's input or output: its type is what the graph says where the file names another of that size
// (the bits of bfloat16 lie in files that say UINT16).
Tensor read_tensor_file(const fs::path& path, graph::ElementType declared) {
  std::ifstream file(path, std::ios::binary);
  onnx_schema::TensorProto proto;
  if (!proto.ParseFromIstream(&file)) throw Error(ErrorCode::unsupported, path.string() + " is not a tensor");
  const graph::ElementType written = onnx::element_type(proto.data_type(), path.filename().string());
  if (declared != graph::ElementType::undefined && declared != written &&
      graph::size_of(declared) == graph::size_of(written)) {
    proto.set_data_type(static_cast<std::int32_t>(declared));
  }
  onnx::ExternalData none;
  return onnx::read_tensor(proto, none, path.filename().string());
}

std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& stem, const graph::Graph& model,
                                 const std::vector<graph::ValueId>& ids) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; fs::exists(folder / fmt::format("{}_{}.pb", stem, i)); ++i) {
    const auto declared = i < ids.size() ? model.value(ids[i]).type : graph::ElementType::undefined;
    tensors.push_back(read_tensor_file(folder / fmt::format("{}_{}.pb", stem, i), declared));
  }
  return tensors;
}

}  // namespace

bool Row::counts() const {
  for (const char* kind : {"wrong", "nondeterministic", "ambiguous", "format", "pb_dtype"}) {
    if (disputed.rfind(kind, 0) == 0) return false;
  }
  return true;
}

std::vector<Row> read_index(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw Error(ErrorCode::not_found, "cannot read the index " + path.string());
  std::map<std::string, std::size_t> columns;
  for (const std::string& name : cells_of(line)) columns.emplace(name, columns.size());
  for (const char* needed : {"test", "category", "tier"}) {
    if (columns.count(needed) == 0) {
      throw Error(ErrorCode::invalid, fmt::format("{} has no column '{}'; its first line must name the columns, "
                                                  "separated by tabs",
                                                  path.string(), needed));
    }
  }
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    std::vector<std::string> cells = cells_of(line);
    cells.resize(columns.size());
    const auto cell = [&](const char* name) { return columns.count(name) > 0 ? cells[columns[name]] : std::string(); };
    const auto number = [&](const char* name, double fallback) {
      return cell(name).empty() ? fallback : std::stod(cell(name));
    };
    const std::string tested = cell("op_under_test");
    rows.push_back({cell("test"),
                    cell("category"),
                    cell("tier"),
                    tested.empty() ? cell("op_versions_under_test") : tested,
                    cell("disputed"),
                    {number("rtol", 1e-3), number("atol", 1e-7)}});
  }
  return rows;
}

std::string difference_to_expected(const fs::path& test, const graph::Graph& model, Engine engine,
                                   Tolerance tolerance) {
  int sets = 0;
  for (; fs::exists(test / fmt::format("test_data_set_{}", sets)); ++sets) {
    const fs::path folder = test / fmt::format("test_data_set_{}", sets);
    const std::vector<Tensor> expected = read_tensors(folder, "output", model, model.outputs);
    const std::vector<Tensor> actual = engine(model, read_tensors(folder, "input", model, model.inputs));
    if (actual.size() != expected.size()) return fmt::format("{} outputs, expected {}", actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const std::string what = difference(actual[i], expected[i], tolerance);
      if (!what.empty()) return fmt::format("output {}: {}", i, what);
    }
  }
  return sets > 0 ? std::string() : "there is no test_data_set_0";
}

void unpack(const fs::path& archive, const fs::path& into) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("tar", "tar", "--zstd", "-xf", archive.c_str(), "-C", into.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error("tar cannot unpack " + archive.string());
}

}  // namespace ns::conformance
