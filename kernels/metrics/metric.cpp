#include "kernels/metrics/metric.h"

#include <array>

#include "kernels/metrics/metric_list.h"

namespace ns::metrics {

#define NS_DECLARE(definition) extern const MetricDefinition definition;
NS_METRICS(NS_DECLARE)
#undef NS_DECLARE

std::span<const MetricDefinition> all_metrics() {
#define NS_LIST(definition) definition,
  static const std::array kMetrics{NS_METRICS(NS_LIST)};
#undef NS_LIST
  return kMetrics;
}

const MetricDefinition* find_metric(std::string_view name) {
  for (const MetricDefinition& metric : all_metrics()) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

}  // namespace ns::metrics
