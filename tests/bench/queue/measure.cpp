#include "tests/bench/queue/measure.h"

#include <algorithm>

#include "common/limits.h"
#include "tests/bench/queue/coordinator.h"

namespace ns::bench {
namespace {

constexpr std::uint32_t kWarmUp = 2000;  // jobs: connections, allocators and branch predictors have seen their work

std::uint32_t tasks_for(std::uint32_t trials) { return trials / limits::kMaxTrials + 1; }

// A service whose crew is at work, and a client with tasks for it.
struct Scene {
  explicit Scene(const ThroughputPlan& plan)
      : service(plan.persistence), coordinator(service.endpoint()), meter(service) {
    service.add(plan.crew);
    coordinator.open(tasks_for(plan.jobs + kWarmUp));
  }
  void warm_up(const ThroughputPlan& plan) {
    service.start_work();
    coordinator.run(std::min(plan.jobs, kWarmUp), plan.window);
  }

  Service service;
  Coordinator coordinator;
  CostMeter meter;
};

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
  Scene scene(plan);
  scene.warm_up(plan);
  scene.meter.begin();
  const double seconds = scene.coordinator.run(plan.jobs, plan.window);
  return scene.meter.end(plan.jobs, seconds);
}

Phases measure_phases(const ThroughputPlan& plan) {
  Scene scene(plan);
  Phases phases;
  scene.meter.begin();
  auto begin = steady_clock().now();
  scene.coordinator.enqueue(plan.jobs);
  phases.enqueued = scene.meter.end(plan.jobs, std::chrono::duration<double>(steady_clock().now() - begin).count());
  scene.meter.begin();
  scene.service.start_work();
  phases.done = scene.meter.end(plan.jobs, scene.coordinator.follow(plan.jobs));
  for (const TaskId& task : scene.coordinator.tasks()) {
    phases.history_bytes +=
        scene.service.redis().command({"MEMORY", "USAGE", "ns:task:" + task.text + ":events", "SAMPLES", "0"}).number();
  }
  return phases;
}

RoundTrips measure_round_trips(const ThroughputPlan& plan) {
  Scene scene(plan);
  scene.warm_up(plan);
  RoundTrips trips;
  scene.meter.begin();
  const auto begin = steady_clock().now();
  for (std::uint32_t i = 0; i < plan.jobs; ++i) trips.milliseconds.push_back(scene.coordinator.run(1, 1) * 1000);
  trips.cost = scene.meter.end(plan.jobs, std::chrono::duration<double>(steady_clock().now() - begin).count());
  return trips;
}

}  // namespace ns::bench
