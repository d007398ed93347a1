// Scaled dot-product attention ("Attention Is All You Need", Vaswani et al., 2017) and rotary position embedding
// ("RoFormer", Su et al., 2021): the computation that the attention operators share.
//
//   queries [batch, heads, queries, head]   keys [batch, kv_heads, keys, head]   values [batch, kv_heads, keys, v_head]
//   result  [batch, queries, heads * v_head]
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/rows.h"

namespace ns::ops {

struct AttentionSizes {
  std::int64_t batch, heads, kv_heads, queries, keys, head, v_head;
};

struct KeyRange {
  std::int64_t first, last;
};

// Reads [batch, sequence, width] as [batch, heads, sequence, head] from a column on; `bias` (of all columns) may be
// null.
template <typename T>
std::vector<Arithmetic<T>> read_heads(const T* rows, std::int64_t batch, std::int64_t sequence, std::int64_t width,
                                      std::int64_t column, std::int64_t heads, std::int64_t head, const T* bias) {
  using A = Arithmetic<T>;
  std::vector<A> values(static_cast<std::size_t>(batch * heads * sequence * head));
  A* to = values.data();
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t n = 0; n < heads; ++n) {
      for (std::int64_t s = 0; s < sequence; ++s) {
        const std::int64_t first = column + n * head;
        const T* from = rows + (b * sequence + s) * width + first;
        for (std::int64_t i = 0; i < head; ++i) {
          *to++ = static_cast<A>(from[i]) + (bias != nullptr ? static_cast<A>(bias[first + i]) : A(0));
        }
      }
    }
  }
  return values;
}

// Rows of the past in front of new ones, for each of `outer` heads: [outer, past + added, size].
template <typename T>
std::vector<Arithmetic<T>> with_past(const T* past, std::int64_t past_rows, const std::vector<Arithmetic<T>>& added,
                                     std::int64_t outer, std::int64_t size) {
  using A = Arithmetic<T>;
  if (past_rows == 0) return added;
  std::vector<A> all;
  all.reserve(added.size() + static_cast<std::size_t>(outer * past_rows * size));
  const std::int64_t added_size = outer > 0 ? static_cast<std::int64_t>(added.size()) / outer : 0;
  for (std::int64_t i = 0; i < outer; ++i) {
    for (std::int64_t j = 0; j < past_rows * size; ++j) all.push_back(static_cast<A>(past[i * past_rows * size + j]));
    all.insert(all.end(), added.begin() + i * added_size, added.begin() + (i + 1) * added_size);
  }
  return all;
}

// softmax(scale * Q K + bias) V. `bias(b, n, s, scores)` adds to the scores of all keys; `range(b, s)` says which keys
// a query sees. softcap > 0 bounds the scores before the bias.
template <typename T, typename Bias, typename Range>
void attend(const AttentionSizes& sizes, const std::vector<Arithmetic<T>>& queries,
            const std::vector<Arithmetic<T>>& keys, const std::vector<Arithmetic<T>>& values, float scale,
            float softcap, const Bias& bias, const Range& range, T* result) {
  using A = Arithmetic<T>;
  std::vector<A> scores(static_cast<std::size_t>(sizes.keys));
  std::vector<A> sums(static_cast<std::size_t>(sizes.v_head));
  for (std::int64_t row = 0; row < sizes.batch * sizes.heads * sizes.queries; ++row) {
    const std::int64_t s = row % sizes.queries;
    const std::int64_t n = row / sizes.queries % sizes.heads;
    const std::int64_t b = row / sizes.queries / sizes.heads;
    const std::int64_t kv = b * sizes.kv_heads + n / (sizes.heads / sizes.kv_heads);
    const KeyRange seen = range(b, s);
    const A* query = queries.data() + row * sizes.head;
    for (std::int64_t t = seen.first; t < seen.last; ++t) {
      A score = dot(query, keys.data() + (kv * sizes.keys + t) * sizes.head, sizes.head) * static_cast<A>(scale);
      if (softcap > 0) score = static_cast<A>(softcap) * std::tanh(score / static_cast<A>(softcap));
      scores[static_cast<std::size_t>(t)] = score;
    }
    bias(b, n, s, scores.data());
    A largest = -std::numeric_limits<A>::infinity();
    for (std::int64_t t = seen.first; t < seen.last; ++t) {
      largest = std::max(largest, scores[static_cast<std::size_t>(t)]);
    }
    if (!std::isfinite(largest)) largest = 0;
    A total = 0;
    std::fill(sums.begin(), sums.end(), A(0));
    for (std::int64_t t = seen.first; t < seen.last; ++t) {
      const A share = std::exp(scores[static_cast<std::size_t>(t)] - largest);
      total += share;
      const A* value = values.data() + (kv * sizes.keys + t) * sizes.v_head;
      for (std::int64_t i = 0; i < sizes.v_head; ++i) sums[static_cast<std::size_t>(i)] += share * value[i];
    }
    T* to = result + ((b * sizes.queries + s) * sizes.heads + n) * sizes.v_head;
    for (std::int64_t i = 0; i < sizes.v_head; ++i) {
      to[i] = T(total != 0 ? sums[static_cast<std::size_t>(i)] / total : A(0));
    }
  }
}

// Rotates pairs of the first `rotary` elements by the angles of one position: neighbours when interleaved, else element
// i of the first half with element i of the second. `cosines` and `sines`: rotary / 2 of them.
template <typename A>
void rotate(A* values, std::int64_t rotary, const A* cosines, const A* sines, bool interleaved) {
  const std::int64_t half = rotary / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    A& x = values[interleaved ? 2 * i : i];
    A& y = values[interleaved ? 2 * i + 1 : i + half];
    const A before = x;
    x = before * cosines[i] - y * sines[i];
    y = before * sines[i] + y * cosines[i];
  }
}

}  // namespace ns::ops
