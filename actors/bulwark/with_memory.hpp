#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace bulwark {

/// Calls `f`, and calls it again where memory is refused for it: for what a whole node leans on, and
/// what must not end for a moment's want. It blocks meanwhile, for a second at most; then
/// std::bad_alloc comes out. Requires: where `f` throws, it may be called again.
template <class F>
decltype(auto) with_memory(F f) {
  constexpr auto trials = 1000;
  for (auto i = 1; i < trials; ++i) {
    try {
      return f();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }
  return f();
}

} // namespace bulwark
