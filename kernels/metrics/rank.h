// What top1 and top5 share: the share of samples whose label is among the k largest values of output 0's last axis.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/metrics/metric.h"

namespace ns::metrics {

// Equal values rank in the order of their index (argmax takes the first). A row with a NaN in it is never right. k = 5
// wants more than 5 classes: with fewer, every answer would be right.
std::unique_ptr<Score> make_rank_score(std::int64_t k);

}  // namespace ns::metrics
