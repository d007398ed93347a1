// Scene: a service with a client that coordinates tasks on it, ready to be measured again and again. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/limits.h"
#include "tests/bench/queue/coordinator.h"
#include "tests/bench/queue/measure.h"

namespace ns::bench {

inline constexpr std::uint32_t kWarmUp = 2000;  // jobs: connections, allocators and predictors have seen their work

// Tasks that have room for so many trials.
inline std::uint32_t tasks_for(std::uint32_t trials) { return trials / limits::kMaxTrials + 1; }

struct Scene {
  explicit Scene(const Deployment& deployment)
      : service(deployment),
        coordinator(service.endpoint(), service.client_keys(), service.worker_keys()),
        meter(service) {}

  // The crew is at work, and has done a few jobs.
  void warm_up(std::uint32_t jobs, std::uint32_t window) {
    service.start_work();
    coordinator.run(std::min(jobs, kWarmUp), window);
  }
  Cost run(std::uint32_t jobs, std::uint32_t window) {
    meter.begin();
    const double seconds = coordinator.run(jobs, window);
    return meter.end(jobs, seconds);
  }

  Service service;
  Coordinator coordinator;
  CostMeter meter;
};

}  // namespace ns::bench
