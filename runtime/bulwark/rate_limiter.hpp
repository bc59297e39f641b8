#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/// @file The rate limiter.
///
/// A limit on calls per time, for a target whose quota is one, or for callers of whom none may take
/// all. It is the generic cell rate algorithm (GCRA): all that is remembered is one time, the
/// theoretical arrival of the next call if calls came at exactly the permitted pace. A call that
/// comes before it by no more than a burst's worth is let through and moves it on by one interval.
/// That is a token bucket that is refilled at every nanosecond, without a timer.
///
/// Intervals are kept as whole nanoseconds and a fraction: 3 calls in 1 s are exactly that, however
/// long it runs, and `retry_after` is the earliest nanosecond at which the same call would pass.
///
/// By key, for millions of them in bounded memory: an entry whose time has come says no more than
/// no entry, and gives up its place. Where a place is needed and all are live, the one whose time
/// comes first is given up, and its time becomes the floor of its neighbourhood: who isn't in the
/// table begins there. So no key ever exceeds its rate, whatever is forgotten; when there are more
/// live keys than places, newcomers are slowed down to what their neighbourhood has left.
///
/// Sources: ITU-T I.371 (GCRA as virtual scheduling). Rejected: fixed and sliding windows (twice the
/// rate around their edges, or memory for each call); token buckets in floating point (they drift).

namespace bulwark {

struct rate_limit_policy {
  /// That many calls in each `period`, in the long run; 1 .. 1'000'000'000.
  std::uint64_t calls = 100;
  timespan period = std::chrono::seconds{1}; ///< 1 us .. 365 days
  /// That many at once after a pause; 1 .. 1'000'000, and what refills within 100 years.
  std::uint64_t burst = 1;
  /// A call that came too early waits that long at most, else it is refused; 0 .. 1 day.
  timespan max_wait{0};
  /// 0: one limit for all calls. Else one for each tenant, of whom that many at a time are told
  /// apart; 16 .. 16'777'216. Memory: up to 100 bytes each, taken as they come.
  std::uint32_t max_keys = 0;

  friend bool operator==(const rate_limit_policy&, const rate_limit_policy&) = default;
};

/// What is out of range, each field with its path "rate_limit.<field>".
policy_mistakes find_mistakes(const rate_limit_policy& policy);

struct rate_decision {
  bool admitted = true;
  /// Admitted: the call starts after that long, its place is taken. Else: the earliest time after
  /// which it would be admitted if it came again and nobody else did; 0: never, for its weight.
  timespan wait{0};

  friend bool operator==(const rate_decision&, const rate_decision&) = default;
};

/// A point in time with a fraction of a nanosecond, in parts of rate_limit_policy::calls.
struct arrival_time {
  std::int64_t whole = 0;
  std::uint32_t part = 0;

  friend bool operator==(const arrival_time&, const arrival_time&) = default;
  friend bool operator<(const arrival_time& a, const arrival_time& b) noexcept {
    return a.whole != b.whole ? a.whole < b.whole : a.part < b.part;
  }
};

/// A policy's numbers, ready to decide by.
class rate {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit rate(const rate_limit_policy& policy);

  /// Moves `next` on where the call is admitted. `max_wait`: less than the policy's counts.
  [[nodiscard]] rate_decision decide(arrival_time& next, instant now, std::uint64_t weight,
                                     timespan max_wait) const noexcept;
  /// The latest that `next` can be after `now`.
  [[nodiscard]] arrival_time latest(instant now) const noexcept;

private:
  std::uint64_t calls_;
  std::uint64_t burst_;
  timespan max_wait_;
  std::uint64_t interval_;      // whole nanoseconds
  std::uint64_t interval_part_; // and parts

  [[nodiscard]] arrival_time add(arrival_time from, std::uint64_t intervals) const noexcept;
};

/// One limit. Not thread-safe. Requires of all times: they are non-negative and don't go back.
class rate_limiter {
public:
  explicit rate_limiter(const rate_limit_policy& policy) : rate_(policy) {}

  /// Complexity: O(1), no memory.
  [[nodiscard]] rate_decision ask(instant now, std::uint64_t weight = 1,
                                  timespan max_wait = timespan::max()) noexcept {
    return rate_.decide(next_, now, weight, max_wait);
  }

  /// Goes on with what was used; who was slowed down by the old policy isn't for longer than the
  /// new one has it.
  void change_policy(const rate_limit_policy& policy, instant now) noexcept;

private:
  rate rate_;
  arrival_time next_;
};

/// A limit for each key. Keys are hashes, keyed ones where they come from strangers (key_hash.hpp):
/// two keys of one hash share a limit.
class keyed_rate_limiter {
public:
  /// Requires: policy.max_keys > 0.
  explicit keyed_rate_limiter(const rate_limit_policy& policy);

  /// Complexity: O(1), but for growing: that is O(keys), and happens each time their number has
  /// doubled. Where memory for it is refused, it goes on with what it has.
  [[nodiscard]] rate_decision ask(std::uint64_t key, instant now, std::uint64_t weight = 1,
                                  timespan max_wait = timespan::max()) noexcept;

  /// As rate_limiter::change_policy. Memory that was taken isn't given back for a smaller max_keys.
  /// Complexity: O(keys).
  void change_policy(const rate_limit_policy& policy, instant now) noexcept;

  /// Places there are now, and those whose time hasn't come at `now`.
  [[nodiscard]] std::size_t places() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t live(instant now) const noexcept;

private:
  static constexpr std::size_t ways = 16; // places in a neighbourhood

  struct entry {
    std::uint64_t key = 0;
    arrival_time next; // 0: nobody's
  };

  rate rate_;
  std::size_t most_; // places
  std::vector<entry> entries_;
  std::vector<arrival_time> floors_; // of neighbourhoods

  [[nodiscard]] std::size_t neighbourhood_of(std::uint64_t key) const noexcept;
  bool grow() noexcept;
};

/// The limit that stands in front of a guard: one for all its calls, or one for each tenant.
class rate_gate {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit rate_gate(const rate_limit_policy& policy) : one_(policy) {
    if (policy.max_keys > 0)
      by_key_.emplace(policy);
  }

  /// Goes on with what was used, but where it comes to tell tenants apart, or no longer does: nothing
  /// is known of the others then. Requires: find_mistakes(policy) is empty.
  void change_policy(const rate_limit_policy& policy, instant now);

  [[nodiscard]] bool by_tenant() const noexcept { return by_key_.has_value(); }

  /// `tenant`: a keyed hash, 0 for all who name none. `time_left`: longer it need not wait.
  [[nodiscard]] rate_decision ask(std::uint64_t tenant, instant now, timespan time_left) noexcept {
    return by_key_ ? by_key_->ask(tenant, now, 1, time_left) : one_.ask(now, 1, time_left);
  }

private:
  rate_limiter one_;
  std::optional<keyed_rate_limiter> by_key_;
};

} // namespace bulwark
