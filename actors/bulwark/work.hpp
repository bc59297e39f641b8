#pragma once

#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file Functions for a bulkhead's own threads.

namespace bulwark {

/// What a function returned, as the answer to a request.
template <class T>
caf::message to_answer(T result) {
  return caf::make_message(std::move(result));
}

template <class T>
caf::message to_answer(caf::expected<T> result) {
  if (!result)
    return caf::make_message(std::move(result.error()));
  if constexpr (std::is_void_v<T>)
    return caf::make_message();
  else
    return to_answer(std::move(*result));
}

inline caf::message to_answer(caf::message result) {
  return result;
}

/// Of one that takes no std::stop_token.
template <class F, class... Ts>
work make_plain_work(F f, Ts... args) {
  // Shared: std::function wants to copy what it holds.
  auto call = std::make_shared<std::pair<F, std::tuple<Ts...>>>(
      std::move(f), std::tuple<Ts...>{std::move(args)...});
  return work{std::make_shared<std::function<caf::message()>>([call]() -> caf::message {
    const auto run = [&]() -> decltype(auto) {
      if constexpr (std::is_invocable_v<F&, Ts&...>)
        return std::apply(call->first, call->second);
      else
        return std::apply(std::move(call->first), std::move(call->second));
    };
    using result = std::decay_t<decltype(run())>;
    if constexpr (std::is_void_v<result>) {
      run();
      return caf::make_message();
    } else {
      return to_answer(run());
    }
  })};
}

/// A function and its arguments for a bulkhead's threads: `request(bulkhead, execute_atom_v,
/// make_work(f, x…))`. What the function returns is the answer: nothing, a value, a caf::error, or
/// a caf::expected, which is one of the two. What it throws is sec::runtime_error with its text.
///
/// A function whose first parameter is a std::stop_token is told by it when nobody waits for its
/// result any more: its time was up, or its caller has taken it back.
///
/// Function and arguments need not be copyable. A function that only takes what it may keep (a
/// std::unique_ptr by value) gets the arguments themselves and can run once.
template <class F, class... Ts>
work make_work(F f, Ts... args) {
  if constexpr (
      std::is_invocable_v<
          F&, std::stop_token,
          Ts&...> && !std::is_invocable_v<F&, Ts&...>) { // one that takes anything gets what it was given
    const std::stop_source stop;
    auto result =
        make_work([f = std::move(f), token = stop.get_token()](
                      Ts&... given) mutable -> decltype(auto) { return f(token, given...); },
                  std::move(args)...);
    result.stop = stop;
    return result;
  } else {
    return make_plain_work(std::move(f), std::move(args)...);
  }
}

/// Runs `f(args…)` on the threads of `bulkhead`: the answer is what it returns.
template <class Self, class F, class... Ts>
auto execute(Self&& self, const caf::actor& bulkhead, F f, Ts... args) {
  return compat::request(self, bulkhead, execute_atom_v,
                         make_work(std::move(f), std::move(args)...));
}

} // namespace bulwark
