// DataSet: arrays from an .npz whose first axis is the samples, fed to a model's inputs, and the labels beside them.
//
// Immutable after loading; any thread. Arrays stay as they are stored (uint8 pictures stay uint8) and are turned into
// the model's element type, with mean and standard deviation per channel, batch by batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::data {

// value = (stored - mean) / std per channel (axis 1 of a batch); one entry: the same for all channels; empty: 0 and 1.
struct Normalization {
  std::vector<float> mean;
  std::vector<float> std;
};

struct DataSetOptions {
  std::map<std::string, Normalization> inputs;  // by model input
  std::map<std::string, double> constants;      // model inputs that are the same for every sample and not in the file
  std::string labels;                           // name of the array of labels; empty: none
  std::uint64_t max_bytes = std::uint64_t{8} << 30;  // of the unpacked arrays
};

// The arrays of an .npz or a single .npy. Error(invalid) for anything that is not well-formed; pickled arrays are
// refused.
std::map<std::string, graph::Tensor> read_npz(const std::filesystem::path&,
                                              std::uint64_t max_bytes = std::uint64_t{8} << 30);

// Writes an uncompressed .npz, as numpy.savez does, through a temporary beside it.
void write_npz(const std::filesystem::path&, const std::map<std::string, graph::Tensor>& arrays);

class DataSet {
 public:
  // Error(invalid) names the array, its shape and what the model's input wants: every input must have an array (or a
  // constant) with the same number of samples, whose per-sample shape fits the input's declared shape; an array with
  // one axis more than the input holds whole inputs (the batch axis included), one run a sample.
  static DataSet load(const std::filesystem::path&, const graph::Graph& model, const DataSetOptions&);

  std::int64_t size() const;
  // The largest batch that one run may take: 1 when the model's batch axis is fixed at 1 or samples are whole inputs.
  std::int64_t max_batch() const;
  // Samples [first, first + count), in the order of model.inputs; count <= max_batch().
  std::vector<graph::Tensor> batch(std::int64_t first, std::int64_t count) const;
  // Labels of the same samples; Error(invalid) when the set has none.
  std::vector<std::int64_t> labels(std::int64_t first, std::int64_t count) const;
  bool has_labels() const;
  // A set without the samples whose positions are not in [first, first+count).
  DataSet slice(std::int64_t first, std::int64_t count) const;
  // SHA-256 a sample over all inputs' stored bytes: for telling whether two sets overlap.
  std::vector<std::string> sample_digests() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace ns::data
