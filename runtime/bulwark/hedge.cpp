#include "bulwark/hedge.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace bulwark {

policy_mistakes find_mistakes(const hedge_policy& policy) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  auto result = policy_mistakes{};
  if (policy.delay)
    check_range(result, "hedge.delay", *policy.delay, timespan{0}, longest_timespan);
  check_range(result, "hedge.percentile", policy.percentile, 0.5, 0.9999);
  check_range(result, "hedge.min_delay", policy.min_delay, timespan{0}, longest_timespan);
  check_range(result, "hedge.minimum_calls", std::uint64_t{policy.minimum_calls}, 1, 1'000'000);
  check_range(result, "hedge.memory", policy.memory, milliseconds{100}, hours{24});
  check_range(result, "hedge.ratio", policy.ratio, 0, 1);
  check_range(result, "hedge.window", policy.window, milliseconds{10}, hours{24});
  return result;
}

hedging::hedging(const hedge_policy& policy, instant now)
    : policy_(policy),
      budget_(policy.ratio, 0, policy.window),
      half_ends_(saturating_add(now, policy.memory / 2)),
      look_again_at_(policy.minimum_calls) {}

void hedging::change_policy(const hedge_policy& policy, instant now) noexcept {
  policy_ = policy;
  budget_.change(policy.ratio, 0, policy.window, now);
  half_ends_ = std::min(half_ends_, saturating_add(now, policy.memory / 2));
  look_again_at_ = policy.minimum_calls; // with the next reply
  if (known() < policy.minimum_calls)
    measured_.reset();
}

void hedging::on_success(timespan elapsed, instant now) noexcept {
  if (policy_.delay)
    return;
  forget(now);
  try {
    newer_.record(elapsed);
    if (known() >= look_again_at_)
      measure();
  } catch (const std::bad_alloc&) {
  }
}

std::optional<timespan> hedging::delay(instant now) noexcept {
  if (policy_.delay)
    return policy_.delay;
  forget(now);
  return measured_;
}

/// Where a half is over, or both.
void hedging::forget(instant now) noexcept {
  if (now < half_ends_)
    return;
  const auto half = policy_.memory / 2;
  const auto only_one = now - half_ends_ < half;
  older_ = only_one ? std::exchange(newer_, {}) : latency_histogram{};
  newer_ = {};
  half_ends_ = saturating_add(only_one ? half_ends_ : now, half);
  // The last measure holds on until there is a new one, but not where nothing is known any more.
  look_again_at_ = policy_.minimum_calls;
  if (known() < policy_.minimum_calls)
    measured_.reset();
}

/// Not for every call: it looks at all that is known.
void hedging::measure() {
  auto all = older_;
  all += newer_;
  measured_ = std::max(all.quantile(policy_.percentile), policy_.min_delay);
  look_again_at_ = known() + std::max<std::uint64_t>(known() / 8, 16);
}

} // namespace bulwark
