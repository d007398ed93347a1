// The discrete Fourier transform of one row of complex numbers, of any length, in float64.
//
// A power of two goes through the radix-2 butterfly (Cooley and Tukey, 1965), any other length through a convolution of
// a power of two (Bluestein, 1970); short rows are summed directly.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

namespace ns::ops {

class Fourier {
 public:
  explicit Fourier(std::size_t length, bool inverse);

  // In place; not scaled. REQUIRES: row.size() is the length.
  void run(std::vector<std::complex<double>>& row) const;

 private:
  using Row = std::vector<std::complex<double>>;

  void sum_directly(Row&) const;
  void convolve(Row&) const;

  std::size_t length_;
  Row roots_;         // exp(-+2 pi i k / length)
  std::size_t wide_;  // length of the convolution; 0: none needed
  Row chirp_;         // exp(-+ pi i k^2 / length)
  Row filter_;        // the transform of its conjugate
};

}  // namespace ns::ops
