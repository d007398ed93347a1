// Any bytes as a model: read, verify, simplify and write must end in a graph or in an Error, never otherwise.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/error.h"
#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"

namespace {

// A refusal is an answer; a defect that says so is not.
template <typename Function>
bool accepted(Function function) {
  try {
    function();
    return true;
  } catch (const ns::Error& error) {
    if (error.code() == ns::ErrorCode::internal) std::abort();
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ns::graph::Graph graph;
  if (!accepted([&] { graph = ns::onnx::read_bytes({reinterpret_cast<const char*>(bytes), size}); })) return 0;
  ns::graph::Graph raised = graph;
  accepted([&] { ns::passes::raise_opset(raised, 21); });
  if (!accepted([&] { ns::passes::simplify(graph); })) return 0;  // an attribute of the wrong type
  verify(graph);
  const std::string written = ns::onnx::write_bytes(graph);
  accepted([&] {
    if (ns::onnx::read_bytes(written).nodes.size() != graph.nodes.size()) std::abort();
  });
  return 0;
}
