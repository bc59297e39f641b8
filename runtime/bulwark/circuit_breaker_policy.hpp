#pragma once

#include "bulwark/circuit_view.hpp"
#include "bulwark/outcome_window.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

/// @file What a user says about a circuit breaker: when it opens, for how long, how it closes. How
/// it decides: circuit_breaker.hpp.

namespace bulwark {

/// When a breaker opens and how it closes. `Predicate` says which errors count as failures; the
/// core doesn't look at errors, so for it there is none (see bulwark::circuit_breaker_policy).
template <class Predicate>
struct basic_circuit_breaker_policy {
  /// Consecutive failures that open the circuit; 1 .. 1'000'000. With a window also 0: then the
  /// window alone decides.
  std::uint32_t failure_threshold = 5;
  /// Successes in half-open that close it; 1 .. 1'000'000.
  std::uint32_t success_threshold = 2;
  /// Time in open before probes are let through; 1 ms .. 100 years.
  timespan open_for = std::chrono::seconds{60};
  /// Probes in flight at once in half-open; 1 .. 10'000.
  std::uint32_t half_open_calls = 2;
  /// Which errors are failures of the target.
  Predicate failure_on = {};

  /// Opens by the share of failures, or of slow calls, among the last so many outcomes.
  std::optional<bulwark::count_window> count_window = std::nullopt;
  /// The same among the outcomes of the last so many seconds. With both, either opens.
  std::optional<bulwark::time_window> time_window = std::nullopt;
  /// An attempt that takes at least that long is slow, and so is one that times out; 1 ns ..
  /// 100 years, only with a window.
  std::optional<timespan> slow_call_duration = std::nullopt;

  /// How many times longer it stays open each time that it opens again without having been closed
  /// for as long as it was open; 1 .. 1'000. 1: always open_for. (Envoy, Finagle, brpc.)
  double open_growth = 1.0;
  /// The longest time in open, by growth or by a target's word; open_for .. 100 years.
  timespan max_open_for = std::chrono::seconds{300};
  /// At random, the time in open is shorter by up to this share, so that the callers of a target
  /// don't all come back at once; 0 .. 0.9. Of what a target says nothing is taken off.
  double open_jitter = 0.0;
  /// An error that carries a retry_after opens the circuit for that long, max_open_for at most.
  bool open_on_retry_after = false;
  /// Half-open that has come to no end so long after its first probe opens again; 1 ms .. 100 years.
  /// (resilience4j's maxWaitDurationInHalfOpenState.)
  std::optional<timespan> max_half_open_for = std::nullopt;
  /// So long after it has closed not all calls are let through, but a share that rises from
  /// `ramp_from` to 1; 1 ms .. a day. (Envoy's slow start, brpc's recovery.)
  std::optional<timespan> ramp_for = std::nullopt;
  /// The share with which the ramp begins; 0.01 .. 1.
  double ramp_from = 0.1;
  /// closed, forced_open, disabled or metrics_only.
  circuit_state initial_state = circuit_state::closed;

  friend bool operator==(const basic_circuit_breaker_policy&,
                         const basic_circuit_breaker_policy&) = default;
};

/// The numbers of a policy: what the core needs.
using circuit_breaker_limits = basic_circuit_breaker_policy<no_predicate>;

/// The same numbers, another predicate.
template <class Other, class Predicate>
basic_circuit_breaker_policy<Other>
with_predicate(const basic_circuit_breaker_policy<Predicate>& policy, Other predicate) {
  return {.failure_threshold = policy.failure_threshold,
          .success_threshold = policy.success_threshold,
          .open_for = policy.open_for,
          .half_open_calls = policy.half_open_calls,
          .failure_on = std::move(predicate),
          .count_window = policy.count_window,
          .time_window = policy.time_window,
          .slow_call_duration = policy.slow_call_duration,
          .open_growth = policy.open_growth,
          .max_open_for = policy.max_open_for,
          .open_jitter = policy.open_jitter,
          .open_on_retry_after = policy.open_on_retry_after,
          .max_half_open_for = policy.max_half_open_for,
          .ramp_for = policy.ramp_for,
          .ramp_from = policy.ramp_from,
          .initial_state = policy.initial_state};
}

template <class Predicate>
circuit_breaker_limits limits_of(const basic_circuit_breaker_policy<Predicate>& policy) {
  return with_predicate(policy, no_predicate{});
}

/// What is out of range, each field with its path "circuit_breaker.<field>". A field that would be
/// ignored, because what it belongs to is off, is out of range too.
policy_mistakes find_mistakes(const circuit_breaker_limits& policy);

/// How long it stays open when it opens for the `openings`th time (1: the first) without having
/// been well in between. `chance` from [0, 1), for jitter. Never overflows.
[[nodiscard]] timespan length_in_open(const circuit_breaker_limits& policy, std::uint32_t openings,
                                      double chance) noexcept;

/// Whether an attempt that took so long is a slow call.
[[nodiscard]] inline bool is_slow(const circuit_breaker_limits& policy, timespan took) noexcept {
  return policy.slow_call_duration && took >= *policy.slow_call_duration;
}

} // namespace bulwark
