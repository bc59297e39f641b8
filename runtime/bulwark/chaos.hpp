#pragma once

#include "bulwark/criticality.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <cstdint>

/// @file Chaos: faults on purpose, in tests and on game days.
///
/// Whether callers survive what a target can do to them is seen only when it does it. Chaos stands
/// innermost, between the attempt's timeout and the call: all other parts take its faults for the
/// target's. Some attempts get to the target late; some are answered with an error in its name
/// without reaching it; the reply of some is lost; and some find a target that ends once it has
/// them.
///
/// The same seed and the same attempts, the same faults. Each attempt takes the same numbers from
/// the stream, whatever the rates: who changes one rate changes that fault alone.
///
/// Sources: Basiri et al., "Chaos Engineering", IEEE Software 2016; Polly 8's chaos strategies (rate,
/// latency, fault), which stand innermost too.

namespace bulwark {

/// What goes wrong on purpose, and how often. Rates are shares of attempts.
struct chaos_policy {
  double latency_rate = 0;    ///< That reach the target late; 0 .. 1.
  timespan min_latency{0};    ///< How late at least; 0 .. 1 day.
  timespan max_latency{0};    ///< How late at most; min_latency .. 1 day.
  double error_rate = 0;      ///< That don't reach it, and get an error; 0 .. 1.
  double lost_reply_rate = 0; ///< Whose reply is lost; 0 .. 1 - error_rate.
  /// That the target ends by; 0 .. 1 - error_rate - lost_reply_rate.
  double kill_rate = 0;
  bool critical = true;  ///< Whether calls of this criticality may be hit; all others are spared.
  bool normal = true;    ///< The same.
  bool sheddable = true; ///< The same.
  std::uint64_t seed = 0;
  bool transient_errors = true; ///< Errors are marked so that it is worth trying again.

  friend bool operator==(const chaos_policy&, const chaos_policy&) = default;
};

/// What is out of range, each field with its path "chaos.<field>".
policy_mistakes find_mistakes(const chaos_policy& policy);

/// Whether nothing goes wrong by it.
constexpr bool is_off(const chaos_policy& policy) noexcept {
  return policy.latency_rate <= 0 && policy.error_rate <= 0 && policy.lost_reply_rate <= 0
         && policy.kill_rate <= 0;
}

enum class fault : std::uint8_t {
  none,
  error,      ///< Answered with an error, without having reached the target.
  lost_reply, ///< The target gets it; its reply is dropped.
  kill,       ///< The target gets it, and is told to end.
};

/// What happens to one attempt: first the wait, then the fault.
struct injection {
  timespan latency{0};
  fault what = fault::none;

  friend bool operator==(const injection&, const injection&) = default;
};

/// What chaos has done.
struct chaos_counts {
  std::uint64_t attempts = 0; ///< That it could have hit.
  std::uint64_t delayed = 0;
  std::uint64_t errors = 0;
  std::uint64_t lost_replies = 0;
  std::uint64_t kills = 0;

  friend bool operator==(const chaos_counts&, const chaos_counts&) = default;
};

/// Decides what goes wrong with each attempt. Not thread-safe: it has one owner.
class chaos {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit chaos(const chaos_policy& policy) noexcept : policy_(policy), random_(policy.seed) {}

  /// Decides about one attempt, and counts it.
  [[nodiscard]] injection decide(criticality of_the_call) noexcept;

  [[nodiscard]] const chaos_policy& policy() const noexcept { return policy_; }
  [[nodiscard]] const chaos_counts& counts() const noexcept { return counts_; }

private:
  chaos_policy policy_;
  random_stream random_;
  chaos_counts counts_;

  [[nodiscard]] bool spares(criticality of_the_call) const noexcept;
};

} // namespace bulwark
