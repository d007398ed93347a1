#include "kernels/ops/fourier.h"

#include <cmath>
#include <cstdint>

namespace ns::ops {

namespace {

using Complex = std::complex<double>;
using Row = std::vector<Complex>;

constexpr double kPi = 3.14159265358979323846;
constexpr std::size_t kShort = 32;  // summed directly: no slower, and exact to the last bits

bool is_power_of_two(std::size_t n) { return n > 0 && (n & (n - 1)) == 0; }

Complex root(double turns, bool inverse) {
  const double angle = (inverse ? 2.0 : -2.0) * kPi * turns;
  return {std::cos(angle), std::sin(angle)};
}

Row roots_of(std::size_t n, bool inverse) {
  Row roots(n);
  for (std::size_t k = 0; k < n; ++k) roots[k] = root(static_cast<double>(k) / static_cast<double>(n), inverse);
  return roots;
}

void reverse_bits(Row& row) {
  for (std::size_t i = 1, j = 0; i < row.size(); ++i) {
    std::size_t bit = row.size() >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(row[i], row[j]);
  }
}

void butterfly(Row& row, const Row& roots) {
  reverse_bits(row);
  for (std::size_t half = 1; half < row.size(); half *= 2) {
    const std::size_t stride = row.size() / (2 * half);
    for (std::size_t first = 0; first < row.size(); first += 2 * half) {
      for (std::size_t k = 0; k < half; ++k) {
        const Complex odd = row[first + half + k] * roots[k * stride];
        row[first + half + k] = row[first + k] - odd;
        row[first + k] += odd;
      }
    }
  }
}

}  // namespace

Fourier::Fourier(std::size_t length, bool inverse) : length_(length), roots_(roots_of(length, inverse)), wide_(0) {
  if (length <= kShort || is_power_of_two(length)) return;
  wide_ = 1;
  while (wide_ < 2 * length - 1) wide_ *= 2;
  chirp_.resize(length);
  filter_.assign(wide_, 0.0);
  for (std::size_t k = 0; k < length; ++k) {
    // k^2 modulo 2 * length, so that the angle stays small and exact.
    const auto square = static_cast<std::size_t>(static_cast<__uint128_t>(k) * k % (2 * length));
    chirp_[k] = root(static_cast<double>(square) / (2.0 * static_cast<double>(length)), inverse);
    filter_[k] = std::conj(chirp_[k]);
    if (k > 0) filter_[wide_ - k] = filter_[k];
  }
  butterfly(filter_, roots_of(wide_, false));
}

void Fourier::run(Row& row) const {
  if (wide_ > 0) {
    convolve(row);
  } else if (length_ <= kShort) {
    sum_directly(row);
  } else {
    butterfly(row, roots_);
  }
}

void Fourier::sum_directly(Row& row) const {
  Row sums(length_, 0.0);
  for (std::size_t k = 0; k < length_; ++k) {
    for (std::size_t i = 0; i < length_; ++i) sums[k] += row[i] * roots_[i * k % length_];
  }
  row = sums;
}

void Fourier::convolve(Row& row) const {
  Row wide(wide_, 0.0);
  for (std::size_t k = 0; k < length_; ++k) wide[k] = row[k] * chirp_[k];
  butterfly(wide, roots_of(wide_, false));
  for (std::size_t k = 0; k < wide_; ++k) wide[k] *= filter_[k];
  butterfly(wide, roots_of(wide_, true));
  for (std::size_t k = 0; k < length_; ++k) row[k] = wide[k] * chirp_[k] / static_cast<double>(wide_);
}

}  // namespace ns::ops
