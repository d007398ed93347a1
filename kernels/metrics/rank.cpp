#include "kernels/metrics/rank.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <type_traits>

namespace ns::metrics {
namespace {

using graph::ElementType;

template <typename T>
bool label_in_top(std::span<const T> row, std::size_t label, std::int64_t k) {
  const T wanted = row[label];
  std::int64_t ahead = 0;
  for (std::size_t index = 0; index < row.size(); ++index) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(row[index])) return false;
    }
    ahead += row[index] > wanted || (row[index] == wanted && index < label);
  }
  return ahead < k;
}

class RankScore final : public Score {
 public:
  explicit RankScore(std::int64_t k) : k_(k) {}

  void add(std::span<const graph::Tensor> outputs, std::span<const std::int64_t> labels) override {
    if (outputs.empty()) throw Error(ErrorCode::invalid, "the model has no output to rank");
    const graph::Tensor& scores = outputs.front();
    check_shape(scores, labels.size());
    switch (scores.type()) {
      case ElementType::float32:
        return count(scores.values<float>(), labels);
      case ElementType::float64:
        return count(scores.values<double>(), labels);
      case ElementType::uint8:
        return count(scores.values<std::uint8_t>(), labels);
      case ElementType::int8:
        return count(scores.values<std::int8_t>(), labels);
      case ElementType::int32:
        return count(scores.values<std::int32_t>(), labels);
      case ElementType::int64:
        return count(scores.values<std::int64_t>(), labels);
      default:
        throw Error(ErrorCode::invalid, fmt::format("output 0 is {}; a ranking metric wants numbers (float32)",
                                                    graph::name_of(scores.type())));
    }
  }

  void merge(const Score& other) override {
    const auto& counts = dynamic_cast<const RankScore&>(other);
    right_ += counts.right_;
    samples_ += counts.samples_;
  }

  double value() const override {
    if (samples_ == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(right_) / static_cast<double>(samples_);
  }

  std::int64_t samples() const override { return samples_; }

  double best_possible(std::int64_t remaining) const override {
    if (samples_ + remaining == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(right_ + remaining) / static_cast<double>(samples_ + remaining);
  }

 private:
  void check_shape(const graph::Tensor& scores, std::size_t labels) const {
    const graph::Shape& shape = scores.shape();
    const std::int64_t classes = shape.empty() ? 0 : shape.back();
    const bool fits = shape.size() >= 2 && shape.front() == static_cast<std::int64_t>(labels) &&
                      scores.count() == shape.front() * classes && classes > 0;
    if (!fits) {
      throw Error(ErrorCode::invalid, fmt::format("output 0 has shape {}; for {} labels it must be [{}, classes]",
                                                  graph::to_string(shape), labels, labels));
    }
    if (classes <= k_ && k_ > 1) {
      throw Error(ErrorCode::invalid, fmt::format("top{} of {} classes is always right; use top1", k_, classes));
    }
  }

  template <typename T>
  void count(std::span<const T> scores, std::span<const std::int64_t> labels) {
    const std::size_t classes = labels.empty() ? 0 : scores.size() / labels.size();
    for (std::size_t row = 0; row < labels.size(); ++row) {
      const std::int64_t label = labels[row];
      if (label < 0 || label >= static_cast<std::int64_t>(classes)) {
        throw Error(ErrorCode::invalid, fmt::format("label {} is not one of the model's {} classes (0 to {})", label,
                                                    classes, classes - 1));
      }
      right_ += label_in_top(scores.subspan(row * classes, classes), static_cast<std::size_t>(label), k_);
    }
    samples_ += static_cast<std::int64_t>(labels.size());
  }

  std::int64_t k_;
  std::int64_t right_ = 0;
  std::int64_t samples_ = 0;
};

}  // namespace

std::unique_ptr<Score> make_rank_score(std::int64_t k) { return std::make_unique<RankScore>(k); }

}  // namespace ns::metrics
