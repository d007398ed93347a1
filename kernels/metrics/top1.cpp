#include "kernels/metrics/rank.h"

namespace ns::metrics {

extern const MetricDefinition kTop1;
const MetricDefinition kTop1{
    .name = "top1", .higher_is_better = true, .needs_labels = true, .make = [] { return make_rank_score(1); }};

}  // namespace ns::metrics
