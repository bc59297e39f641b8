#pragma once

#include <cstdint>

namespace bulwark {

/// Chance that can be repeated: the same seed, the same numbers. Eight bytes, because every
/// supervisor has its own. Source: SplitMix64 (Steele, Lea, Flood, 2014). Not for secrets.
class random_stream {
public:
  explicit constexpr random_stream(std::uint64_t seed) noexcept : state_(seed) {}

  /// Any 64-bit number, each as likely.
  constexpr std::uint64_t next() noexcept {
    auto z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  /// From [0, 1).
  constexpr double unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

private:
  std::uint64_t state_;
};

} // namespace bulwark
