#pragma once

#include "bulwark/all.hpp"

#include <array>

/// @file The words that stand for values in settings, once for those who read and who write them.

namespace bulwarkd {

template <class T>
struct choice {
  const char* name;
  T value;
};

/// The words of a type; nothing where it has none. Specialised for each below.
template <class T>
inline constexpr std::array<choice<T>, 0> choices{};

template <>
inline constexpr auto choices<bulwark::cancel_signal> =
    std::array{choice<bulwark::cancel_signal>{"automatic", bulwark::cancel_signal::automatic},
               choice<bulwark::cancel_signal>{"on", bulwark::cancel_signal::on},
               choice<bulwark::cancel_signal>{"off", bulwark::cancel_signal::off}};

template <>
inline constexpr auto choices<bulwark::jitter_kind> =
    std::array{choice<bulwark::jitter_kind>{"none", bulwark::jitter_kind::none},
               choice<bulwark::jitter_kind>{"full", bulwark::jitter_kind::full},
               choice<bulwark::jitter_kind>{"equal", bulwark::jitter_kind::equal},
               choice<bulwark::jitter_kind>{"decorrelated", bulwark::jitter_kind::decorrelated}};

template <>
inline constexpr auto choices<bulwark::limit_algorithm> =
    std::array{choice<bulwark::limit_algorithm>{"gradient", bulwark::limit_algorithm::gradient},
               choice<bulwark::limit_algorithm>{"aimd", bulwark::limit_algorithm::aimd}};

/// How a circuit begins.
template <>
inline constexpr auto choices<bulwark::circuit_state> = std::array{
    choice<bulwark::circuit_state>{"closed", bulwark::circuit_state::closed},
    choice<bulwark::circuit_state>{"forced_open", bulwark::circuit_state::forced_open},
    choice<bulwark::circuit_state>{"disabled", bulwark::circuit_state::disabled},
    choice<bulwark::circuit_state>{"metrics_only", bulwark::circuit_state::metrics_only}};

template <>
inline constexpr auto choices<bulwark::trip_scope> =
    std::array{choice<bulwark::trip_scope>{"own", bulwark::trip_scope::own},
               choice<bulwark::trip_scope>{"quorum", bulwark::trip_scope::quorum},
               choice<bulwark::trip_scope>{"any", bulwark::trip_scope::any}};

template <>
inline constexpr auto choices<bulwark::owner_lost> =
    std::array{choice<bulwark::owner_lost>{"local", bulwark::owner_lost::local},
               choice<bulwark::owner_lost>{"fail_open", bulwark::owner_lost::fail_open},
               choice<bulwark::owner_lost>{"fail_closed", bulwark::owner_lost::fail_closed}};

/// What a predicate may be in settings: functions can't be said.
template <>
inline constexpr auto choices<bulwark::error_predicate::kind> = std::array{
    choice<bulwark::error_predicate::kind>{"transient", bulwark::error_predicate::kind::transient},
    choice<bulwark::error_predicate::kind>{"counted", bulwark::error_predicate::kind::counted},
    choice<bulwark::error_predicate::kind>{"always", bulwark::error_predicate::kind::always},
    choice<bulwark::error_predicate::kind>{"never", bulwark::error_predicate::kind::never}};

/// A type whose values are said by words.
template <class T>
concept has_choices = !choices<T>.empty();

} // namespace bulwarkd
