// The models of a run: what to load into each engine, in float and in int8, and the samples to feed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/engine/reference.h"
#include "tests/kernels/runtime/model_folder.h"

namespace ns::bench {

enum class Precision { fp32, int8 };
std::string_view name_of(Precision);

// The folders given that hold a model.onnx, and those within the others that do, by name.
std::vector<std::filesystem::path> folders_of_models(const std::vector<std::string>& given);

// One model in one precision: the graph that our engine runs and the file that the reference runs.
struct Variant {
  std::shared_ptr<const graph::Graph> graph;
  std::filesystem::path file;
};

class BenchModel {
 public:
  // Reads and simplifies. The int8 file, which both engines take, is written into `scratch`.
  BenchModel(const std::filesystem::path& folder, const std::filesystem::path& scratch);

  std::string name() const { return folder_.path.filename().string(); }
  const runtime::ModelFolder& folder() const { return folder_; }
  std::vector<std::string> input_names() const;
  // Everything that can be is quantized: min-max, per channel. None when nothing can.
  std::optional<Variant> variant(Precision);
  // Some batches of so many samples, taken in turn; empty when the model or its data have not that many.
  const Samples& samples(std::int64_t batch);

 private:
  runtime::ModelFolder folder_;
  std::filesystem::path scratch_;
  data::DataSet evaluation_;
  std::map<Precision, std::optional<Variant>> variants_;
  std::map<std::int64_t, Samples> samples_;
};

}  // namespace ns::bench
