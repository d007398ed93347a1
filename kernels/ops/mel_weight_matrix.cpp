// MelWeightMatrix: from the bins of a spectrum to bands of the mel scale, triangles that overlap by half.
//
//   mel = 2595 log10(1 + hertz / 700)
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;

template <typename Context>
std::int64_t one_integer(const Context& context, std::size_t index) {
  const auto values = integers_from(context, index, "");
  require(values.has_value() && values->size() == 1, context.node, "input {} must be one number", index);
  require(values->front() >= 1 && values->front() < kMaxSize, context.node, "input {} is {}, wanted 1 or more", index,
          values->front());
  return values->front();
}

std::vector<TensorType> infer_mel(const InferContext& context) {
  const std::int64_t type = context.node.integer("output_datatype", 1);
  require(type > 0 && type < 256, context.node, "output_datatype is {}", type);
  require_type(NumericTypes{}, context.node, static_cast<ElementType>(type));
  one_integer(context, 2);
  for (const std::size_t edge : {3, 4}) {
    require_type(FloatTypes{}, context.node, input(context, edge).element);
    require(graph::element_count(input(context, edge).shape) == 1, context.node, "input {} must be one number", edge);
  }
  return types(context, {{static_cast<ElementType>(type), {one_integer(context, 1) / 2 + 1, one_integer(context, 0)}}});
}

// The bins at which the bands begin, peak and end: band i reaches from edge i over i + 1 to i + 2.
std::vector<std::int64_t> edges_of(const ComputeContext& context, std::int64_t bands, std::int64_t bins) {
  const auto to_mel = [](double hertz) { return 2595.0 * std::log10(1.0 + hertz / 700.0); };
  const double low = to_mel(reals_of(context.node, input(context, 3)).front());
  const double high = to_mel(reals_of(context.node, input(context, 4)).front());
  const double step = (high - low) / static_cast<double>(bands + 2);
  const auto length = static_cast<double>(one_integer(context, 1));
  const auto rate = static_cast<double>(one_integer(context, 2));
  std::vector<std::int64_t> edges;
  for (std::int64_t i = 0; i < bands + 2; ++i) {
    const double hertz = 700.0 * (std::pow(10.0, (static_cast<double>(i) * step + low) / 2595.0) - 1.0);
    const double bin = std::floor((length + 1) * hertz / rate);
    require(bin >= 0 && bin <= static_cast<double>(bins), context.node,
            "a band edge of {} Hz lies outside the spectrum", hertz);
    edges.push_back(static_cast<std::int64_t>(bin));
  }
  return edges;
}

void compute_mel(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  const std::int64_t bins = y.shape()[0];
  const std::int64_t bands = y.shape()[1];
  const std::vector<std::int64_t> edges = edges_of(context, bands, bins);
  dispatch(NumericTypes{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    std::memset(y.bytes(), 0, y.byte_count());
    for (std::int64_t band = 0; band < bands; ++band) {
      const auto edge = [&](std::int64_t k) { return edges[static_cast<std::size_t>(band + k)]; };
      const auto set = [&](std::int64_t bin, std::int64_t part, std::int64_t whole) {
        const double value = whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
        if (bin < bins) data<T>(y)[bin * bands + band] = convert<T>(value);
      };
      for (std::int64_t j = edge(0); j <= edge(1); ++j) set(j, j - edge(0), edge(1) - edge(0));
      for (std::int64_t j = edge(1); j < edge(2); ++j) set(j, edge(2) - j, edge(2) - edge(1));
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "MelWeightMatrix", 17, 5, 5, 1, 1, infer_mel, compute_mel},
};

}  // namespace

std::span<const OpDefinition> mel_weight_matrix_definitions() { return kDefinitions; }

}  // namespace ns::ops
