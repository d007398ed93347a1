// Unique: the elements (or slices along an axis) that differ, each once: sorted, or in the order of their first
// occurrence; with where each first occurs, which one every input is, and how often it occurs. NaN equals NaN and comes
// last.
#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

template <typename A>
int compare(A a, A b) {
  if (a < b) return -1;
  if (b < a) return 1;
  return static_cast<int>(a != a) - static_cast<int>(b != b);
}

// Slice i of an input seen along an axis: elements at (o * size + i) * inner + k.
template <typename T>
struct Slices {
  const T* values;
  AxisView view;

  int compare(std::int64_t a, std::int64_t b) const {
    for (std::int64_t o = 0; o < view.outer; ++o) {
      const T* left = values + (o * view.size + a) * view.inner;
      const T* right = values + (o * view.size + b) * view.inner;
      for (std::int64_t k = 0; k < view.inner; ++k) {
        const int order = ops::compare(static_cast<Arithmetic<T>>(left[k]), static_cast<Arithmetic<T>>(right[k]));
        if (order != 0) return order;
      }
    }
    return 0;
  }
};

struct Groups {
  std::vector<std::int64_t> first;    // by group: the first slice of it
  std::vector<std::int64_t> inverse;  // by slice: its group
  std::vector<std::int64_t> counts;   // by group
};

template <typename T>
Groups sorted_groups(const Slices<T>& slices) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(slices.view.size));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return slices.compare(a, b) < 0; });
  Groups groups;
  groups.inverse.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || slices.compare(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    groups.inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(groups.first.size()) - 1;
    ++groups.counts.back();
  }
  return groups;
}

Groups by_occurrence(const Groups& sorted) {
  std::vector<std::size_t> order(sorted.first.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return sorted.first[a] < sorted.first[b]; });
  Groups groups;
  std::vector<std::int64_t> renamed(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    renamed[order[i]] = static_cast<std::int64_t>(i);
    groups.first.push_back(sorted.first[order[i]]);
    groups.counts.push_back(sorted.counts[order[i]]);
  }
  for (const std::int64_t group : sorted.inverse) groups.inverse.push_back(renamed[static_cast<std::size_t>(group)]);
  return groups;
}

Tensor gather(const Tensor& x, const AxisView& view, Shape shape, const std::vector<std::int64_t>& slices) {
  Tensor y(x.type(), std::move(shape));
  const std::size_t bytes = static_cast<std::size_t>(view.inner) * graph::size_of(x.type());
  auto* to = static_cast<std::byte*>(y.bytes());
  for (std::int64_t o = 0; o < view.outer && bytes > 0; ++o) {
    for (const std::int64_t slice : slices) {
      const auto place = static_cast<std::size_t>(o * view.size + slice);
      std::memcpy(to, static_cast<const std::byte*>(x.bytes()) + place * bytes, bytes);
      to += bytes;
    }
  }
  return y;
}

std::vector<Tensor> make_unique(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const bool flat = !context.node.has("axis");
  Shape shape = flat ? Shape{x.count()} : x.shape();
  const std::size_t axis = flat ? 0 : normal_axis(context.node, context.node.integer("axis", 0), shape.size());
  const AxisView view = view_along(shape, axis);
  Groups groups;
  dispatch(AllTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    groups = sorted_groups(Slices<T>{data<T>(x), view});
  });
  if (context.node.integer("sorted", 1) == 0) groups = by_occurrence(groups);
  shape[axis] = static_cast<std::int64_t>(groups.first.size());
  const auto list = [](const std::vector<std::int64_t>& values) {
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  };
  std::vector<Tensor> outputs{gather(x, view, shape, groups.first), list(groups.first), list(groups.inverse),
                              list(groups.counts)};
  outputs.resize(context.node.outputs.size());
  return outputs;
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Unique", 11, 1, 1, 1, 4, nullptr, nullptr, make_unique},
};

}  // namespace

std::span<const OpDefinition> unique_definitions() { return kDefinitions; }

}  // namespace ns::ops
