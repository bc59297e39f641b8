#pragma once

#include "bulwark/guard.hpp"
#include "bulwark/lease.hpp"

#include <array>

/// @file The words that stand for values in settings, once for those who read and who write them.

namespace bulwark {

template <class T>
struct choice {
  const char* name;
  T value;
};

/// The words of a type; nothing where it has none. Specialised for each below.
template <class T>
inline constexpr std::array<choice<T>, 0> choices{};

template <>
inline constexpr auto choices<cancel_signal> =
    std::array{choice<cancel_signal>{"automatic", cancel_signal::automatic},
               choice<cancel_signal>{"on", cancel_signal::on},
               choice<cancel_signal>{"off", cancel_signal::off}};

template <>
inline constexpr auto choices<jitter_kind> =
    std::array{choice<jitter_kind>{"none", jitter_kind::none},
               choice<jitter_kind>{"full", jitter_kind::full},
               choice<jitter_kind>{"equal", jitter_kind::equal},
               choice<jitter_kind>{"decorrelated", jitter_kind::decorrelated}};

template <>
inline constexpr auto choices<limit_algorithm> =
    std::array{choice<limit_algorithm>{"gradient", limit_algorithm::gradient},
               choice<limit_algorithm>{"aimd", limit_algorithm::aimd}};

/// How a circuit begins.
template <>
inline constexpr auto choices<circuit_state> =
    std::array{choice<circuit_state>{"closed", circuit_state::closed},
               choice<circuit_state>{"forced_open", circuit_state::forced_open},
               choice<circuit_state>{"disabled", circuit_state::disabled},
               choice<circuit_state>{"metrics_only", circuit_state::metrics_only}};

template <>
inline constexpr auto choices<trip_scope> =
    std::array{choice<trip_scope>{"own", trip_scope::own},
               choice<trip_scope>{"quorum", trip_scope::quorum},
               choice<trip_scope>{"any", trip_scope::any}};

template <>
inline constexpr auto choices<owner_lost> =
    std::array{choice<owner_lost>{"local", owner_lost::local},
               choice<owner_lost>{"fail_open", owner_lost::fail_open},
               choice<owner_lost>{"fail_closed", owner_lost::fail_closed}};

template <>
inline constexpr auto choices<restart_strategy> =
    std::array{choice<restart_strategy>{"one_for_one", restart_strategy::one_for_one},
               choice<restart_strategy>{"one_for_all", restart_strategy::one_for_all},
               choice<restart_strategy>{"rest_for_one", restart_strategy::rest_for_one}};

/// What a predicate may be in settings: functions can't be said.
template <>
inline constexpr auto choices<error_predicate::kind> =
    std::array{choice<error_predicate::kind>{"transient", error_predicate::kind::transient},
               choice<error_predicate::kind>{"counted", error_predicate::kind::counted},
               choice<error_predicate::kind>{"always", error_predicate::kind::always},
               choice<error_predicate::kind>{"never", error_predicate::kind::never}};

/// A type whose values are said by words.
template <class T>
concept has_choices = !choices<T>.empty();

} // namespace bulwark
