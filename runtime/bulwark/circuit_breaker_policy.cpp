#include "bulwark/circuit_breaker_policy.hpp"

#include "bulwark/circuit_transition.hpp"
#include "bulwark/retry.hpp"

#include <algorithm>
#include <chrono>

namespace bulwark {

namespace {

using std::chrono::milliseconds;

void check_rules(policy_mistakes& mistakes, const circuit_breaker_limits& policy) {
  const auto has_window = policy.count_window || policy.time_window;
  if (policy.failure_threshold != 0 || !has_window)
    check_range(mistakes, "circuit_breaker.failure_threshold",
                std::uint64_t{policy.failure_threshold}, 1, 1'000'000);
  if (policy.count_window)
    check_window(mistakes, "circuit_breaker.count_window", *policy.count_window);
  if (policy.time_window)
    check_window(mistakes, "circuit_breaker.time_window", *policy.time_window);
  if (!policy.slow_call_duration)
    return;
  check_range(mistakes, "circuit_breaker.slow_call_duration", *policy.slow_call_duration,
              timespan{1}, longest_timespan);
  if (!has_window)
    mistakes.push_back({"circuit_breaker.slow_call_duration", to_text(*policy.slow_call_duration),
                        "off where there is neither a count_window nor a time_window"});
}

void check_times(policy_mistakes& mistakes, const circuit_breaker_limits& policy) {
  check_range(mistakes, "circuit_breaker.open_for", policy.open_for, milliseconds{1},
              longest_timespan);
  check_range(mistakes, "circuit_breaker.open_growth", policy.open_growth, 1.0, 1'000.0);
  if (policy.open_growth != 1.0 || policy.open_on_retry_after)
    check_range(mistakes, "circuit_breaker.max_open_for", policy.max_open_for,
                std::clamp(policy.open_for, timespan{milliseconds{1}}, longest_timespan),
                longest_timespan);
  check_range(mistakes, "circuit_breaker.open_jitter", policy.open_jitter, 0.0, 0.9);
  if (policy.max_half_open_for)
    check_range(mistakes, "circuit_breaker.max_half_open_for", *policy.max_half_open_for,
                milliseconds{1}, longest_timespan);
  if (policy.ramp_for)
    check_range(mistakes, "circuit_breaker.ramp_for", *policy.ramp_for, milliseconds{1},
                std::chrono::hours{24});
  check_range(mistakes, "circuit_breaker.ramp_from", policy.ramp_from, 0.01, 1.0);
}

} // namespace

policy_mistakes find_mistakes(const circuit_breaker_limits& policy) {
  auto result = policy_mistakes{};
  check_rules(result, policy);
  check_range(result, "circuit_breaker.success_threshold", std::uint64_t{policy.success_threshold},
              1, 1'000'000);
  check_times(result, policy);
  check_range(result, "circuit_breaker.half_open_calls", std::uint64_t{policy.half_open_calls}, 1,
              10'000);
  switch (policy.initial_state) {
  case circuit_state::closed:
  case circuit_state::forced_open:
  case circuit_state::disabled:
  case circuit_state::metrics_only:
    return result;
  case circuit_state::open:
  case circuit_state::half_open:
    break;
  }
  // Also what came in as a number.
  result.push_back({"circuit_breaker.initial_state", to_string(policy.initial_state),
                    "closed, forced_open, disabled, metrics_only"});
  return result;
}

timespan length_in_open(const circuit_breaker_limits& policy, std::uint32_t openings,
                        double chance) noexcept {
  auto longest = policy.open_for;
  if (policy.open_growth != 1.0)
    longest = capped_delay({.base_delay = policy.open_for,
                            .exponential_base = policy.open_growth,
                            .max_delay = policy.max_open_for},
                           openings);
  // After the cap, or all that have reached it would come back at once. Never to nothing.
  const auto off = policy.open_jitter * chance * static_cast<double>(longest.count());
  return std::max(longest - timespan{static_cast<timespan::rep>(off)},
                  std::min(longest, timespan{milliseconds{1}}));
}

} // namespace bulwark
