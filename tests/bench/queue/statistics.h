// Medians and percentiles of repeated measurements. Pure functions; any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace ns::bench {

// The least value that so much of them does not exceed (nearest rank). REQUIRES: not empty.
inline double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};

inline Spread spread_of(const std::vector<double>& values) {
  return {percentile(values, 0.5), percentile(values, 0), percentile(values, 1)};
}

}  // namespace ns::bench
