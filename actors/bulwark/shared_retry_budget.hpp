#pragma once

#include "bulwark/retry_budget.hpp"

#include <mutex>
#include <utility>

namespace bulwark {

/// A retry budget that several use, each from its own thread: guards of a node, or the attempts of
/// a sync::retry. Exact: what they take together is what one could take.
///
/// A lock, and not a message, for it is asked while a call is being decided; held for a few
/// additions, and by calls only where there is a budget.
///
/// Thread safety: all members may be called from any thread.
class shared_retry_budget final : public retry_allowance {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit shared_retry_budget(retry_budget_policy policy)
      : policy_(std::move(policy)), budget_(policy_) {}

  void on_call(instant now) override {
    std::lock_guard guard{mutex_};
    budget_.on_call(now);
  }

  [[nodiscard]] bool try_spend(instant now) override {
    std::lock_guard guard{mutex_};
    return budget_.try_spend(now);
  }

  /// Requires: find_mistakes(policy) is empty.
  void change_policy(retry_budget_policy policy, instant now) {
    std::lock_guard guard{mutex_};
    policy_ = std::move(policy);
    budget_.change_policy(policy_, now);
  }

  [[nodiscard]] retry_budget_policy policy() const {
    std::lock_guard guard{mutex_};
    return policy_;
  }

private:
  retry_budget_policy policy_;
  mutable std::mutex mutex_;
  retry_budget budget_;
};

} // namespace bulwark
