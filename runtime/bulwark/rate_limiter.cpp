#include "bulwark/rate_limiter.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace bulwark {

namespace {

constexpr std::uint64_t most_calls = 1'000'000'000;
constexpr std::uint64_t most_burst = 1'000'000;
constexpr timespan longest_period = std::chrono::hours{24 * 365};

// Twice as many as keys: these fall into neighbourhoods by chance, and where all are half full on
// average one in 250 is full.
std::size_t places_for(const rate_limit_policy& policy) noexcept {
  return std::bit_ceil(std::size_t{policy.max_keys}) * 2;
}

} // namespace

policy_mistakes find_mistakes(const rate_limit_policy& policy) {
  policy_mistakes result;
  check_range(result, "rate_limit.calls", policy.calls, 1, most_calls);
  check_range(result, "rate_limit.period", policy.period, std::chrono::microseconds{1},
              longest_period);
  auto burst = most_burst;
  if (result.empty()) { // else the interval means nothing
    const auto interval = static_cast<std::uint64_t>(policy.period.count()) / policy.calls + 1;
    burst = std::min(burst, static_cast<std::uint64_t>(longest_timespan.count()) / interval);
  }
  check_range(result, "rate_limit.burst", policy.burst, 1, burst);
  check_range(result, "rate_limit.max_wait", policy.max_wait, timespan{0}, std::chrono::hours{24});
  if (policy.max_keys != 0)
    check_range(result, "rate_limit.max_keys", std::uint64_t{policy.max_keys}, 16, 16'777'216);
  return result;
}

// -- one limit --------------------------------------------------------------------------

rate::rate(const rate_limit_policy& policy)
    : calls_(policy.calls),
      burst_(policy.burst),
      max_wait_(policy.max_wait),
      interval_(static_cast<std::uint64_t>(policy.period.count()) / policy.calls),
      interval_part_(static_cast<std::uint64_t>(policy.period.count()) % policy.calls) {}

arrival_time rate::add(arrival_time from, std::uint64_t intervals) const noexcept {
  const auto parts = from.part + intervals * interval_part_; // below 10^9 + 10^6 * 10^9
  const auto whole = intervals * interval_ + parts / calls_;
  return {.whole = from.whole + static_cast<std::int64_t>(whole),
          .part = static_cast<std::uint32_t>(parts % calls_)};
}

rate_decision rate::decide(arrival_time& next, instant now, std::uint64_t weight,
                           timespan max_wait) const noexcept {
  if (weight > burst_)
    return {.admitted = false, .wait = timespan{0}};
  const auto today = now.time_since_epoch().count();
  const auto moved = add(std::max(next, arrival_time{.whole = today}), weight);
  // It conforms when `moved` is no further off than a burst: rounded up to a whole nanosecond.
  const auto bound = add({.whole = today}, burst_);
  const auto early = !(bound < moved) ? 0 : moved.whole - bound.whole + (moved.part > bound.part);
  const auto wait = timespan{early};
  if (const auto longest = std::min(max_wait, max_wait_); wait > longest)
    return {.admitted = false, .wait = wait - longest};
  next = moved;
  return {.admitted = true, .wait = wait};
}

arrival_time rate::latest(instant now) const noexcept {
  return add({.whole = (now + max_wait_).time_since_epoch().count()}, burst_);
}

void rate_limiter::change_policy(const rate_limit_policy& policy, instant now) noexcept {
  rate_ = rate{policy};
  next_ = {.whole = next_.whole + (next_.part > 0)}; // the parts were of another number
  next_ = std::min(next_, rate_.latest(now));
}

// -- by key -----------------------------------------------------------------------------

keyed_rate_limiter::keyed_rate_limiter(const rate_limit_policy& policy)
    : rate_(policy), most_(places_for(policy)), entries_(ways), floors_(1) {}

// The low bits say where, so that a neighbourhood splits in two when the table grows.
std::size_t keyed_rate_limiter::neighbourhood_of(std::uint64_t key) const noexcept {
  return static_cast<std::size_t>(key) & (floors_.size() - 1);
}

rate_decision keyed_rate_limiter::ask(std::uint64_t key, instant now, std::uint64_t weight,
                                      timespan max_wait) noexcept {
  for (;;) {
    const auto home = neighbourhood_of(key);
    auto* const first = &entries_[home * ways];
    auto* place = first;
    auto known = false;
    for (auto* each = first; each != first + ways && !known; ++each) {
      known = each->key == key && each->next != arrival_time{};
      if (known || each->next < place->next)
        place = each;
    }
    auto next = known ? place->next : floors_[home];
    const auto decision = rate_.decide(next, now, weight, max_wait);
    if (!decision.admitted) // and nothing has to be remembered
      return decision;
    const auto live = arrival_time{.whole = now.time_since_epoch().count()} < place->next;
    if (!known && live) {
      if (entries_.size() < most_ && grow())
        continue;
      floors_[home] = std::max(floors_[home], place->next);
    }
    *place = {.key = key, .next = next};
    return decision;
  }
}

/// False, and nothing has changed, where there is no memory for it.
bool keyed_rate_limiter::grow() noexcept {
  const auto before = floors_.size();
  std::vector<arrival_time> floors;
  std::vector<entry> entries;
  try {
    floors.resize(2 * before);
    entries.resize(2 * entries_.size());
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (std::size_t home = 0; home < before; ++home) {
    floors[home] = floors[home + before] = floors_[home];
    for (auto i = home * ways; i < (home + 1) * ways; ++i)
      entries[i + ((entries_[i].key & before) != 0 ? before * ways : 0)] = entries_[i];
  }
  entries_ = std::move(entries);
  floors_ = std::move(floors);
  return true;
}

void keyed_rate_limiter::change_policy(const rate_limit_policy& policy, instant now) noexcept {
  rate_ = rate{policy};
  most_ = places_for(policy);
  const auto take_over = [&](arrival_time& next) {
    if (next != arrival_time{})
      next = std::min(arrival_time{.whole = next.whole + (next.part > 0)}, rate_.latest(now));
  };
  for (auto& each : entries_)
    take_over(each.next);
  for (auto& each : floors_)
    take_over(each);
}

std::size_t keyed_rate_limiter::live(instant now) const noexcept {
  const auto today = arrival_time{.whole = now.time_since_epoch().count()};
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [&](const entry& each) { return today < each.next; }));
}

void rate_gate::change_policy(const rate_limit_policy& policy, instant now) {
  one_.change_policy(policy, now);
  if (policy.max_keys == 0)
    by_key_.reset();
  else if (by_key_)
    by_key_->change_policy(policy, now);
  else
    by_key_.emplace(policy);
}

} // namespace bulwark
