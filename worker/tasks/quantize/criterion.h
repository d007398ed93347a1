// What a quantized model must keep to be accepted, as the task's spec says. Plain values; any thread.
#pragma once

namespace ns::worker::tasks {

struct Criterion {
  bool relative = true;  // the loss is a share of the float accuracy; otherwise in the metric itself
  double tolerable_loss = 0.01;
  bool higher_is_better = true;

  // The worst value that is still accepted.
  double threshold(double fp32) const {
    const double loss = relative ? tolerable_loss * (fp32 < 0 ? -fp32 : fp32) : tolerable_loss;
    return higher_is_better ? fp32 - loss : fp32 + loss;
  }

  bool meets(double value, double fp32) const {
    constexpr double kRounding = 1e-12;  // 0.98 * 0.99 and the like must not turn an equal value into a miss
    return higher_is_better ? value >= threshold(fp32) - kRounding : value <= threshold(fp32) + kRounding;
  }
};

}  // namespace ns::worker::tasks
