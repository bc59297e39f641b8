#pragma once

#include "bulwark/all.hpp"
#include "bulwark/caf_compat.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace bulwarkd {

/// What an actor said, or why it didn't.
template <class T>
struct reply_or_error {
  std::optional<T> value = {};
  caf::error why = {};
};

/// The longest that somebody waits for figures: a node with 1'000 guards takes 20 ms.
inline constexpr caf::timespan question_timeout = std::chrono::seconds{5};

/// Asks from a thread that is no actor's, and waits.
template <class T, class... Ts>
reply_or_error<T> ask(caf::actor_system& system, const caf::actor& whom, Ts&&... xs) {
  reply_or_error<T> result;
  caf::scoped_actor self{system};
  bulwark::compat::request_within(self, whom, question_timeout, std::forward<Ts>(xs)...)
      .receive([&](T& said) { result.value = std::move(said); },
               [&](caf::error& why) { result.why = std::move(why); });
  return result;
}

/// Where the answer is only that it is done.
template <class... Ts>
caf::error tell_and_wait(caf::actor_system& system, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  caf::scoped_actor self{system};
  bulwark::compat::request_within(self, whom, question_timeout, std::forward<Ts>(xs)...)
      .receive([] {}, [&](caf::error& why) { result = std::move(why); });
  return result;
}

} // namespace bulwarkd
