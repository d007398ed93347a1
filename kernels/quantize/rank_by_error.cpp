#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <limits>

#include "kernels/quantize/quantize.h"
#include "kernels/runtime/session.h"

namespace ns::quantize {
namespace {

using graph::Graph;
using graph::Tensor;

constexpr std::int64_t kBatch = 8;

// The batches of the subset and what the float model makes of them.
struct Reference {
  std::vector<std::vector<Tensor>> inputs;
  std::vector<Tensor> outputs;
  double power = 0;
};

double squares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return sum;
}

double squared_difference(std::span<const float> left, std::span<const float> right) {
  double sum = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double difference = double{left[i]} - right[i];
    sum += difference * difference;
  }
  return sum;
}

Reference run_reference(std::shared_ptr<const Graph> model, const data::DataSet& set, std::int64_t samples) {
  Reference reference;
  runtime::Session session(std::move(model), {.threads = 1, .batch_in_parts = false});
  const std::int64_t count = std::min(samples, set.size());
  const std::int64_t batch = std::min(kBatch, set.max_batch());
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    reference.inputs.push_back(set.batch(begin, std::min(batch, count - begin)));
    // A copy: the outputs lie in the session's workspace.
    reference.outputs.push_back(session.run(reference.inputs.back()).front().clone());
    reference.power += squares(reference.outputs.back().values<float>());
  }
  return reference;
}

// Relative where there is any power; an answer that is no number is the worst there is.
double error_of(std::shared_ptr<const Graph> quantized, const Reference& reference) {
  runtime::Session session(std::move(quantized), {.threads = 1, .batch_in_parts = false});
  double sum = 0;
  for (std::size_t i = 0; i < reference.inputs.size(); ++i) {
    const std::vector<Tensor> outputs = session.run(reference.inputs[i]);
    sum += squared_difference(outputs.front().values<float>(), reference.outputs[i].values<float>());
  }
  const double error = reference.power > 0 ? sum / reference.power : sum;
  return error >= 0 ? error : std::numeric_limits<double>::infinity();
}

}  // namespace

std::vector<NodeError> rank_by_error(std::shared_ptr<const Graph> model, const Calibration& calibration,
                                     const QuantizeConfig& config, const data::DataSet& set, std::int64_t samples,
                                     int threads) {
  const std::vector<QuantizableNode> nodes = quantizable_nodes(*model);
  const Reference reference = run_reference(model, set, samples);
  std::set<std::string> names;
  for (const QuantizableNode& node : nodes) names.insert(node.node);
  std::vector<NodeError> errors(nodes.size());
  tbb::task_arena arena(std::max(1, threads));
  arena.execute([&] {
    tbb::parallel_for(std::size_t{0}, nodes.size(), [&](std::size_t i) {
      QuantizeConfig alone = config;
      alone.float_nodes = names;
      alone.float_nodes.erase(nodes[i].node);
      auto quantized = std::make_shared<const Graph>(insert(*model, calibration, alone));
      errors[i] = {nodes[i].node, error_of(std::move(quantized), reference)};
    });
  });
  std::sort(errors.begin(), errors.end(), [](const NodeError& left, const NodeError& right) {
    return left.error != right.error ? left.error > right.error : left.node < right.node;
  });
  return errors;
}

}  // namespace ns::quantize
