#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/random.hpp"
#include "bulwark/retry_budget.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

/// @file Backoff: how long to wait before the next attempt.
///
/// Many failures are short: a lost connection, a full queue. Trying again helps, if the callers
/// don't all come back at once. So the wait grows exponentially, and chance spreads it.
///
/// The wait after attempt n is `base_delay * exponential_base^(n-1)`, capped by `max_delay`; jitter
/// is applied after the cap. (Jitter first and cap afterwards, as resilience4j and Polly have it,
/// bunches all late attempts at the cap.)
///
/// | jitter       | the wait, d being the capped delay                                         |
/// | ------------ | -------------------------------------------------------------------------- |
/// | none         | d                                                                          |
/// | full         | anything from 0 to d: spreads best, the default                            |
/// | equal        | anything from d/2 to d: never short                                        |
/// | decorrelated | anything from base_delay to the lesser of max_delay and 3x the last wait   |
///
/// In decorrelated jitter base_delay stands for the last wait before there was one.
///
/// Where an error says when to come back (see retry_after), the wait begins then: at least as long,
/// and those who were told the same come spread. An error that names a time beyond max_retry_after
/// comes back as it is, at once: to come earlier would be against the target's word, and longer
/// nobody shall wait unasked. So does one that says not to come back, as in gRPC.
///
/// Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

namespace bulwark {

enum class jitter_kind : std::uint8_t { none = 0, full = 1, equal = 2, decorrelated = 3 };

/// Another base_delay after some errors.
template <class Predicate>
struct basic_error_delay {
  /// After which errors.
  Predicate on;
  /// Instead of the policy's; 0 .. 100 years.
  timespan base_delay{0};

  friend bool operator==(const basic_error_delay&, const basic_error_delay&) = default;
};

/// What a policy has and the core no use for: there may be a million guards.
template <class Predicate, class T>
using outside_cores = std::conditional_t<std::is_same_v<Predicate, no_predicate>, no_predicate, T>;

/// How often and when to try again. `Predicate` says after which errors; the core doesn't look at
/// errors, so for it there is none (see bulwark::retry_policy).
template <class Predicate>
struct basic_retry_policy {
  /// Attempts in all, the first try included; 1 .. 1'000'000.
  std::uint32_t max_attempts = 3;
  /// The wait after the first attempt; 0 .. 100 years.
  timespan base_delay = std::chrono::seconds{1};
  /// Each wait is that many times the one before; 1.0 .. the largest double.
  double exponential_base = 2.0;
  /// The longest wait, before jitter; 0 .. 100 years.
  timespan max_delay = std::chrono::seconds{60};
  jitter_kind jitter = jitter_kind::full;
  /// After which errors to try again.
  Predicate retry_on = {};
  /// How much load retries may add; nullopt: max_attempts alone bounds it.
  outside_cores<Predicate, std::optional<retry_budget_policy>> budget = {};
  /// The longest that an error may ask to be waited for; 0 .. 100 years.
  timespan max_retry_after = std::chrono::seconds{60};
  /// Other base delays: the first whose predicate holds counts.
  outside_cores<Predicate, std::vector<basic_error_delay<Predicate>>> delays = {};
  /// Whether a call that doesn't say so itself may be made twice. One that may not is tried again
  /// only where it surely was not begun: refused by a part, or not delivered.
  bool idempotent = true;

  friend bool operator==(const basic_retry_policy&, const basic_retry_policy&) = default;
};

/// The numbers of a policy: what the core needs.
using retry_limits = basic_retry_policy<no_predicate>;

template <class Predicate>
retry_limits limits_of(const basic_retry_policy<Predicate>& policy) {
  return {.max_attempts = policy.max_attempts,
          .base_delay = policy.base_delay,
          .exponential_base = policy.exponential_base,
          .max_delay = policy.max_delay,
          .jitter = policy.jitter,
          .max_retry_after = policy.max_retry_after,
          .idempotent = policy.idempotent};
}

/// What is out of range, each field with its path "retry.<field>".
policy_mistakes find_mistakes(const retry_limits& policy);

template <class Predicate>
policy_mistakes find_mistakes(const basic_retry_policy<Predicate>& policy) {
  auto result = find_mistakes(limits_of(policy));
  if (policy.budget) {
    const auto more = find_mistakes(*policy.budget);
    result.insert(result.end(), more.begin(), more.end());
  }
  for (std::size_t i = 0; i < policy.delays.size(); ++i)
    check_range(result, "retry.delays[" + std::to_string(i) + "].base_delay",
                policy.delays[i].base_delay, timespan::zero(), longest_timespan);
  return result;
}

/// The wait after attempt `attempt` (1: the first), without jitter. Never overflows, never
/// negative, at most max_delay. Complexity: O(1). Requires: find_mistakes(policy) is empty, attempt
/// >= 1.
[[nodiscard]] timespan capped_delay(const retry_limits& policy, std::uint32_t attempt) noexcept;

/// The wait after attempt `attempt`, with jitter. `previous` is the wait before that attempt (0 for
/// the first); only decorrelated jitter looks at it.
[[nodiscard]] timespan backoff_delay(const retry_limits& policy, std::uint32_t attempt,
                                     timespan previous, random_stream& random) noexcept;

/// The enumerator's name.
std::string to_string(jitter_kind jitter);

} // namespace bulwark
