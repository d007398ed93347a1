// Medians and percentiles of repeated measurements. Pure functions; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ns::bench {

// The value below which so much of them lies, by the nearest rank. REQUIRES: not empty.
inline double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
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
