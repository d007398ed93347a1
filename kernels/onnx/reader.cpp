#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "kernels/onnx/limits.h"
#include "kernels/onnx/mapped_file.h"
#include "kernels/onnx/onnx.h"
#include "kernels/onnx/tensor_bytes.h"

namespace ns::onnx {

namespace {

namespace schema = onnx_schema;
using graph::Attribute;
using graph::Dimension;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Value;
using graph::ValueId;

[[noreturn]] void invalid(const std::string& sentence) { throw Error(ErrorCode::invalid, sentence); }
[[noreturn]] void unsupported(const std::string& sentence) { throw Error(ErrorCode::unsupported, sentence); }

void check_limit(std::int64_t has, std::int64_t limit, const std::string& what) {
  if (has > limit) throw Error(ErrorCode::too_large, fmt::format("{}: {}, at most {} are supported", what, has, limit));
}

const std::string& checked_name(const std::string& name, std::string_view what) {
  if (name.size() > limits::kMaxNameBytes) {
    throw Error(ErrorCode::too_large, fmt::format("the name of a {} has {} bytes, at most {} are supported", what,
                                                  name.size(), limits::kMaxNameBytes));
  }
  return name;
}

std::string normal_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

// Type and shape of an input, an output or a value in between.
void read_type(const schema::TypeProto& type, Value& value) {
  if (type.value_case() == schema::TypeProto::VALUE_NOT_SET) return;
  if (!type.has_tensor_type()) {
    unsupported(fmt::format("value '{}': only tensors are supported, not sequences, maps or optionals", value.name));
  }
  const auto& tensor = type.tensor_type();
  if (tensor.elem_type() != schema::TensorProto::UNDEFINED) {
    value.type = element_type(tensor.elem_type(), fmt::format("value '{}'", value.name));
  }
  if (!tensor.has_shape()) return;
  check_limit(tensor.shape().dim_size(), limits::kMaxRank, fmt::format("dimensions of value '{}'", value.name));
  value.shape.emplace();
  for (const auto& dim : tensor.shape().dim()) {
    Dimension dimension;
    if (dim.has_dim_value()) {
      // Old exporters write -1 for "not known".
      if (dim.dim_value() < -1) invalid(fmt::format("value '{}': has the size {}", value.name, dim.dim_value()));
      dimension.size = dim.dim_value();
    } else {
      dimension.name = checked_name(dim.dim_param(), "dimension");
    }
    value.shape->push_back(std::move(dimension));
  }
}

class GraphReader {
 public:
  GraphReader(const schema::ModelProto& model, const std::map<std::string, std::int64_t>& opsets,
              ExternalData& external, int depth)
      : model_(model), opsets_(opsets), external_(external), depth_(depth) {}

  Graph read(schema::GraphProto& proto) {
    check_limit(depth_, limits::kMaxSubgraphDepth, "depth of sub-graphs");
    check_limit(proto.node_size(), limits::kMaxNodes, fmt::format("nodes of graph '{}'", proto.name()));
    check_limit(
        std::int64_t{proto.input_size()} + proto.output_size() + proto.initializer_size() + proto.value_info_size(),
        limits::kMaxValues, fmt::format("values of graph '{}'", proto.name()));
    if (proto.sparse_initializer_size() > 0) unsupported("sparse initializers are not supported");
    graph_.name = checked_name(proto.name(), "graph");
    graph_.opsets = opsets_;  // a sub-graph's operators are of the model's versions
    graph_.ir_version = model_.ir_version();
    read_inputs(proto);
    read_initializers(proto);
    collect_value_infos(proto);
    reserve_names(proto);
    for (auto& node : *proto.mutable_node()) read_node(node);
    read_outputs(proto);
    if (depth_ == 0) graph_.sort();
    return std::move(graph_);
  }

 private:
  // An initializer that is also listed as an input (up to IR 3 all are) is a constant, not an input.
  void read_inputs(const schema::GraphProto& proto) {
    std::unordered_set<std::string_view> constants;
    for (const auto& tensor : proto.initializer()) constants.insert(tensor.name());
    for (const auto& input : proto.input()) {
      if (constants.count(input.name()) > 0) continue;
      Value value;
      value.name = checked_name(input.name(), "graph input");
      read_type(input.type(), value);
      graph_.inputs.push_back(graph_.add_value(std::move(value)));
    }
  }

  void read_initializers(schema::GraphProto& proto) {
    for (auto& tensor : *proto.mutable_initializer()) {
      std::string name = checked_name(tensor.name(), "initializer");
      graph_.add_constant(name, read_tensor(tensor, external_, fmt::format("initializer '{}'", name)));
    }
  }

