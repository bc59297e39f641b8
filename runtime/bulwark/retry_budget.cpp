#include "bulwark/retry_budget.hpp"

#include <algorithm>
#include <utility>

namespace bulwark {

policy_mistakes find_mistakes(const retry_budget_policy& policy) {
  using namespace std::chrono_literals;
  policy_mistakes result;
  check_range(result, "retry.budget.ratio", policy.ratio, 0.0, 100.0);
  check_range(result, "retry.budget.min_per_second", policy.min_per_second, 0.0, 1e6);
  check_range(result, "retry.budget.window", policy.window, timespan{10ms}, timespan{24h});
  return result;
}

void retry_budget::change(double share, double min_per_second, timespan window,
                          instant now) noexcept {
  slide(now);
  const auto before = window_;
  const auto old_step = std::exchange(step_, window / steps);
  share_ = share;
  minimum_ = min_per_second * std::chrono::duration<double>{window}.count();
  if (step_ == old_step)
    return;
  by_step_ = {};
  current_ = std::max(now.time_since_epoch(), current_ * old_step) / step_;
  step(current_) = window_ = before;
}

void retry_budget::on_call(instant now) {
  slide(now);
  ++step(current_).calls;
  ++window_.calls;
}

bool retry_budget::try_spend(instant now) {
  if (available(now) == 0)
    return false;
  ++step(current_).retries;
  ++window_.retries;
  return true;
}

std::uint64_t retry_budget::available(instant now) noexcept {
  slide(now);
  // A hair more than exact: 0.29 of 100 calls is 28.999999999999996 in doubles.
  constexpr auto hair = 1e-6;
  const auto allowed = std::max(share_ * static_cast<double>(window_.calls), minimum_) + hair;
  const auto whole = static_cast<std::uint64_t>(allowed);
  return whole > window_.retries ? whole - window_.retries : 0;
}

/// What is older than the window leaves it.
void retry_budget::slide(instant now) noexcept {
  const auto to = now.time_since_epoch() / step_;
  if (to - current_ >= steps) {
    by_step_ = {};
    window_ = {};
    current_ = to;
  }
  while (current_ < to) {
    auto& oldest = step(++current_);
    window_.calls -= oldest.calls;
    window_.retries -= oldest.retries;
    oldest = {};
  }
}

} // namespace bulwark
