// NonMaxSuppression: per image and class the boxes with the highest scores, without those that overlap a chosen one too
// much. Output: a row [image, class, box] for each chosen box, best first within a class.
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

struct Box {
  float top, left, bottom, right;
  float area() const { return (bottom - top) * (right - left); }
};

Box corners(const float* box) {
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]), std::max(box[1], box[3])};
}

Box around_center(const float* box) {  // x, y, width, height
  return {box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2};
}

bool overlaps(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0) || !(width > 0)) return false;
  const float both = height * width;
  const float either = a.area() + b.area() - both;
  return a.area() > 0 && b.area() > 0 && either > 0 && both / either > threshold;
}

struct Limits {
  std::int64_t most = 0;
  float overlap = 0;
  float score = -std::numeric_limits<float>::infinity();
};

float one_real(const ComputeContext& context, std::size_t index, float fallback) {
  const Tensor* tensor = optional_input(context, index);
  if (tensor == nullptr) return fallback;
  require(tensor->type() == ElementType::float32 && tensor->count() == 1, context.node,
          "input {} must be one number of float32", index);
  return *data<float>(*tensor);
}

Limits limits_of(const ComputeContext& context) {
  Limits limits;
  if (const Tensor* most = optional_input(context, 2)) {
    require(most->count() == 1, context.node, "max_output_boxes_per_class must be one number");
    limits.most = integers_of(context.node, *most).front();
  }
  limits.overlap = one_real(context, 3, limits.overlap);
  require(limits.overlap >= 0 && limits.overlap <= 1, context.node, "iou_threshold is {}, wanted 0 to 1",
          limits.overlap);
  limits.score = one_real(context, 4, limits.score);
  return limits;
}

// The chosen boxes of one class of one image, best first.
std::vector<std::int64_t> choose(const std::vector<Box>& boxes, const float* scores, const Limits& limits) {
  std::vector<std::int64_t> candidates;
  const bool all = limits.score == -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const bool number = scores[i] == scores[i];
    if (number && (all || scores[i] > limits.score)) candidates.push_back(static_cast<std::int64_t>(i));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](std::int64_t a, std::int64_t b) { return scores[a] > scores[b]; });
  std::vector<std::int64_t> chosen;
  for (const std::int64_t candidate : candidates) {
    if (static_cast<std::int64_t>(chosen.size()) >= limits.most) break;
    const Box& box = boxes[static_cast<std::size_t>(candidate)];
    const bool taken = std::any_of(chosen.begin(), chosen.end(), [&](std::int64_t other) {
      return overlaps(box, boxes[static_cast<std::size_t>(other)], limits.overlap);
    });
    if (!taken) chosen.push_back(candidate);
  }
  return chosen;
}

void check_inputs(const ComputeContext& context) {
  const Tensor& boxes = input(context, 0);
  const Tensor& scores = input(context, 1);
  require(boxes.type() == ElementType::float32 && scores.type() == ElementType::float32, context.node,
          "boxes and scores must hold float32");
  require(boxes.shape().size() == 3 && boxes.shape()[2] == 4, context.node,
          "boxes have the shape {}, wanted [images, boxes, 4]", graph::to_string(boxes.shape()));
  require(scores.shape().size() == 3 && scores.shape()[0] == boxes.shape()[0] && scores.shape()[2] == boxes.shape()[1],
          context.node, "scores have the shape {}, wanted [{}, classes, {}]", graph::to_string(scores.shape()),
          boxes.shape()[0], boxes.shape()[1]);
}

std::vector<Tensor> make_non_max_suppression(const ComputeContext& context) {
  check_inputs(context);
  const Shape& shape = input(context, 1).shape();
  const Limits limits = limits_of(context);
  const bool centers = context.node.integer("center_point_box", 0) != 0;
  std::vector<std::int64_t> rows;
  std::vector<Box> boxes(static_cast<std::size_t>(shape[2]));
  for (std::int64_t image = 0; image < shape[0]; ++image) {
    const float* from = data<float>(input(context, 0)) + image * shape[2] * 4;
    for (std::size_t i = 0; i < boxes.size(); ++i)
      boxes[i] = centers ? around_center(from + 4 * i) : corners(from + 4 * i);
    for (std::int64_t kind = 0; kind < shape[1]; ++kind) {
      const float* scores = data<float>(input(context, 1)) + (image * shape[1] + kind) * shape[2];
      for (const std::int64_t box : choose(boxes, scores, limits)) rows.insert(rows.end(), {image, kind, box});
    }
  }
  return {Tensor::from<std::int64_t>({static_cast<std::int64_t>(rows.size()) / 3, 3}, rows)};
}

constexpr std::array kDefinitions{
    OpDefinition{"", "NonMaxSuppression", 10, 2, 5, 1, 1, nullptr, nullptr, make_non_max_suppression},
};

}  // namespace

std::span<const OpDefinition> non_max_suppression_definitions() { return kDefinitions; }

}  // namespace ns::ops
