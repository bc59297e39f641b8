#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/retry_budget.hpp"
#include "bulwark/statistics.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

/// @file Hedging: a second copy of a call whose first one takes unusually long.
///
/// Of many calls some few take very long, for reasons that lie in the moment and not in the call: a
/// queue, a pause of the garbage collector, a lost packet. A copy that is sent after the time in
/// which nearly all calls have their reply gets one soon, and costs little, for few calls need it.
/// The first copy that succeeds is the answer, the other is cut. A copy that fails is not the
/// answer as long as the other may succeed. (In resilience4j the first that ends is, whatever it
/// says.)
///
/// When that is, is the policy's `delay`, or measured: the `percentile` of what calls took lately,
/// a call with two copies counted from its first. How many there may be is a budget's to say: where
/// the target has become slow for all, all would be sent twice, and make it slower.
///
/// Only calls that may be made twice are hedged.
///
/// Sources: Dean and Barroso, "The Tail at Scale", 2013 (p95, 2 % more calls cut p99.9 from 1,800
/// ms to 74 ms); Finagle's BackupRequestFilter (a percentile within an extra load).

namespace bulwark {

/// When a call gets a second copy.
struct hedge_policy {
  /// The wait before it; nullopt: what is measured. 0 .. 100 years.
  std::optional<timespan> delay = std::nullopt;
  /// The share of calls that had their reply in the wait that is measured; 0.5 .. 0.9999.
  double percentile = 0.95;
  /// The shortest wait that is measured; 0 .. 100 years.
  timespan min_delay = std::chrono::milliseconds{1};
  /// Calls that have to be known before there is a measured wait, and any second copy; 1 ..
  /// 1'000'000.
  std::uint32_t minimum_calls = 100;
  /// What was longer ago is not measured any more; 100 ms .. 24 h.
  timespan memory = std::chrono::seconds{30};
  /// Second copies for each call; 0 .. 1.
  double ratio = 0.02;
  /// Over which ratio is meant; 10 ms .. 24 h.
  timespan window = std::chrono::seconds{10};

  friend bool operator==(const hedge_policy&, const hedge_policy&) = default;
};

/// What is out of range, each field with its path "hedge.<field>".
policy_mistakes find_mistakes(const hedge_policy& policy);

/// Says when a call gets its second copy, and whether there is one left. Not thread-safe: it has one
/// owner.
class hedging {
public:
  /// Requires: find_mistakes(policy) is empty.
  hedging(const hedge_policy& policy, instant now);

  /// Takes the new numbers and goes on from what it has measured. Requires: find_mistakes(policy) is
  /// empty.
  void change_policy(const hedge_policy& policy, instant now) noexcept;
  [[nodiscard]] const hedge_policy& policy() const noexcept { return policy_; }

  /// A call's first copy goes to the target.
  void on_call(instant now) { budget_.on_call(now); }
  /// A call had its reply, `elapsed` after its first copy went out. Where memory for it is refused
  /// it is as if it had not been.
  void on_success(timespan elapsed, instant now) noexcept;

  /// How long to wait from a first copy to the second; nullopt: too little is known.
  [[nodiscard]] std::optional<timespan> delay(instant now) noexcept;
  /// Takes a second copy. False: none is left.
  [[nodiscard]] bool try_spend(instant now) { return budget_.try_spend(now); }

private:
  hedge_policy policy_;
  retry_budget budget_;
  // Two halves of `memory`: the older one goes as a whole.
  latency_histogram older_;
  latency_histogram newer_;
  instant half_ends_;
  std::uint64_t look_again_at_ = 0; // observations of the two
  std::optional<timespan> measured_;

  [[nodiscard]] std::uint64_t known() const noexcept { return older_.count() + newer_.count(); }
  void forget(instant now) noexcept;
  void measure();
};

} // namespace bulwark
