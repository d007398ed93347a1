#include <fmt/format.h>

#include <algorithm>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/operations.h"
#include "worker/commands/commands.h"
#include "worker/commands/model.h"

namespace ns::worker {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> shapes;
  bool json = false;
};

struct Unsupported {
  std::string node, op_type, domain;
  std::int64_t opset;
  std::string where;  // the nodes around it, outermost first; empty in the model's own graph
};

struct Inspection {
  std::map<std::string, std::int64_t> operators;  // as in the file, sub-graphs included
  std::vector<Unsupported> unsupported;
  std::int64_t parameters = 0;
  std::uint64_t parameter_bytes = 0;
  std::int64_t nodes = 0;       // as in the file
  std::int64_t nodes_left = 0;  // simplified
  std::vector<quantize::QuantizableNode> quantizable;
  std::optional<double> operations;
  std::string operations_unknown;  // why
  std::string shapes;              // that the operations are for
};

std::string full_name(const graph::Node& node) {
  return node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
}

void add_parameters(const graph::Tensor& tensor, Inspection& inspection) {
  inspection.parameters += tensor.count();
  inspection.parameter_bytes += tensor.byte_count();
}

void look_at_nodes(const graph::Graph& graph, const std::string& where, Inspection& inspection) {
  for (std::size_t id = 0; id < graph.value_count(); ++id) {
    const graph::Tensor& constant = graph.value(static_cast<graph::ValueId>(id)).constant;
    if (constant.defined()) add_parameters(constant, inspection);
  }
  for (const graph::Node& node : graph.nodes) {
    ++inspection.nodes;
    ++inspection.operators[full_name(node)];
    if (node.is("Constant") && node.has("value")) add_parameters(*node.tensor("value"), inspection);
    const std::int64_t opset = graph.opset_of(node);
    if (ops::find_op(node.domain, node.op_type, opset) == nullptr) {
      inspection.unsupported.push_back({node.name, node.op_type, node.domain, opset, where});
    }
    for (const auto& subgraph : graph::subgraphs_of(node)) {
      look_at_nodes(*subgraph, where.empty() ? node.name : where + " / " + node.name, inspection);
    }
  }
}

void count_operations(const graph::Graph& graph, const std::vector<std::string>& given, Inspection& inspection) {
  const Shapes shapes = parse_shapes(given, graph);
  try {
    const std::vector<ops::TensorType> types = input_types(graph, shapes, 1);
    const runtime::Resolved resolved(graph, types);
    double operations = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (resolved.runs(static_cast<std::int32_t>(i))) operations += runtime::operations_of(resolved, graph.nodes[i]);
    }
    inspection.operations = operations;
    for (std::size_t i = 0; i < types.size(); ++i) {
      inspection.shapes += fmt::format("{}{} {}", i == 0 ? "" : ", ", graph.value(graph.inputs[i]).name,
                                       graph::to_string(types[i].shape));
    }
  } catch (const Error& error) {
    if (error.field() == "--shape" && !shapes.empty()) throw;
    inspection.operations_unknown = error.what();
  }
}

nlohmann::json values_as_json(const graph::Graph& graph, const std::vector<graph::ValueId>& ids) {
  nlohmann::json list = nlohmann::json::array();
  for (const graph::ValueId id : ids) {
    const graph::Value& value = graph.value(id);
    nlohmann::json one{{"name", value.name}, {"type", graph::name_of(value.type)}, {"shape", nullptr}};
    if (value.shape) {
      one["shape"] = nlohmann::json::array();
      for (const graph::Dimension& axis : *value.shape) {
        one["shape"].push_back(axis.known() ? nlohmann::json(axis.size) : nlohmann::json(axis.name));
      }
    }
    list.push_back(std::move(one));
  }
  return list;
}

