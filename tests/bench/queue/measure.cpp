#include "tests/bench/queue/measure.h"

#include <chrono>
#include <memory>

#include "tests/bench/queue/scene.h"

namespace ns::bench {
namespace {

using Seconds = std::chrono::duration<double>;

// With the plan's crew, not yet at work, and tasks that have room for its jobs.
std::unique_ptr<Scene> set(const ThroughputPlan& plan) {
  auto scene = std::make_unique<Scene>(plan.deployment);
  scene->service.add(plan.crew);
  scene->coordinator.open(tasks_for(plan.jobs + kWarmUp));
  return scene;
}

}  // namespace

void CostMeter::begin() {
  redis_ = figures_of(service_.redis());
  cpu_ = service_.cpu_times();
}

Cost CostMeter::end(std::uint32_t jobs, double seconds) {
  Cost cost;
  cost.cpu = service_.cpu_times() - cpu_;
  cost.redis = figures_of(service_.redis()) - redis_;
  cost.jobs = jobs;
  cost.seconds = seconds;
  return cost;
}

Cost measure_throughput(const ThroughputPlan& plan) {
  const auto scene = set(plan);
  scene->warm_up(plan.jobs, plan.window);
  return scene->run(plan.jobs, plan.window);
}

Phases measure_phases(const ThroughputPlan& plan) {
  const auto scene = set(plan);
  Phases phases;
  scene->meter.begin();
  const auto begin = steady_clock().now();
  scene->coordinator.enqueue(plan.jobs);
  phases.enqueued = scene->meter.end(plan.jobs, Seconds(steady_clock().now() - begin).count());
  scene->meter.begin();
  scene->service.start_work();
  const double seconds = scene->coordinator.follow(plan.jobs);
  phases.done = scene->meter.end(plan.jobs, seconds);
  for (const TaskId& task : scene->coordinator.tasks()) {
    const Words words{"MEMORY", "USAGE", "ns:task:" + task.text + ":events", "SAMPLES", "0"};
    phases.history_bytes += scene->service.redis().command(words).number();
  }
  return phases;
}

RoundTrips measure_round_trips(const ThroughputPlan& plan) {
  const auto scene = set(plan);
  scene->warm_up(plan.jobs, plan.window);
  RoundTrips trips;
  scene->meter.begin();
  const auto begin = steady_clock().now();
  for (std::uint32_t i = 0; i < plan.jobs; ++i) trips.milliseconds.push_back(scene->coordinator.run(1, 1) * 1000);
  trips.cost = scene->meter.end(plan.jobs, Seconds(steady_clock().now() - begin).count());
  return trips;
}

}  // namespace ns::bench
