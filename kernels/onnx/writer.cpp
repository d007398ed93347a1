#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "kernels/onnx/limits.h"
#include "kernels/onnx/onnx.h"
#include "kernels/onnx/tensor_bytes.h"

namespace ns::onnx {

namespace {

namespace schema = onnx_schema;
using graph::Attribute;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Value;
using graph::ValueId;

struct IrEntry {
  std::int64_t opset;
  std::int64_t ir_version;
};

// The IR that came out with each opset of ai.onnx; 4 is the first in which initializers need not be inputs as well.
constexpr std::array<IrEntry, 10> kIrVersions{
    {{1, 4}, {10, 5}, {11, 6}, {12, 7}, {15, 8}, {19, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}}};

std::int64_t ir_version_for(const Graph& graph) {
  std::int64_t version = graph.ir_version;
  for (const IrEntry& entry : kIrVersions) {
    if (graph.opset() >= entry.opset) version = std::max(version, entry.ir_version);
  }
  return version;
}

void write_type(const Value& value, schema::ValueInfoProto& proto) {
  proto.set_name(value.name);
  if (value.type == graph::ElementType::undefined && !value.shape) return;
  auto* tensor = proto.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(static_cast<std::int32_t>(value.type));
  if (!value.shape) return;
  auto* shape = tensor->mutable_shape();
  for (const graph::Dimension& dimension : *value.shape) {
    auto* dim = shape->add_dim();
    if (dimension.known()) {
      dim->set_dim_value(dimension.size);
    } else if (!dimension.name.empty()) {
      dim->set_dim_param(dimension.name);
    }
  }
}

void write_graph(const Graph&, schema::GraphProto&);

struct AttributeWriter {
  schema::AttributeProto& proto;

  void operator()(std::int64_t value) const {
    proto.set_type(schema::AttributeProto::INT);
    proto.set_i(value);
  }
  void operator()(float value) const {
    proto.set_type(schema::AttributeProto::FLOAT);
    proto.set_f(value);
  }
  void operator()(const std::string& value) const {
    proto.set_type(schema::AttributeProto::STRING);
    proto.set_s(value);
  }
  void operator()(const graph::Tensor& value) const {
    proto.set_type(schema::AttributeProto::TENSOR);
    write_tensor(value, *proto.mutable_t());
  }
  void operator()(const std::vector<std::int64_t>& value) const {
    proto.set_type(schema::AttributeProto::INTS);
    proto.mutable_ints()->Add(value.begin(), value.end());
  }
  void operator()(const std::vector<float>& value) const {
    proto.set_type(schema::AttributeProto::FLOATS);
    proto.mutable_floats()->Add(value.begin(), value.end());
  }
  void operator()(const std::vector<std::string>& value) const {
    proto.set_type(schema::AttributeProto::STRINGS);
    for (const std::string& text : value) proto.add_strings(text);
  }
  void operator()(const std::shared_ptr<const Graph>& value) const {
    proto.set_type(schema::AttributeProto::GRAPH);
    write_graph(*value, *proto.mutable_g());
  }
};

void write_node(const Graph& graph, const Node& node, schema::NodeProto& proto) {
  const auto name_of = [&](ValueId id) { return id == kAbsent ? std::string() : graph.value(id).name; };
  proto.set_name(node.name);
  proto.set_op_type(node.op_type);
  if (!node.domain.empty()) proto.set_domain(node.domain);
  for (const ValueId id : node.inputs) proto.add_input(name_of(id));
  for (const ValueId id : node.outputs) proto.add_output(name_of(id));
  for (const auto& [key, attribute] : node.attributes) {
    schema::AttributeProto& attribute_proto = *proto.add_attribute();
    attribute_proto.set_name(key);
    std::visit(AttributeWriter{attribute_proto}, attribute);
  }
}

// Values in between are written when something is known of them; inputs, outputs and constants stand elsewhere.
void write_value_infos(const Graph& graph, schema::GraphProto& proto) {
  std::vector<bool> listed(graph.value_count(), false);
  for (const ValueId id : graph.inputs) listed[static_cast<std::size_t>(id)] = true;
  for (const ValueId id : graph.outputs) listed[static_cast<std::size_t>(id)] = true;
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (!listed[i] && !value.constant.defined() && value.type != graph::ElementType::undefined) {
      write_type(value, *proto.add_value_info());
    }
  }
}

void write_graph(const Graph& graph, schema::GraphProto& proto) {
  proto.set_name(graph.name);
  for (const Node& node : graph.nodes) write_node(graph, node, *proto.add_node());
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (!value.constant.defined()) continue;
    schema::TensorProto& tensor = *proto.add_initializer();
    tensor.set_name(value.name);
    write_tensor(value.constant, tensor);
  }
  for (const ValueId id : graph.inputs) write_type(graph.value(id), *proto.add_input());
  for (const ValueId id : graph.outputs) write_type(graph.value(id), *proto.add_output());
  write_value_infos(graph, proto);
}

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : path_(path), number_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (number_ < 0) fail("cannot create");
  }
  ~File() {
    if (number_ >= 0) ::close(number_);
    if (!kept_) ::unlink(path_.c_str());
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(number_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot write");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(number_) != 0) fail("cannot write");
  }

  void rename_to(const std::filesystem::path& path) {
    if (::rename(path_.c_str(), path.c_str()) != 0) fail("cannot rename");
    kept_ = true;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::unavailable, fmt::format("{} '{}': {}", what, path_.string(), std::strerror(errno)));
  }

  std::filesystem::path path_;
  int number_;
  bool kept_ = false;
};

}  // namespace

std::string write_bytes(const Graph& graph) {
  schema::ModelProto model;
  model.set_ir_version(ir_version_for(graph));
  if (!graph.producer.empty()) model.set_producer_name(graph.producer);
  for (const auto& [domain, version] : graph.opsets) {
    auto* import = model.add_opset_import();
    import->set_domain(domain);
    import->set_version(version);
  }
  write_graph(graph, *model.mutable_graph());
  const std::size_t size = model.ByteSizeLong();
  if (size > limits::kMaxFileBytes) {
    throw Error(ErrorCode::too_large,
                fmt::format("the model takes {} bytes as ONNX, at most {} are supported", size, limits::kMaxFileBytes));
  }
  std::string bytes;
  google::protobuf::io::StringOutputStream text(&bytes);
  google::protobuf::io::CodedOutputStream stream(&text);
  stream.SetSerializationDeterministic(true);
  if (!model.SerializeToCodedStream(&stream)) throw Error(ErrorCode::internal, "protobuf could not write the model");
  stream.Trim();
  return bytes;
}

void write_file(const Graph& graph, const std::filesystem::path& path) {
  const std::string bytes = write_bytes(graph);
  File file(path.string() + fmt::format(".{}.part", ::getpid()));
  file.write(bytes);
  file.rename_to(path);
}

}  // namespace ns::onnx
