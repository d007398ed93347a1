// Models made from any bytes, all the way: written, read, simplified, planned and run, by the plain operators and by
// the fast plan. Each ends in outputs or in an Error that is not our own defect, and both ways give the same shapes.
#include <cstdlib>
#include <iostream>
#include <optional>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/session.h"
#include "tests/fuzz/engine_graph.h"

namespace {

using namespace ns;
using graph::Graph;
using graph::Tensor;

[[noreturn]] void found(const std::string& what, const Graph& graph) {
  std::cerr << "finding: " << what << "\n" << dump(graph) << std::endl;
  std::abort();
}

// What the function gives, or nothing when it refuses.
template <typename Function>
auto unless_refused(const Graph& graph, Function function) -> std::optional<decltype(function())> {
  try {
    return function();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) found(error.what(), graph);
    return std::nullopt;
  }
}

std::vector<Tensor> inputs_of(const Graph& graph) {
  constexpr std::int64_t kOpen = 2;  // an axis that the model leaves open
  std::vector<Tensor> inputs;
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    graph::Shape shape;
    if (value.shape) {
      for (const graph::Dimension& axis : *value.shape) shape.push_back(axis.known() ? axis.size : kOpen);
    }
    Tensor tensor(value.type, shape);
    for (std::size_t i = 0; i < tensor.byte_count(); ++i) static_cast<unsigned char*>(tensor.bytes())[i] = 0;
    if (value.type == graph::ElementType::float32) {
      float next = -1;
      for (float& one : tensor.values<float>()) one = next += 0.375F;
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

std::vector<Tensor> run(const Graph& graph, bool plain) {
  runtime::Session session(std::make_shared<const Graph>(graph), {.threads = 1, .plain = plain});
  const std::vector<Tensor> inputs = inputs_of(graph);
  std::vector<Tensor> outputs = session.run(inputs);
  for (Tensor& output : outputs) output = output.clone();
  session.run(inputs);  // once more in the same memory
  return outputs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const Graph made = fuzz::graph_from(bytes, size);
  const auto read = unless_refused(made, [&] { return onnx::read_bytes(onnx::write_bytes(made)); });
  if (!read) return 0;
  unless_refused(*read, [&] {
    Graph graph = *read;
    passes::raise_opset(graph, 21);
    return graph;
  });
  const auto simplified = unless_refused(*read, [&] {
    Graph graph = *read;
    passes::simplify(graph);
    return graph;
  });
  if (!simplified) return 0;
  unless_refused(*simplified, [&] { return quantize::quantizable_nodes(*simplified); });
  const auto plain = unless_refused(*simplified, [&] { return run(*simplified, true); });
  const auto fast = unless_refused(*simplified, [&] { return run(*simplified, false); });
  if (plain.has_value() != fast.has_value()) {
    found(plain ? "the fast plan refuses what the plain one runs" : "the plain plan refuses what the fast one runs",
          *simplified);
  }
  for (std::size_t i = 0; plain && i < plain->size(); ++i) {
    const Tensor &one = (*plain)[i], &other = (*fast)[i];
    if (one.type() != other.type() || one.shape() != other.shape()) found("outputs of other shapes", *simplified);
  }
  return 0;
}
