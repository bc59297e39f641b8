#include "bulwark/replica_set.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bulwark {

namespace {

constexpr auto one_millisecond = timespan{std::chrono::milliseconds{1}};

/// Failures in a row beyond these make nobody look worse.
constexpr std::uint32_t most_penalties = 9;

double as_double(timespan length) noexcept {
  return static_cast<double>(length.count());
}

} // namespace

policy_mistakes find_mistakes(const replica_policy& policy) {
  auto result = policy_mistakes{};
  check_range(result, "replicas.consecutive_failures", std::uint64_t{policy.consecutive_failures},
              0, 1'000'000);
  check_range(result, "replicas.deviation", policy.deviation, 0, 10);
  check_range(result, "replicas.minimum_replicas", std::uint64_t{policy.minimum_replicas}, 2,
              10'000);
  check_range(result, "replicas.minimum_calls", std::uint64_t{policy.minimum_calls}, 1, 1'000'000);
  check_range(result, "replicas.interval", policy.interval, one_millisecond, longest_timespan);
  check_range(result, "replicas.base_ejection", policy.base_ejection, one_millisecond,
              longest_timespan);
  check_range(result, "replicas.max_ejection", policy.max_ejection,
              std::clamp(policy.base_ejection, one_millisecond, longest_timespan),
              longest_timespan);
  check_range(result, "replicas.max_ejected", policy.max_ejected, 0, 1);
  check_range(result, "replicas.panic_below", policy.panic_below, 0, 1);
  check_range(result, "replicas.latency_memory", policy.latency_memory, one_millisecond,
              longest_timespan);
  return result;
}

replica_set::replica_set(const replica_policy& policy, std::uint32_t replicas, instant now)
    : policy_(policy), replicas_(replicas), interval_ends_(saturating_add(now, policy.interval)) {
  candidates_.reserve(replicas);
}

// -- the choice ---------------------------------------------------------------------------

std::optional<std::uint32_t> replica_set::choose(std::uint64_t tried, random_stream& random,
                                                 instant now) {
  roll(now);
  const auto ignore_ejections = panics(now);
  // From the best kind that anybody is of: neither ejected nor tried, not tried, not ejected, any.
  // A second attempt had better go to an ejected one than to that which has just failed it.
  for (const auto& [may_be_ejected, may_be_tried] : {std::pair{ignore_ejections, false},
                                                     {true, false},
                                                     {ignore_ejections, true},
                                                     {true, true}}) {
    candidates_.clear();
    for (std::uint32_t i = 0; i < size(); ++i) {
      const auto& each = replicas_[i];
      if (!each.lost && (may_be_ejected || !ejected(each, now))
          && (may_be_tried || (tried & bit_of(i)) == 0))
        candidates_.push_back(i);
    }
    if (!candidates_.empty())
      break;
  }
  if (candidates_.empty())
    return std::nullopt;
  const auto draw = [&](std::size_t among) {
    return static_cast<std::size_t>(random.unit() * static_cast<double>(among));
  };
  const auto first = draw(candidates_.size());
  if (candidates_.size() == 1)
    return candidates_[first];
  auto second = draw(candidates_.size() - 1);
  second += second >= first ? 1 : 0;
  const auto unknown = typical_latency();
  const auto cost_of = [&](std::size_t i) { return cost(replicas_[candidates_[i]], unknown, now); };
  return candidates_[cost_of(second) < cost_of(first) ? second : first];
}

bool replica_set::has_other_than(std::uint64_t tried) const noexcept {
  for (std::uint32_t i = 0; i < size(); ++i)
    if (!replicas_[i].lost && (tried & bit_of(i)) == 0)
      return true;
  return false;
}

/// What one more call there would wait, roughly. Of whom nothing is known is thought what is typical.
double replica_set::cost(const entry& which, double unknown, instant now) const noexcept {
  const auto latency = which.failures_in_a_row > 0 ? std::max(which.latency, unknown)
                       : which.latency > 0         ? which.latency
                                                   : unknown;
  const auto penalty = 1 + std::min(which.failures_in_a_row, most_penalties);
  // Of one that hangs nothing is forgotten.
  const auto kept = which.in_flight > 0 ? 1.0 : kept_since(which, now);
  return (static_cast<double>(which.in_flight) + 1) * latency * penalty * kept;
}

double replica_set::kept_since(const entry& which, instant now) const noexcept {
  return std::exp(-std::max(as_double(now - which.latency_at), 0.0)
                  / as_double(policy_.latency_memory));
}

double replica_set::typical_latency() const noexcept {
  auto sum = 0.0;
  auto known = 0.0;
  for (const auto& each : replicas_) {
    sum += each.latency;
    known += each.latency > 0 ? 1 : 0;
  }
  return known > 0 ? sum / known : 1.0;
}

// -- what became of it --------------------------------------------------------------------

void replica_set::on_start(std::uint32_t replica) noexcept {
  ++replicas_[replica].in_flight;
  ++replicas_[replica].started;
}

void replica_set::on_end(std::uint32_t replica, replica_outcome outcome, timespan elapsed,
                         instant now) {
  roll(now);
  auto& which = replicas_[replica];
  if (which.in_flight > 0) // of one that was lost the calls are no longer counted
    --which.in_flight;
  if (outcome == replica_outcome::nothing)
    return;
  ++which.calls;
  if (outcome == replica_outcome::succeeded) {
    ++which.succeeded;
    ++which.successes;
    which.failures_in_a_row = 0;
    observe(which, elapsed, now);
    return;
  }
  ++which.failed;
  ++which.failures_in_a_row;
  if (as_double(elapsed) > which.latency)
    observe(which, elapsed, now);
  if (policy_.consecutive_failures != 0 && which.failures_in_a_row >= policy_.consecutive_failures)
    eject(which, now);
}

void replica_set::observe(entry& which, timespan elapsed, instant now) const noexcept {
  const auto seen = std::max(as_double(elapsed), 1.0);
  const auto kept = kept_since(which, now);
  which.latency_at = now;
  which.latency = std::max(seen, which.latency * kept + seen * (1 - kept));
}

void replica_set::on_lost(std::uint32_t replica) noexcept {
  replicas_[replica].lost = true;
}

void replica_set::on_back(std::uint32_t replica) noexcept {
  auto& which = replicas_[replica];
  which = {.in_flight = which.in_flight,
           .started = which.started,
           .succeeded = which.succeeded,
           .failed = which.failed,
           .ejections = which.ejections};
}

// -- who is left out ----------------------------------------------------------------------

bool replica_set::ejected(const entry& which, instant now) noexcept {
  return now < which.ejected_until;
}

std::uint32_t replica_set::count_ejected(instant now) const noexcept {
  return static_cast<std::uint32_t>(
      std::count_if(replicas_.begin(), replicas_.end(),
                    [now](const entry& each) { return !each.lost && ejected(each, now); }));
}

std::uint32_t replica_set::count_present() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(replicas_.begin(), replicas_.end(),
                                                  [](const entry& each) { return !each.lost; }));
}

