#include "kernels/runtime/evaluate.h"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "kernels/runtime/session.h"

namespace ns::runtime {

namespace {

using Clock = std::chrono::steady_clock;

// Scores come in any order and are added in the order of the data, so that the result, and the sample at which a
// hopeless evaluation stops, are the same whatever the number of threads.
class OrderedScore {
 public:
  OrderedScore(const metrics::MetricDefinition& metric, const data::DataSet& set, std::int64_t batch,
               const EvaluateOptions& options)
      : metric_(metric),
        options_(options),
        total_(set.size()),
        total_score_(metric.make()),
        waiting_(static_cast<std::size_t>((set.size() + batch - 1) / batch)) {}

  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  void add(std::size_t position, std::unique_ptr<metrics::Score> score) {
    const std::lock_guard lock(mutex_);
    waiting_[position] = std::move(score);
    while (!stopped() && next_ < waiting_.size() && waiting_[next_]) {
      total_score_->merge(*waiting_[next_]);
      waiting_[next_++].reset();
      gave_up_ = is_hopeless();
      if (gave_up_) stopped_ = true;
    }
    if (options_.progress && !stopped() && !options_.progress(total_score_->samples(), total_)) {
      cancelled_ = true;
      stopped_ = true;
    }
  }

  Evaluation result(Clock::duration elapsed) const {
    if (cancelled_) throw Error(ErrorCode::cancelled, "the evaluation was stopped");
    const double seconds = std::max(1e-9, std::chrono::duration<double>(elapsed).count());
    return {.metric = total_score_->value(),
            .samples = total_score_->samples(),
            .gave_up = gave_up_,
            .throughput = static_cast<double>(total_score_->samples()) / seconds};
  }

 private:
  bool is_hopeless() const {
    if (!options_.give_up_below) return false;
    const double best = total_score_->best_possible(total_ - total_score_->samples());
    return metric_.higher_is_better ? best < *options_.give_up_below : best > *options_.give_up_below;
  }

  const metrics::MetricDefinition& metric_;
  const EvaluateOptions& options_;
  const std::int64_t total_;
  std::mutex mutex_;
  std::unique_ptr<metrics::Score> total_score_;
  std::vector<std::unique_ptr<metrics::Score>> waiting_;
  std::size_t next_ = 0;
  bool gave_up_ = false, cancelled_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace

Evaluation evaluate(std::shared_ptr<const graph::Graph> graph, const data::DataSet& set,
                    const metrics::MetricDefinition& metric, const EvaluateOptions& options) {
  const std::int64_t batch = std::max<std::int64_t>(1, std::min({options.batch, set.max_batch(), set.size()}));
  const std::int64_t batches = (set.size() + batch - 1) / batch;
  const Session first(std::move(graph), {.threads = 1, .batch_in_parts = false});
  const int threads = std::max(1, options.threads);
  // Also where somebody asks for more threads than there are cores.
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  tbb::enumerable_thread_specific<Session> sessions([&] { return first.share(); });
  OrderedScore score(metric, set, batch, options);
  const Clock::time_point start = Clock::now();
  // One batch a task, taken in order: what is given up early was not far ahead.
  std::atomic<std::int64_t> next{0};
  arena.execute([&] {
    tbb::parallel_for(std::int64_t{0}, batches, [&](std::int64_t) {
      if (score.stopped()) return;
      const std::int64_t position = next.fetch_add(1, std::memory_order_relaxed);
      const std::int64_t begin = position * batch, count = std::min(batch, set.size() - begin);
      const std::vector<graph::Tensor> outputs = sessions.local().run(set.batch(begin, count));
      std::unique_ptr<metrics::Score> one = metric.make();
      one->add(outputs, metric.needs_labels ? set.labels(begin, count) : std::vector<std::int64_t>{});
      score.add(static_cast<std::size_t>(position), std::move(one));
    });
  });
  return score.result(Clock::now() - start);
}

}  // namespace ns::runtime
