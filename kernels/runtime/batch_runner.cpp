#include "kernels/runtime/batch_runner.h"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/runtime/separable.h"

namespace ns::runtime {

using graph::Tensor;

namespace {

constexpr std::int64_t kSizes[] = {1, 4, 16};
constexpr double kLong = 0.3;   // seconds: a first run that takes so long is measure enough
constexpr double kGain = 0.95;  // of the time as a whole: less of a gain is noise

std::vector<ops::TensorType> types_of(const std::vector<ops::TensorType>& whole, std::int64_t samples) {
  std::vector<ops::TensorType> types = whole;
  for (ops::TensorType& type : types) type.shape[0] = samples;
  return types;
}

// Samples [first, first + count) of a batch; shares its bytes.
Tensor slice_of(const Tensor& batch, std::int64_t first, std::int64_t count) {
  graph::Shape shape = batch.shape();
  const std::size_t one = batch.byte_count() / static_cast<std::size_t>(shape[0]);
  shape[0] = count;
  auto* start = static_cast<std::byte*>(const_cast<void*>(batch.bytes())) + static_cast<std::size_t>(first) * one;
  return Tensor::view(batch.type(), std::move(shape), start, nullptr);  // the batch outlives the run
}

std::vector<Tensor> slices_of(std::span<const Tensor> batch, std::int64_t first, std::int64_t count) {
  std::vector<Tensor> slices;
  for (const Tensor& one : batch) slices.push_back(slice_of(one, first, count));
  return slices;
}

// Warm, where that does not take long.
double seconds_of(Workspace& workspace, std::span<const Tensor> inputs) {
  const auto timed = [&] {
    const auto start = std::chrono::steady_clock::now();
    workspace.run(inputs);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const double first = timed();
  return first > kLong ? first : timed();
}

}  // namespace

BatchParts choose_parts(PlanCache& whole, PlanCache& parts, const std::vector<ops::TensorType>& types,
                        std::span<const Tensor> inputs) {
  const std::optional<std::int64_t> batch = separable_batch(*whole.graph(), types);
  BatchParts best{.inputs = types, .batch = batch.value_or(0), .samples = 0};
  if (!batch) return best;
  const auto all = static_cast<double>(*batch);
  double least = kGain * seconds_of(*std::make_unique<Workspace>(whole.find_or_make(types)), inputs) / all;
  for (const std::int64_t samples : kSizes) {
    if (2 * samples > *batch) break;
    const std::vector<ops::TensorType> part = types_of(types, samples);
    Workspace workspace(parts.find_or_make(part));
    const double at_once = std::min<double>(whole.options().threads, all / static_cast<double>(samples));
    const double seconds =
        seconds_of(workspace, slices_of(inputs, 0, samples)) / static_cast<double>(samples) / std::max(1.0, at_once);
    if (seconds >= least) continue;
    least = seconds;
    best.samples = samples;
  }
  for (const std::int64_t samples : kSizes) {
    if (samples != best.samples) parts.forget(types_of(types, samples));
  }
  if (best.samples > 0) whole.forget(types);
  return best;
}

// One thread's memory: for parts of the full size and for the rest at the end.
class BatchRunner::PartWorkspaces {
 public:
  Workspace& workspace(PlanCache& plans, const BatchParts& parts, std::int64_t samples) {
    std::unique_ptr<Workspace>& place = samples == parts.samples ? full_ : rest_;
    if (!place) place = std::make_unique<Workspace>(plans.find_or_make(types_of(parts.inputs, samples)));
    return *place;
  }

 private:
  std::unique_ptr<Workspace> full_, rest_;
};

struct BatchRunner::Team {
  // More threads than cores would only take turns.
  explicit Team(int threads) : arena(std::min(threads, tbb::info::default_concurrency())) {}
  tbb::task_arena arena;
  tbb::enumerable_thread_specific<PartWorkspaces> workspaces;
};

BatchRunner::BatchRunner(std::shared_ptr<PlanCache> plans, BatchParts parts, int threads)
    : plans_(std::move(plans)),
      parts_(std::move(parts)),
      plan_(plans_->find_or_make(types_of(parts_.inputs, parts_.samples))),
      team_(std::make_unique<Team>(threads)) {
  for (const ops::TensorType& type : plan_->outputs()) {
    graph::Shape shape = type.shape;
    shape[0] = shape[0] / parts_.samples * parts_.batch;
    outputs_.emplace_back(type.element, std::move(shape));
  }
}

BatchRunner::~BatchRunner() = default;

std::vector<Tensor> BatchRunner::run(std::span<const Tensor> inputs) {
  const std::int64_t count = (parts_.batch + parts_.samples - 1) / parts_.samples;
  if (team_->arena.max_concurrency() == 1) {
    PartWorkspaces& workspaces = team_->workspaces.local();
    for (std::int64_t part = 0; part < count; ++part) run_part(workspaces, inputs, part);
    return outputs_;
  }
  team_->arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::int64_t>(0, count, 1),
        [&](const tbb::blocked_range<std::int64_t>& range) {
          for (std::int64_t part = range.begin(); part < range.end(); ++part) {
            run_part(team_->workspaces.local(), inputs, part);
          }
        },
        tbb::simple_partitioner());
  });
  return outputs_;
}

void BatchRunner::run_part(PartWorkspaces& workspaces, std::span<const Tensor> inputs, std::int64_t part) {
  const std::int64_t first = part * parts_.samples, count = std::min(parts_.samples, parts_.batch - first);
  const std::vector<Tensor> made = workspaces.workspace(*plans_, parts_, count).run(slices_of(inputs, first, count));
  for (std::size_t i = 0; i < made.size(); ++i) {
    const std::size_t one = outputs_[i].byte_count() / static_cast<std::size_t>(parts_.batch);
    auto* to = static_cast<std::byte*>(outputs_[i].bytes()) + static_cast<std::size_t>(first) * one;
    if (made[i].byte_count() > 0) std::memcpy(to, made[i].bytes(), made[i].byte_count());
  }
}

}  // namespace ns::runtime
