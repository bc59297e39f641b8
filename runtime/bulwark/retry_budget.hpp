#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <array>
#include <cstdint>
#include <string>

/// @file A retry budget: how much load retries may add.
///
/// Where a target is down each call is made max_attempts times: what was too much for it becomes
/// three times as much. A budget bounds what all calls together may add. Calls whose first attempt
/// goes to the target earn, each retry spends, and takes back what its call has earned; where nothing
/// is left the call's error comes back as it is.
///
/// In each window as many retries as the greater of ratio x (calls - retries) and min_per_second x
/// window, rounded down. The window slides in tenths of its length. That much the target sees at most:
/// 1 + ratio times the calls, and where there are few calls min_per_second more. An outage begins with
/// what the calls before it have earned; because a call that is tried again earns nothing, it sees
/// 1 + ratio / (1 + ratio) times the calls and that is below 1 + ratio when it has ended.
///
/// Rejected: ratio x calls, as others have it. An outage of six windows sees a hair more than
/// 1 + ratio times its calls then, whenever a few calls more than usual came in the window before it.
///
/// What others got wrong (FIELD 4.13): a retry is spent when it is decided, so those in backoff
/// count; what counts below the line is calls, not attempts or requests in flight, which fail or
/// become retries just when it matters; few calls have the minimum.
///
/// Sources: Finagle's RetryBudget (calls, window, minimum); Envoy's retry budget (the greater of
/// share and minimum, not their sum); "Handling Overload" in Site Reliability Engineering (a tenth).

namespace bulwark {

/// How much retries may add to calls.
struct retry_budget_policy {
  /// Retries for each call that isn't tried again; 0 .. 100. There are always fewer than calls.
  double ratio = 0.1;
  /// Retries that there are in any case; 0 .. 1'000'000.
  double min_per_second = 1.0;
  /// Over which both are meant; 10 ms .. 24 h.
  timespan window = std::chrono::seconds{10};
  /// Guards of one node whose budgets have the same name share one; empty: the guard has its own.
  std::string name = {};

  friend bool operator==(const retry_budget_policy&, const retry_budget_policy&) = default;
};

/// What is out of range, each field with its path "retry.budget.<field>".
policy_mistakes find_mistakes(const retry_budget_policy& policy);

/// Where a supervisor's retries come from: a budget of its own, or one that several share.
class retry_allowance {
public:
  /// A call's first attempt goes to the target.
  virtual void on_call(instant now) = 0;
  /// Takes one retry. False: nothing is left.
  [[nodiscard]] virtual bool try_spend(instant now) = 0;

protected:
  ~retry_allowance() = default;
};

/// A budget. Not thread-safe: it has one owner. Complexity: O(1).
class retry_budget final : public retry_allowance {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit retry_budget(const retry_budget_policy& policy) noexcept
      : retry_budget(share_of(policy), policy.min_per_second, policy.window) {}
  /// `share`: of all calls, tried again or not. In the ranges of a policy's fields.
  retry_budget(double share, double min_per_second, timespan window) noexcept
      : share_(share),
        minimum_(min_per_second * std::chrono::duration<double>{window}.count()),
        step_(window / steps) {}

  /// Takes the new numbers. What the window holds stays: where its length is another one, as if it had
  /// all happened just now. Requires: find_mistakes(policy) is empty.
  void change_policy(const retry_budget_policy& policy, instant now) noexcept {
    change(share_of(policy), policy.min_per_second, policy.window, now);
  }
  /// The same, as the second constructor has it.
  void change(double share, double min_per_second, timespan window, instant now) noexcept;

  /// A time before the latest one counts as that: supervisors that share a budget read the clock
  /// each for itself.
  void on_call(instant now) override;
  [[nodiscard]] bool try_spend(instant now) override;

  /// Retries that could be taken now.
  [[nodiscard]] std::uint64_t available(instant now) noexcept;

private:
  static constexpr std::int64_t steps = 10;
  struct counts {
    std::uint64_t calls = 0;
    std::uint64_t retries = 0;
  };

  double share_;
  double minimum_;
  timespan step_;
  std::int64_t current_ = 0; // the step that time is in, counted from the time line's zero
  std::array<counts, steps> by_step_{};
  counts window_; // their sum

  [[nodiscard]] static double share_of(const retry_budget_policy& policy) noexcept {
    return policy.ratio / (1 + policy.ratio);
  }
  void slide(instant now) noexcept;
  [[nodiscard]] counts& step(std::int64_t number) noexcept {
    return by_step_[static_cast<std::size_t>(number % steps)];
  }
};

} // namespace bulwark