nlohmann::json as_json(const graph::Graph& graph, const Inspection& inspection) {
  nlohmann::json json{{"opset", graph.opset()},
                      {"ir_version", graph.ir_version},
                      {"producer", graph.producer},
                      {"inputs", values_as_json(graph, graph.inputs)},
                      {"outputs", values_as_json(graph, graph.outputs)},
                      {"operators", inspection.operators},
                      {"nodes", inspection.nodes},
                      {"nodes_simplified", inspection.nodes_left},
                      {"parameters", inspection.parameters},
                      {"parameter_bytes", inspection.parameter_bytes},
                      {"flops", nullptr},
                      {"quantizable", nlohmann::json::array()},
                      {"unsupported", nlohmann::json::array()}};
  if (inspection.operations) json["flops"] = *inspection.operations;
  if (!inspection.operations_unknown.empty()) json["flops_unknown"] = inspection.operations_unknown;
  for (const quantize::QuantizableNode& node : inspection.quantizable) {
    json["quantizable"].push_back({{"node", node.node}, {"operator", node.op_type}, {"weights", node.weight_count}});
  }
  for (const Unsupported& node : inspection.unsupported) {
    json["unsupported"].push_back({{"node", node.node},
                                   {"operator", node.op_type},
                                   {"domain", node.domain},
                                   {"opset", node.opset},
                                   {"within", node.where}});
  }
  return json;
}

void print_values(const char* title, const graph::Graph& graph, const std::vector<graph::ValueId>& ids) {
  fmt::print("{}\n", title);
  for (const graph::ValueId id : ids) {
    const graph::Value& value = graph.value(id);
    fmt::print("  {}  {} {}\n", value.name, graph::name_of(value.type), declared_shape(value));
  }
}

void print_operators(const Inspection& inspection) {
  std::vector<std::pair<std::string, std::int64_t>> operators(inspection.operators.begin(), inspection.operators.end());
  std::stable_sort(operators.begin(), operators.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  fmt::print("operators: {} nodes, {} once simplified\n", inspection.nodes, inspection.nodes_left);
  for (const auto& [name, count] : operators) fmt::print("  {:<24} {:>5}\n", name, count);
}

void print_text(const std::string& path, const graph::Graph& graph, const Inspection& inspection) {
  fmt::print("{}: opset {}, IR {}{}\n", path, graph.opset(), graph.ir_version,
             graph.producer.empty() ? "" : ", made by " + graph.producer);
  print_values("inputs", graph, graph.inputs);
  print_values("outputs", graph, graph.outputs);
  print_operators(inspection);
  fmt::print("parameters: {} ({})\n", inspection.parameters, bytes_text(inspection.parameter_bytes));
  if (inspection.operations) {
    fmt::print("operations: {}FLOP a run with {}\n", amount_text(*inspection.operations), inspection.shapes);
  } else {
    fmt::print("operations: not known: {}\n", inspection.operations_unknown);
  }
  fmt::print("quantizable: {}\n", inspection.quantizable.empty() ? "nothing" : "");
  for (const quantize::QuantizableNode& node : inspection.quantizable) {
    fmt::print("  {} ({}{})\n", node.node, node.op_type,
               node.weight_count > 0 ? fmt::format(", {} weights", node.weight_count) : "");
  }
  fmt::print("unsupported: {}\n", inspection.unsupported.empty() ? "nothing" : "");
  for (const Unsupported& node : inspection.unsupported) {
    fmt::print("  {}{} in opset {}, node {}{}\n", node.domain.empty() ? "" : node.domain + ".", node.op_type,
               node.opset, node.node, node.where.empty() ? "" : " within " + node.where);
  }
}

int run(const Options& options) {
  const graph::Graph original = onnx::read_file(options.model);
  Inspection inspection;
  look_at_nodes(original, {}, inspection);
  graph::Graph simplified = original;
  passes::simplify(simplified);
  inspection.nodes_left = static_cast<std::int64_t>(simplified.nodes.size());
  inspection.quantizable = quantize::quantizable_nodes(simplified);
  count_operations(simplified, options.shapes, inspection);
  if (options.json) {
    print_json(as_json(original, inspection));
  } else {
    print_text(options.model, original, inspection);
  }
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "An ONNX file")->required();
  add_shape_option(app, options->shapes);
  app.add_flag("--json", options->json, "As JSON");
  return [options] { return run(*options); };
}

}  // namespace ns::worker
