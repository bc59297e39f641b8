#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <type_traits>

/// @file What a fuzzer is handed, taken apart into choices; and how it says what it found.

namespace bulwark_tests {

/// A stream of bytes, read from the front. Where it has ended all is 0.
class bytes {
public:
  bytes(const std::uint8_t* data, std::size_t size) : next_(data), end_(data + size) {}

  [[nodiscard]] bool empty() const { return next_ == end_; }

  std::uint8_t byte() { return empty() ? std::uint8_t{0} : *next_++; }

  /// Any value of an integer type, the low byte first.
  template <class T>
  T any() {
    std::make_unsigned_t<T> result = 0;
    for (std::size_t i = 0; i < sizeof(T) && !empty(); ++i)
      result = static_cast<std::make_unsigned_t<T>>(
          result | static_cast<std::make_unsigned_t<T>>(byte()) << (8 * i));
    return static_cast<T>(result);
  }

  /// 0 .. count - 1. Requires: 0 < count <= 256.
  unsigned below(unsigned count) { return byte() % count; }

  /// One of these; what is there more often comes more often.
  template <class T, std::size_t N>
  T one_of(const std::array<T, N>& choices) {
    return choices[byte() % N];
  }

  /// All that is left.
  std::string rest() {
    std::string result(reinterpret_cast<const char*>(next_),
                       static_cast<std::size_t>(end_ - next_));
    next_ = end_;
    return result;
  }

private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

/// Runs a model's history; one that breaks a promise is printed, and ends the fuzzer. With
/// BULWARK_FUZZ_PRINT each is printed before it runs: for what the sanitizers find.
template <class History, class Coverage>
void play(const History& history, Coverage& met) {
  static const bool print = std::getenv("BULWARK_FUZZ_PRINT") != nullptr;
  if (print)
    std::cerr << history << std::endl;
  try {
    run(history, met);
  } catch (const std::exception& why) {
    std::cerr << why.what() << "\nin the history:" << history << std::endl;
    std::abort();
  }
}

} // namespace bulwark_tests

/// The entry of a fuzzer: what is done with one stream of bytes.
#define BULWARK_FUZZ(argument)                                                                     \
  static void fuzz_one(bulwark_tests::bytes argument);                                             \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {              \
    fuzz_one({data, size});                                                                        \
    return 0;                                                                                      \
  }                                                                                                \
  static void fuzz_one(bulwark_tests::bytes argument)
