#include "bulwark/retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace bulwark {

namespace {

// Anything from low to high, both included. Requires: low <= high.
timespan between(timespan low, timespan high, random_stream& random) noexcept {
  auto span = high - low;
  auto share = random.unit() * (static_cast<double>(span.count()) + 1.0);
  // Beyond 2^53 ns the span itself was rounded: the end must not depend on how.
  return low + std::min(span, timespan{static_cast<timespan::rep>(share)});
}

// From base_delay to three times the last wait; the first time, base_delay stands for that.
timespan decorrelated(const retry_limits& policy, timespan previous,
                      random_stream& random) noexcept {
  auto last = std::max(previous, policy.base_delay);
  auto high = last > policy.max_delay / 3 ? policy.max_delay : last * 3;
  return between(std::min(policy.base_delay, high), high, random);
}

} // namespace

policy_mistakes find_mistakes(const retry_limits& policy) {
  auto result = policy_mistakes{};
  check_range(result, "retry.max_attempts", std::uint64_t{policy.max_attempts}, 1, 1'000'000);
  check_range(result, "retry.base_delay", policy.base_delay, timespan::zero(), longest_timespan);
  check_range(result, "retry.exponential_base", policy.exponential_base, 1.0,
              std::numeric_limits<double>::max());
  check_range(result, "retry.max_delay", policy.max_delay, timespan::zero(), longest_timespan);
  if (policy.jitter > jitter_kind::decorrelated) // came in as a number
    result.push_back({"retry.jitter", fmt::to_string(static_cast<unsigned>(policy.jitter)),
                      "none, full, equal, decorrelated"});
  check_range(result, "retry.max_retry_after", policy.max_retry_after, timespan::zero(),
              longest_timespan);
  return result;
}

timespan capped_delay(const retry_limits& policy, std::uint32_t attempt) noexcept {
  auto factor = std::pow(policy.exponential_base, static_cast<double>(attempt - 1));
  // Exact where it can be: a double holds whole nanoseconds only up to 104 days. And 0 times an
  // infinite factor would be NaN.
  if (factor == 1.0 || policy.base_delay == timespan::zero())
    return std::min(policy.base_delay, policy.max_delay);
  auto delay = static_cast<double>(policy.base_delay.count()) * factor;
  // Compared before it is converted: out of range, the conversion is undefined.
  return delay < static_cast<double>(policy.max_delay.count())
             ? timespan{static_cast<timespan::rep>(std::round(delay))}
             : policy.max_delay;
}

timespan backoff_delay(const retry_limits& policy, std::uint32_t attempt, timespan previous,
                       random_stream& random) noexcept {
  auto delay = capped_delay(policy, attempt);
  switch (policy.jitter) {
  case jitter_kind::none:
    break;
  case jitter_kind::full:
    return between(timespan::zero(), delay, random);
  case jitter_kind::equal:
    return between(delay / 2, delay, random);
  case jitter_kind::decorrelated:
    return decorrelated(policy, previous, random);
  }
  return delay;
}

std::string to_string(jitter_kind jitter) {
  switch (jitter) {
  case jitter_kind::none:
    return "none";
  case jitter_kind::full:
    return "full";
  case jitter_kind::equal:
    return "equal";
  case jitter_kind::decorrelated:
    return "decorrelated";
  }
  return fmt::format("jitter_kind({})", static_cast<unsigned>(jitter));
}

} // namespace bulwark
