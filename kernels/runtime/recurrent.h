// LSTM over a sequence, with weights packed once. float32; the functions are sigmoid and tanh.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace ns::runtime {

// A matrix [rows, columns] in panels of columns, so that a row vector times it reads memory in order.
class Panels {
 public:
  static constexpr std::size_t kWidth = 64;

  // `transposed`: [columns, rows] as ONNX keeps the weights of recurrent layers.
  Panels(const float* transposed, std::size_t rows, std::size_t columns);

  std::size_t padded_columns() const { return (columns_ + kWidth - 1) / kWidth * kWidth; }
  // to[0, padded_columns()) += x[0, rows) * matrix
  void add_product(const float* x, float* to) const;

 private:
  std::size_t rows_, columns_;
  std::vector<float> values_;
};

// One direction. Gates in the order i, o, f, c.
struct LstmLayer {
  Panels input, state;      // [input size, 4 * hidden], [hidden, 4 * hidden]
  std::vector<float> bias;  // padded columns of the panels
  bool reversed = false;
};

struct LstmShape {
  std::size_t steps = 0, batch = 0, input = 0, hidden = 0, directions = 0;
};

// x [steps, batch, input]; y [steps, directions, batch, hidden]; states [directions, batch, hidden], in place: the
// first ones before, the last ones after. y may be null. `gates`: room for the padded columns of a layer.
void run_lstm(const LstmShape&, std::span<const LstmLayer> layers, const float* x, float* y, float* h, float* c,
              float* gates);

}  // namespace ns::runtime