  void collect_value_infos(const schema::GraphProto& proto) {
    for (const auto& info : proto.value_info()) infos_.emplace(checked_name(info.name(), "value"), &info.type());
    for (const auto& info : proto.output()) infos_[checked_name(info.name(), "graph output")] = &info.type();
  }

  // Names that the file has, so that a made-up name never takes one of them.
  void reserve_names(const schema::GraphProto& proto) {
    for (const auto& node : proto.node()) {
      if (!node.name().empty()) names_.insert(checked_name(node.name(), "node"));
    }
  }

  ValueId value_of(const std::string& name) {
    if (name.empty()) return kAbsent;
    const ValueId known = graph_.find(name);
    if (known != kAbsent) return known;
    check_limit(static_cast<std::int64_t>(graph_.value_count()) + 1, limits::kMaxValues, "values of a graph");
    Value value;
    value.name = checked_name(name, "value");
    const auto info = infos_.find(name);
    if (info != infos_.end()) read_type(*info->second, value);
    return graph_.add_value(std::move(value));
  }

  // Files may repeat a name or have none; in a graph it is unique.
  std::string unique_node_name(const schema::NodeProto& proto) {
    if (!proto.name().empty() && taken_.insert(proto.name()).second) return proto.name();
    const std::string stem = proto.name().empty() ? checked_name(proto.op_type(), "operator") : proto.name();
    std::string candidate;
    do {
      candidate = fmt::format("{}_{}", stem, ++made_up_[stem]);
    } while (names_.count(candidate) > 0 || taken_.count(candidate) > 0);
    taken_.insert(candidate);
    return candidate;
  }

  void read_node(schema::NodeProto& proto) {
    Node node;
    node.name = unique_node_name(proto);
    node.op_type = checked_name(proto.op_type(), "operator");
    node.domain = normal_domain(checked_name(proto.domain(), "domain"));
    if (node.op_type.empty()) invalid(fmt::format("node '{}': has no operator type", node.name));
    check_limit(proto.input_size(), limits::kMaxNodeValues, fmt::format("inputs of node '{}'", node.name));
    check_limit(proto.output_size(), limits::kMaxNodeValues, fmt::format("outputs of node '{}'", node.name));
    check_limit(proto.attribute_size(), limits::kMaxAttributes, fmt::format("attributes of node '{}'", node.name));
    for (auto& attribute : *proto.mutable_attribute()) {
      std::string key = checked_name(attribute.name(), "attribute");
      Attribute value = read_attribute(attribute, fmt::format("{}: attribute '{}'", describe(node), key));
      if (!node.attributes.emplace(key, std::move(value)).second) {
        invalid(fmt::format("{}: attribute '{}' is there twice", describe(node), key));
      }
    }
    for (const std::string& name : proto.input()) node.inputs.push_back(value_of(name));
    for (const std::string& name : proto.output()) {
      node.outputs.push_back(value_of(name));
      if (node.outputs.back() != kAbsent && !made_.insert(node.outputs.back()).second) {
        invalid(fmt::format("{}: output '{}' is made twice", describe(node), name));
      }
    }
    graph_.nodes.push_back(std::move(node));
  }

  void read_outputs(const schema::GraphProto& proto) {
    for (const auto& output : proto.output()) {
      if (output.name().empty()) invalid(fmt::format("graph '{}': an output has no name", graph_.name));
      const ValueId id = value_of(output.name());
      Value& value = graph_.value(id);
      if (value.type == graph::ElementType::undefined) read_type(output.type(), value);
      graph_.outputs.push_back(id);
    }
  }

  // Very old files leave the type out: then the one field that is there tells it.
  static schema::AttributeProto::AttributeType type_of(const schema::AttributeProto& proto) {
    if (proto.type() != schema::AttributeProto::UNDEFINED) return proto.type();
    if (proto.has_i()) return schema::AttributeProto::INT;
    if (proto.has_f()) return schema::AttributeProto::FLOAT;
    if (proto.has_s()) return schema::AttributeProto::STRING;
    if (proto.has_t()) return schema::AttributeProto::TENSOR;
    if (proto.has_g()) return schema::AttributeProto::GRAPH;
    if (proto.ints_size() > 0) return schema::AttributeProto::INTS;
    if (proto.floats_size() > 0) return schema::AttributeProto::FLOATS;
    if (proto.strings_size() > 0) return schema::AttributeProto::STRINGS;
    return schema::AttributeProto::UNDEFINED;
  }

