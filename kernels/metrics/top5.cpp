#include "kernels/metrics/rank.h"

namespace ns::metrics {

extern const MetricDefinition kTop5;
const MetricDefinition kTop5{
    .name = "top5", .higher_is_better = true, .needs_labels = true, .make = [] { return make_rank_score(5); }};

}  // namespace ns::metrics
