#include "kernels/runtime/recurrent.h"

#include <algorithm>
#include <array>

#include "kernels/runtime/vector_math.h"

namespace ns::runtime {

namespace {

NS_BODY void add_product_body(const float* values, std::size_t rows, std::size_t panels, const float* x, float* to) {
  constexpr std::size_t kWidth = Panels::kWidth;
  for (std::size_t panel = 0; panel < panels; ++panel, to += kWidth) {
    std::array<float, kWidth> sums;
    std::copy_n(to, kWidth, sums.begin());
    for (std::size_t row = 0; row < rows; ++row, values += kWidth) {
      const float factor = x[row];
      for (std::size_t i = 0; i < kWidth; ++i) sums[i] += factor * values[i];
    }
    std::copy_n(sums.begin(), kWidth, to);
  }
}

// C = f C + i c, H = o tanh(C)
NS_BODY void update_body(const float* gates, std::size_t hidden, float* h, float* c) {
  const float *in = gates, *out = gates + hidden, *forget = gates + 2 * hidden, *candidate = gates + 3 * hidden;
  for (std::size_t i = 0; i < hidden; ++i) {
    const float state = logistic(forget[i]) * c[i] + logistic(in[i]) * hyperbolic_tangent(candidate[i]);
    c[i] = state;
    h[i] = logistic(out[i]) * hyperbolic_tangent(state);
  }
}

NS_AVX2 void add_product_avx2(const float* v, std::size_t rows, std::size_t panels, const float* x, float* to) {
  add_product_body(v, rows, panels, x, to);
}
NS_AVX512 void add_product_avx512(const float* v, std::size_t rows, std::size_t panels, const float* x, float* to) {
  add_product_body(v, rows, panels, x, to);
}
NS_AVX2 void update_avx2(const float* gates, std::size_t hidden, float* h, float* c) {
  update_body(gates, hidden, h, c);
}
NS_AVX512 void update_avx512(const float* gates, std::size_t hidden, float* h, float* c) {
  update_body(gates, hidden, h, c);
}

void update(const float* gates, std::size_t hidden, float* h, float* c) {
  switch (widest()) {
    case Width::avx512:
      return update_avx512(gates, hidden, h, c);
    case Width::avx2:
      return update_avx2(gates, hidden, h, c);
    case Width::any:
      return update_body(gates, hidden, h, c);
  }
}

}  // namespace

Panels::Panels(const float* transposed, std::size_t rows, std::size_t columns)
    : rows_(rows), columns_(columns), values_(rows * padded_columns(), 0.0F) {
  for (std::size_t column = 0; column < columns; ++column) {
    float* const panel = values_.data() + column / kWidth * kWidth * rows + column % kWidth;
    for (std::size_t row = 0; row < rows; ++row) panel[row * kWidth] = transposed[column * rows + row];
  }
}

void Panels::add_product(const float* x, float* to) const {
  const std::size_t panels = padded_columns() / kWidth;
  switch (widest()) {
    case Width::avx512:
      return add_product_avx512(values_.data(), rows_, panels, x, to);
    case Width::avx2:
      return add_product_avx2(values_.data(), rows_, panels, x, to);
    case Width::any:
      return add_product_body(values_.data(), rows_, panels, x, to);
  }
}

void run_lstm(const LstmShape& shape, std::span<const LstmLayer> layers, const float* x, float* y, float* h, float* c,
              float* gates) {
  const std::size_t states = shape.batch * shape.hidden;
  for (std::size_t direction = 0; direction < layers.size(); ++direction) {
    const LstmLayer& layer = layers[direction];
    for (std::size_t step = 0; step < shape.steps; ++step) {
      const std::size_t at = layer.reversed ? shape.steps - 1 - step : step;
      for (std::size_t sample = 0; sample < shape.batch; ++sample) {
        float* const own_h = h + direction * states + sample * shape.hidden;
        std::copy(layer.bias.begin(), layer.bias.end(), gates);
        layer.input.add_product(x + (at * shape.batch + sample) * shape.input, gates);
        layer.state.add_product(own_h, gates);
        update(gates, shape.hidden, own_h, c + direction * states + sample * shape.hidden);
        if (y == nullptr) continue;
        std::copy_n(own_h, shape.hidden, y + ((at * layers.size() + direction) * shape.batch + sample) * shape.hidden);
      }
    }
  }
}

}  // namespace ns::runtime
