#include "tests/bench/engine/models.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/quantize/quantize.h"

namespace ns::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCalibrationSamples = 64;
constexpr std::int64_t kSamples = 4;  // different inputs of a case; more would fall out of the cache between runs
constexpr int kCalibrationThreads = 2;

std::optional<Variant> quantized(const runtime::ModelFolder& folder, const fs::path& file) {
  if (quantize::quantizable_nodes(*folder.graph).empty()) return std::nullopt;
  const data::DataSet all = folder.data("calib.npz", false);
  const data::DataSet part = all.slice(0, std::min(all.size(), kCalibrationSamples));
  const quantize::Calibration ranges =
      quantize::calibrate(folder.graph, part, quantize::CalibrationMethod::minmax, kCalibrationThreads);
  Variant variant{std::make_shared<const graph::Graph>(quantize::insert(*folder.graph, ranges, {})), file};
  onnx::write_file(*variant.graph, file);
  return variant;
}

}  // namespace

std::string_view name_of(Precision precision) { return precision == Precision::fp32 ? "fp32" : "int8"; }

std::vector<fs::path> folders_of_models(const std::vector<std::string>& given) {
  std::vector<fs::path> folders;
  for (const fs::path folder : given) {
    if (fs::exists(folder / "model.onnx")) {
      folders.push_back(folder);
      continue;
    }
    if (!fs::is_directory(folder)) throw Error(ErrorCode::not_found, folder.string() + " is no folder", "--models");
    const std::size_t before = folders.size();
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
    }
    if (folders.size() == before) {
      throw Error(ErrorCode::not_found,
                  folder.string() +
                      " holds no model.onnx, nor does a folder in it; beside each, calib.npz, eval.npz and "
                      "meta.json are needed",
                  "--models");
    }
    std::sort(folders.begin() + static_cast<std::ptrdiff_t>(before), folders.end());
  }
  return folders;
}

BenchModel::BenchModel(const fs::path& folder, const fs::path& scratch)
    : folder_(fs::canonical(folder)), scratch_(scratch), evaluation_(folder_.data("eval.npz", false)) {}

std::vector<std::string> BenchModel::input_names() const {
  std::vector<std::string> names;
  for (const graph::ValueId id : folder_.graph->inputs) names.push_back(folder_.graph->value(id).name);
  return names;
}

std::optional<Variant> BenchModel::variant(Precision precision) {
  const auto known = variants_.find(precision);
  if (known != variants_.end()) return known->second;
  std::optional<Variant> made;
  if (precision == Precision::fp32) {
    made = Variant{folder_.graph, folder_.path / "model.onnx"};
  } else {
    made = quantized(folder_, scratch_ / (name() + "-int8.onnx"));
  }
  return variants_.emplace(precision, std::move(made)).first->second;
}

const Samples& BenchModel::samples(std::int64_t batch) {
  const auto [entry, fresh] = samples_.try_emplace(batch);
  if (!fresh || batch > evaluation_.max_batch()) return entry->second;
  const std::int64_t batches = std::min(kSamples, evaluation_.size() / batch);
  for (std::int64_t i = 0; i < batches; ++i) entry->second.push_back(evaluation_.batch(i * batch, batch));
  return entry->second;
}

}  // namespace ns::bench