bool replica_set::panics(instant now) const noexcept {
  const auto well = static_cast<double>(count_present() - count_ejected(now));
  return well < policy_.panic_below * static_cast<double>(size());
}

void replica_set::eject(entry& which, instant now) {
  const auto permitted =
      std::max(std::floor(policy_.max_ejected * static_cast<double>(size())), 1.0);
  if (ejected(which, now) || static_cast<double>(count_ejected(now)) + 1 > permitted)
    return;
  ++which.times_ejected;
  ++which.ejections;
  which.was_ejected = true;
  which.failures_in_a_row = 0;
  const auto length = as_double(policy_.base_ejection) * which.times_ejected;
  which.ejected_until = saturating_add(now, length >= as_double(policy_.max_ejection)
                                                ? policy_.max_ejection
                                                : policy_.base_ejection * which.times_ejected);
}

/// Begins a new interval where the last one is over.
void replica_set::roll(instant now) {
  if (now < interval_ends_)
    return;
  compare_shares(now);
  for (auto& each : replicas_) {
    each.calls = 0;
    each.successes = 0;
    if (!each.was_ejected && !ejected(each, now) && each.times_ejected > 0)
      --each.times_ejected;
    each.was_ejected = false;
  }
  interval_ends_ = saturating_add(now, policy_.interval);
}

void replica_set::compare_shares(instant now) {
  if (policy_.deviation <= 0)
    return;
  const auto counts = [&](const entry& each) { return each.calls >= policy_.minimum_calls; };
  const auto share = [](const entry& each) {
    return static_cast<double>(each.successes) / each.calls;
  };
  auto compared = 0U;
  auto sum = 0.0;
  auto squares = 0.0;
  for (const auto& each : replicas_) {
    if (!counts(each))
      continue;
    ++compared;
    sum += share(each);
    squares += share(each) * share(each);
  }
  if (compared < policy_.minimum_replicas)
    return;
  const auto mean = sum / compared;
  const auto sigma = std::sqrt(std::max(squares / compared - mean * mean, 0.0));
  // Who does just as well as all others must not lie below them by a rounding.
  const auto least = mean - policy_.deviation * sigma - 1e-9;
  for (auto& each : replicas_)
    if (counts(each) && share(each) < least)
      eject(each, now);
}

replica_stats replica_set::stats(std::uint32_t replica, instant now) const noexcept {
  const auto& which = replicas_[replica];
  return {.in_flight = which.in_flight,
          .started = which.started,
          .succeeded = which.succeeded,
          .failed = which.failed,
          .ejections = which.ejections,
          .latency = which.latency < as_double(longest_timespan)
                         ? timespan{static_cast<timespan::rep>(which.latency)}
                         : longest_timespan,
          .ejected = !which.lost && ejected(which, now),
          .lost = which.lost};
}

} // namespace bulwark
