#pragma once

#include "bulwark/caf_compat.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/unit.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace bulwark::sync {

/// What an actor said: a value, or an error where there is none.
template <class T>
struct answer_to {
  std::optional<std::conditional_t<std::is_void_v<T>, caf::unit_t, T>> value = std::nullopt;
  caf::error error = {};
};

/// Asks an actor and waits for its answer; one that has ended answers with an error. Not from
/// within an actor.
template <class T, class... Ts>
[[nodiscard]] answer_to<T> ask(caf::actor_system& system, const caf::actor& whom,
                               Ts&&... question) {
  answer_to<T> result;
  caf::scoped_actor self{system};
  auto on_error = [&result](caf::error& reason) { result.error = std::move(reason); };
  auto request = compat::request(self, whom, std::forward<Ts>(question)...);
  if constexpr (std::is_void_v<T>)
    std::move(request).receive([&result] { result.value = caf::unit; }, std::move(on_error));
  else
    std::move(request).receive([&result](T& value) { result.value = std::move(value); },
                               std::move(on_error));
  return result;
}

} // namespace bulwark::sync
