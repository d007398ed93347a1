// Generator: the seeded random numbers of every tuner. Our own (SplitMix64), so that the same seed gives the same
// proposals whatever the standard library.
//
// A plain value; one thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace ns::worker::tuning {

class Generator {
 public:
  // Streams of one seed are independent of each other: a tuner gives each proposal its own, so that a proposal does not
  // depend on how the ones before it were cut into rounds.
  explicit Generator(std::uint64_t seed, std::uint64_t stream = 0) : state_(seed) {
    const std::uint64_t mixed = next();
    state_ = mixed ^ (stream * 0xd1342543de82ef95ull);
    next();
  }

  std::uint64_t next() {
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15ull);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
  }

  // In [0, 1), all 53 bits.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  // In [0, bound), every value equally likely. REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t uneven = (0 - bound) % bound;  // 2^64 mod bound: draws under it would favour small values
    std::uint64_t drawn = next();
    while (drawn < uneven) drawn = next();
    return drawn % bound;
  }

  // Mean 0, deviation 1 (Box and Muller).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }

 private:
  std::uint64_t state_;
};

}  // namespace ns::worker::tuning
