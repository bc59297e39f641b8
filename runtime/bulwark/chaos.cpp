#include "bulwark/chaos.hpp"

#include <algorithm>
#include <cmath>

namespace bulwark {

policy_mistakes find_mistakes(const chaos_policy& policy) {
  constexpr auto day = timespan{std::chrono::hours{24}};
  auto result = policy_mistakes{};
  check_range(result, "chaos.latency_rate", policy.latency_rate, 0, 1);
  check_range(result, "chaos.min_latency", policy.min_latency, timespan{0}, day);
  check_range(result, "chaos.max_latency", policy.max_latency,
              std::clamp(policy.min_latency, timespan{0}, day), day);
  // Of the three only one can happen: what the ones before leave is the most for the next.
  auto left = 1.0;
  const auto take = [&](const char* field, double rate) {
    check_range(result, field, rate, 0, left);
    if (rate >= 0 && rate <= left)
      left = std::round((left - rate) * 1e12) / 1e12; // 1 - 0.9 is less than 0.1
  };
  take("chaos.error_rate", policy.error_rate);
  take("chaos.lost_reply_rate", policy.lost_reply_rate);
  take("chaos.kill_rate", policy.kill_rate);
  return result;
}

injection chaos::decide(criticality of_the_call) noexcept {
  auto result = injection{};
  if (spares(of_the_call))
    return result;
  ++counts_.attempts;
  const auto is_late = random_.unit() < policy_.latency_rate;
  const auto how_late = random_.unit();
  if (is_late) {
    const auto range = policy_.max_latency - policy_.min_latency;
    // A day of nanoseconds is exact in a double.
    result.latency =
        policy_.min_latency
        + timespan{static_cast<timespan::rep>(how_late * static_cast<double>(range.count() + 1))};
    ++counts_.delayed;
  }
  const auto one_of = random_.unit();
  if (one_of < policy_.error_rate) {
    result.what = fault::error;
    ++counts_.errors;
  } else if (one_of < policy_.error_rate + policy_.lost_reply_rate) {
    result.what = fault::lost_reply;
    ++counts_.lost_replies;
  } else if (one_of < policy_.error_rate + policy_.lost_reply_rate + policy_.kill_rate) {
    result.what = fault::kill;
    ++counts_.kills;
  }
  return result;
}

bool chaos::spares(criticality of_the_call) const noexcept {
  switch (of_the_call) {
  case criticality::critical:
    return !policy_.critical;
  case criticality::normal:
    return !policy_.normal;
  case criticality::sheddable:
    return !policy_.sheddable;
  }
  return true;
}

} // namespace bulwark
