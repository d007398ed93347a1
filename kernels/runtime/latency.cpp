#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/runtime/evaluate.h"
#include "kernels/runtime/session.h"

namespace ns::runtime {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int kWarmUpRuns = 10;
constexpr std::size_t kSamples = 8;              // different inputs, taken in turn
constexpr std::chrono::milliseconds kSlice{10};  // of one model before it is the next one's turn
constexpr int kPatience = 4;  // budgets after which a model that stalls (threads on busy cores) has had its turn
constexpr std::int64_t kFewestRuns = 5;
constexpr std::int64_t kMaxRuns = 200'000;  // times kept for one model

// One way of serving one model: runs in slices, keeps every time.
class Candidate {
 public:
  Candidate(std::shared_ptr<const graph::Graph> graph, int threads,
            std::shared_ptr<const std::vector<std::vector<graph::Tensor>>> samples)
      : session_(std::move(graph), {.threads = threads}), samples_(std::move(samples)), threads_(threads) {}

  void warm_up() {
    for (int run = 0; run < kWarmUpRuns; ++run) run_once();
  }

  void run_slice(std::chrono::nanoseconds slice) {
    const Clock::time_point begin = Clock::now(), end = begin + slice;
    do {
      const Clock::time_point start = Clock::now();
      run_once();
      times_.push_back(Milliseconds(Clock::now() - start).count());
    } while (Clock::now() < end && runs() < kMaxRuns);
    used_ += Clock::now() - begin;
  }

  Clock::duration used() const { return used_; }
  std::int64_t runs() const { return static_cast<std::int64_t>(times_.size()); }

  Latency result() const {
    std::vector<double> sorted = times_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double part) {
      const auto last = static_cast<double>(sorted.size() - 1);
      return sorted[static_cast<std::size_t>(std::ceil(part * last))];
    };
    return {.median_ms = at(0.5), .p99_ms = at(0.99), .min_ms = sorted.front(), .runs = runs(), .threads = threads_};
  }

 private:
  void run_once() { session_.run((*samples_)[next_++ % samples_->size()]); }

  Session session_;
  std::shared_ptr<const std::vector<std::vector<graph::Tensor>>> samples_;
  int threads_;
  std::size_t next_ = 0;
  std::vector<double> times_;
  Clock::duration used_{0};
};

void measure(std::vector<Candidate>& candidates, std::chrono::milliseconds budget, int min_runs) {
  std::vector<Candidate*> open;
  for (Candidate& candidate : candidates) {
    candidate.warm_up();
    open.push_back(&candidate);
  }
  const auto rounds = std::max<std::int64_t>(1, budget / kSlice);
  for (std::int64_t round = 0; !open.empty(); ++round) {
    for (Candidate* candidate : open) candidate->run_slice(kSlice);
    std::erase_if(open, [&](const Candidate* candidate) {
      const bool enough = round + 1 >= rounds && candidate->runs() >= std::min<std::int64_t>(min_runs, kMaxRuns);
      return enough || (candidate->used() > kPatience * budget && candidate->runs() >= kFewestRuns);
    });
  }
}

}  // namespace

std::vector<Latency> measure_latency(std::span<const std::shared_ptr<const graph::Graph>> graphs,
                                     const data::DataSet& set, const LatencyOptions& options) {
  auto samples = std::make_shared<std::vector<std::vector<graph::Tensor>>>();
  const auto count = std::min<std::int64_t>(set.size(), kSamples);
  for (std::int64_t sample = 0; sample < count; ++sample) samples->push_back(set.batch(sample, 1));
  // A small model may be faster on one thread than on all: both are measured, the better one is how it is served.
  std::vector<int> threads{1};
  if (options.threads > 1) threads.push_back(options.threads);
  std::vector<Candidate> candidates;
  candidates.reserve(graphs.size() * threads.size());
  for (const auto& graph : graphs) {
    for (const int number : threads) candidates.emplace_back(graph, number, samples);
  }
  const auto ways = static_cast<std::int64_t>(threads.size());
  measure(candidates, options.budget / ways, std::max(1, options.min_runs));
  std::vector<Latency> result;
  for (std::size_t model = 0; model < graphs.size(); ++model) {
    Latency best = candidates[model * threads.size()].result();
    for (std::size_t way = 1; way < threads.size(); ++way) {
      const Latency other = candidates[model * threads.size() + way].result();
      if (other.median_ms < best.median_ms) best = other;
    }
    result.push_back(best);
  }
  return result;
}

}  // namespace ns::runtime