  Attribute read_attribute(schema::AttributeProto& proto, const std::string& where) {
    if (!proto.ref_attr_name().empty()) invalid(fmt::format("{}: refers to a function's attribute", where));
    check_limit(proto.ints_size(), limits::kMaxListEntries, where);
    check_limit(proto.floats_size(), limits::kMaxListEntries, where);
    check_limit(proto.strings_size(), limits::kMaxListEntries, where);
    switch (type_of(proto)) {
      case schema::AttributeProto::INT:
        return proto.i();
      case schema::AttributeProto::FLOAT:
        return proto.f();
      case schema::AttributeProto::STRING:
        return proto.s();
      case schema::AttributeProto::TENSOR:
        if (!proto.has_t()) invalid(fmt::format("{}: holds no tensor", where));
        return read_tensor(*proto.mutable_t(), external_, where);
      case schema::AttributeProto::GRAPH:
        if (!proto.has_g()) invalid(fmt::format("{}: holds no graph", where));
        return std::make_shared<const Graph>(
            GraphReader(model_, opsets_, external_, depth_ + 1).read(*proto.mutable_g()));
      case schema::AttributeProto::INTS:
        return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
      case schema::AttributeProto::FLOATS:
        return std::vector<float>(proto.floats().begin(), proto.floats().end());
      case schema::AttributeProto::STRINGS:
        return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
      case schema::AttributeProto::UNDEFINED:
        invalid(fmt::format("{}: has no type and no value", where));
      default:
        unsupported(fmt::format("{}: attributes of type {} are not supported", where,
                                schema::AttributeProto::AttributeType_Name(proto.type())));
    }
  }

  const schema::ModelProto& model_;
  const std::map<std::string, std::int64_t>& opsets_;
  ExternalData& external_;
  int depth_;
  Graph graph_;
  std::unordered_set<ValueId> made_;
  std::unordered_map<std::string, const schema::TypeProto*> infos_;
  std::unordered_set<std::string> names_;  // of the file
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> made_up_;
};

void check_header(const schema::ModelProto& model) {
  if (!model.has_graph() || !model.has_ir_version()) invalid("not an ONNX model: it has no graph or no ir_version");
  if (model.ir_version() < limits::kMinIrVersion || model.ir_version() > limits::kMaxIrVersion) {
    unsupported(fmt::format("ir_version {} is not supported, {} to {} are", model.ir_version(), limits::kMinIrVersion,
                            limits::kMaxIrVersion));
  }
  if (model.functions_size() > 0) {
    unsupported(fmt::format("the model-local function '{}' is not supported", model.functions(0).name()));
  }
}

std::map<std::string, std::int64_t> read_opsets(const schema::ModelProto& model) {
  std::map<std::string, std::int64_t> opsets;
  for (const auto& import : model.opset_import()) {
    const std::string domain = normal_domain(checked_name(import.domain(), "domain"));
    if (import.version() < 1 || import.version() > limits::kMaxOpset) {
      invalid(fmt::format("opset import of domain '{}': there is no version {}", domain, import.version()));
    }
    const auto [known, is_new] = opsets.emplace(domain, import.version());
    if (!is_new && known->second != import.version()) {
      invalid(fmt::format("the domain '{}' is imported as version {} and {}", domain, known->second, import.version()));
    }
  }
  if (opsets.empty()) invalid("not an ONNX model: it imports no operator set");
  return opsets;
}

Graph read_model(std::string_view bytes, ExternalData& external) {
  if (bytes.size() > limits::kMaxFileBytes) {
    throw Error(ErrorCode::too_large, fmt::format("a model of {} bytes, at most {} are supported (larger weights go "
                                                  "into external data)",
                                                  bytes.size(), limits::kMaxFileBytes));
  }
  schema::ModelProto model;
  google::protobuf::io::ArrayInputStream array(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream stream(&array);
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  stream.SetRecursionLimit(limits::kMaxMessageDepth);
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    invalid(fmt::format("not an ONNX model: {} bytes that are not a ModelProto message (or one nested deeper than {})",
                        bytes.size(), limits::kMaxMessageDepth));
  }
  check_header(model);
  const auto opsets = read_opsets(model);
  Graph graph = GraphReader(model, opsets, external, 0).read(*model.mutable_graph());
  graph.producer = checked_name(model.producer_name(), "producer");
  verify(graph);
  return graph;
}

}  // namespace

Graph read_file(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) {
    const ErrorCode code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::not_found : ErrorCode::invalid;
    throw Error(code, fmt::format("cannot open the model '{}': {}", path.string(), std::strerror(errno)));
  }
  const MappedFile mapped(file, fmt::format("model '{}'", path.string()));
  ExternalData external(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
  return read_model(mapped.text(), external);
}

Graph read_bytes(std::string_view bytes) {
  ExternalData none;
  return read_model(bytes, none);
}

}  // namespace ns::onnx
