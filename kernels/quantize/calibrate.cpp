#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/quantize/placement.h"
#include "kernels/quantize/quantize.h"
#include "kernels/runtime/session.h"

namespace ns::quantize {
namespace {

using graph::Graph;
using graph::Tensor;
using graph::ValueId;

// Every value is kept until the end of a run, so batches are small; fixed, so that the same numbers come out whatever
// the number of threads.
constexpr std::int64_t kCalibrationBatch = 8;

// All values on which some configuration puts a Q.
std::set<ValueId> observed_values(const Graph& graph) {
  std::set<ValueId> observed;
  const Placement all = place(graph, {});
  for (const auto& [value, quantized] : all.values) observed.insert({value, quantized.range_of});
  const std::vector<Role> roles = roles_of(graph);
  const Graph::Uses uses = graph.uses();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (roles[i] != Role::weighted && roles[i] != Role::add) continue;
    const auto inputs = activations_of(graph.nodes[i], roles[i]);
    observed.insert(inputs.begin(), inputs.end());
    observed.insert(quantized_output(graph, uses, graph.nodes[i]).value);
  }
  return observed;
}

struct Extent {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();

  void merge(const Extent& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
};

// Infinities and NaNs are no range; they are passed over. Lanes, because the compiler does not reorder a float minimum.
Extent extent_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::array<float, kLanes> low, high;
  low.fill(Extent{}.low);
  high.fill(Extent{}.high);
  const auto observe = [](float value, float& least, float& most) {
    least = value < least && value >= -kLargest ? value : least;
    most = value > most && value <= kLargest ? value : most;
  };
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) observe(values[i + lane], low[lane], high[lane]);
  }
  for (; i < values.size(); ++i) observe(values[i], low[0], high[0]);
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

// The observed values that a run gives, and where each comes from.
struct Observation {
  std::shared_ptr<const Graph> graph;                // with the values as its outputs
  std::vector<ValueId> outputs;                      // in the order of graph->outputs
  std::vector<std::pair<ValueId, std::size_t>> fed;  // graph inputs: which input
};

Observation observe(const Graph& model) {
  Observation observation;
  auto graph = std::make_shared<Graph>(model);
  for (const ValueId id : observed_values(model)) {
    const auto input = std::find(model.inputs.begin(), model.inputs.end(), id);
    if (input != model.inputs.end()) {
      observation.fed.emplace_back(id, static_cast<std::size_t>(input - model.inputs.begin()));
    } else {
      observation.outputs.push_back(id);
    }
  }
  if (!observation.outputs.empty()) graph->outputs = observation.outputs;
  observation.graph = std::move(graph);
  return observation;
}

using Extents = std::map<ValueId, Extent>;

void observe_batch(runtime::Session& session, const Observation& observation, const std::vector<Tensor>& inputs,
                   Extents& extents) {
  for (const auto& [id, index] : observation.fed) extents[id].merge(extent_of(inputs[index].values<float>()));
  if (observation.outputs.empty()) return;
  const std::vector<Tensor> outputs = session.run(inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    extents[observation.outputs[i]].merge(extent_of(outputs[i].values<float>()));
  }
}

}  // namespace

Calibration calibrate(std::shared_ptr<const Graph> model, const data::DataSet& set, CalibrationMethod, int threads) {
  const Observation observation = observe(*model);
  const runtime::Session first(observation.graph, {.threads = 1, .batch_in_parts = false});
  tbb::enumerable_thread_specific<runtime::Session> sessions([&] { return first.share(); });
  tbb::enumerable_thread_specific<Extents> extents;
  const std::int64_t batch = std::min(kCalibrationBatch, set.max_batch());
  const std::int64_t batches = (set.size() + batch - 1) / batch;
  tbb::task_arena arena(std::max(1, threads));
  arena.execute([&] {
    tbb::parallel_for(std::int64_t{0}, batches, [&](std::int64_t index) {
      const std::int64_t begin = index * batch;
      const auto inputs = set.batch(begin, std::min(batch, set.size() - begin));
      // Whatever runs inside must not pick up another batch for this thread's session.
      tbb::this_task_arena::isolate([&] { observe_batch(sessions.local(), observation, inputs, extents.local()); });
    });
  });
  Extents all;
  for (const Extents& local : extents) {
    for (const auto& [id, extent] : local) all[id].merge(extent);
  }
  Calibration calibration;
  calibration.samples = set.size();
  for (const auto& [id, extent] : all) {
    // Nothing finite was seen: the range of a constant zero.
    const bool seen = extent.low <= extent.high;
    calibration.ranges.emplace(model->value(id).name, seen ? Range{extent.low, extent.high} : Range{});
  }
  return calibration;
}

}  // namespace ns::quantize
