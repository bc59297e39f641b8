#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulwark {

/// A secret that strangers who choose keys don't know: another for each process.
struct hash_secret {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

/// The hash of a key that strangers may choose: who doesn't know the secret can't find two keys of
/// one hash, or many that fall into one place. SipHash-2-4 (Aumasson, Bernstein, 2012).
constexpr std::uint64_t hash_of(std::string_view key, const hash_secret& secret) noexcept {
  std::uint64_t v0 = secret.first ^ 0x736f6d6570736575U;
  std::uint64_t v1 = secret.second ^ 0x646f72616e646f6dU;
  std::uint64_t v2 = secret.first ^ 0x6c7967656e657261U;
  std::uint64_t v3 = secret.second ^ 0x7465646279746573U;
  const auto mix = [&](unsigned rounds) {
    for (; rounds > 0; --rounds) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto take = [&](std::uint64_t word) {
    v3 ^= word;
    mix(2);
    v0 ^= word;
  };
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < key.size(); ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(key[i])} << (i % 8 * 8);
    if (i % 8 == 7) {
      take(word);
      word = 0;
    }
  }
  take(word | (std::uint64_t{key.size()} << 56U));
  v2 ^= 0xff;
  mix(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

} // namespace bulwark
