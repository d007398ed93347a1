// TensorProto <-> Tensor: where the numbers of each element type lie.
//
//   raw_data    any type, little-endian                int32_data  int32, int16, int8, uint16, uint8, bool, and the
//   float_data  float32                                            bits of float16, bfloat16 and float8
//   double_data float64                                int64_data  int64
//   uint64_data uint64, uint32                         external    bytes of a file in the model's folder
//
// int4 and uint4 lie two a byte (low half first) in raw_data, in external files, and in the entries of int32_data.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "kernels/graph/tensor.h"
#include "onnx_schema.pb.h"

namespace ns::onnx {

// Files beside the model that hold tensors. Opens each file once; belongs to one read_file call.
class ExternalData {
 public:
  ExternalData() = default;  // no folder: every external tensor is refused
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The tensor's bytes, copied. Error(invalid) when the place is outside the folder, behind a symbolic link, not a
  // regular file, or when offset and length do not lie within the file or do not fit the tensor.
  void read(const onnx_schema::TensorProto&, graph::Tensor& into);

 private:
  struct Mapping;
  const Mapping& open(const std::string& location, const std::string& tensor);

  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const Mapping>> files_;
};

// Error(unsupported) for element types that are not known here.
graph::ElementType element_type(std::int32_t onnx_type, const std::string& where);

// How many bytes a tensor takes in raw_data or a file. Error(invalid) when that overflows.
std::int64_t file_bytes(graph::ElementType, const graph::Shape&, const std::string& where);
// From the form of raw_data into memory. REQUIRES: as many bytes as file_bytes says.
void copy_file_bytes(std::string_view from, graph::Tensor&);

// Takes the bytes out of the message (so that a model is not in memory twice).
graph::Tensor read_tensor(onnx_schema::TensorProto&, ExternalData&, const std::string& where);

void write_tensor(const graph::Tensor&, onnx_schema::TensorProto&);

}  // namespace ns::onnx
