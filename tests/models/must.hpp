#pragma once

#include <stdexcept>
#include <string>

/// @file How a model says that something which must hold doesn't: by an exception that names the
/// condition and where it stands. So models can be driven by whoever has histories: rapidcheck takes
/// it for a failure, a fuzzer for a find.

namespace bulwark_tests {

/// A promise that a history broke.
struct broken_promise : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] inline void break_promise(const char* condition, const char* file, int line) {
  throw broken_promise{std::string{file} + ":" + std::to_string(line) + ": " + condition};
}

} // namespace bulwark_tests

/// Nothing is built while it holds: fuzzers come by here a million times a second.
#define MUST(...)                                                                                  \
  do {                                                                                             \
    if (!(__VA_ARGS__))                                                                            \
      bulwark_tests::break_promise(#__VA_ARGS__, __FILE__, __LINE__);                              \
  } while (false)
