#include "tests/conformance/comparison.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/ops/op.h"

namespace ns::conformance {
namespace {

using graph::Tensor;

std::vector<double> as_doubles(const Tensor& tensor) {
  graph::Node cast;
  cast.name = "cast";
  cast.op_type = "Cast";
  cast.attributes["to"] = static_cast<std::int64_t>(graph::ElementType::float64);
  cast.outputs = {0};
  const Tensor* input = &tensor;
  const std::vector<Tensor> made = ops::run_node(cast, 13, {&input, 1});
  const auto values = made[0].values<double>();
  return {values.begin(), values.end()};
}

}  // namespace

std::string difference(const Tensor& actual, const Tensor& expected, Tolerance tolerance) {
  if (actual.type() != expected.type()) {
    return fmt::format("type {}, expected {}", name_of(actual.type()), name_of(expected.type()));
  }
  if (actual.shape() != expected.shape()) {
    return fmt::format("shape {}, expected {}", graph::to_string(actual.shape()), graph::to_string(expected.shape()));
  }
  const bool exact = graph::size_of(actual.type()) == 1;
  const std::vector<double> a = as_doubles(actual), e = as_doubles(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(e[i])) continue;
    if (a[i] == e[i]) continue;
    // An infinity expected and a number given are infinitely apart, but so far the formula would allow.
    const double allowed = exact || std::isinf(e[i]) ? 0 : tolerance.absolute + tolerance.relative * std::abs(e[i]);
    if (!(std::abs(a[i] - e[i]) <= allowed)) return fmt::format("element {}: {}, expected {}", i, a[i], e[i]);
  }
  return {};
}

}  // namespace ns::conformance
