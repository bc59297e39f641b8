#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// @file Several targets that can do the same: which of them gets the next attempt.
///
/// Of two drawn by chance the one is taken that has less to do: (calls under way + 1) x latency.
/// That spreads load nearly as well as asking all, and doesn't send everybody to the same one, as
/// "the least loaded" does. The latency is an average over time that goes up at once and down
/// slowly. A failure never makes it less, and each one in a row makes the target look slower by as
/// much again: who fails fast would else attract what the others could do, as in linkerd2 #11669.
/// What is known of an idle target counts less as time goes by, so that each is tried now and then.
///
/// A target that does worse than the others is left out for a while:
///
/// | rule              | left out                                                                |
/// | ----------------- | ----------------------------------------------------------------------- |
/// | consecutive       | consecutive_failures in a row                                           |
/// | success rate      | its share of successes in an interval is below mean - deviation x sigma |
/// |                   | of all that had minimum_calls, where there are minimum_replicas of them |
///
/// for base_ejection x how often it was lately, max_ejection at most; an interval without an
/// ejection takes one back. Never more than max_ejected of all, but one may always be. Where fewer
/// than panic_below are left, ejections are ignored: then the trouble isn't theirs, and sending
/// everything to the few that are left would flatten those too.
///
/// Sources: Mitzenmacher, "The Power of Two Choices", 2001; peak EWMA of Finagle; outlier detection
/// and panic threshold of Envoy, whose defaults these are.

namespace bulwark {

/// How attempts are spread over several targets, and which of them are left out. Defaults: Envoy's.
struct replica_policy {
  /// Failures in a row that eject; 0 .. 1'000'000, 0: this rule is off.
  std::uint32_t consecutive_failures = 5;
  /// How many standard deviations below the mean a share of successes ejects; 0 .. 10, 0: this rule
  /// is off.
  double deviation = 1.9;
  /// Replicas that must have minimum_calls in an interval before shares are compared; 2 .. 10'000.
  std::uint32_t minimum_replicas = 5;
  /// Calls in an interval that make a share worth comparing; 1 .. 1'000'000.
  std::uint32_t minimum_calls = 100;
  /// How often shares are compared; 1 ms .. 100 years.
  timespan interval = std::chrono::seconds{10};
  /// The first ejection's length; 1 ms .. 100 years.
  timespan base_ejection = std::chrono::seconds{30};
  /// The longest; base_ejection .. 100 years.
  timespan max_ejection = std::chrono::seconds{300};
  /// The share of all replicas that may be ejected at once, one always may; 0 .. 1.
  double max_ejected = 0.1;
  /// Where a smaller share than this isn't ejected, ejections are ignored; 0 .. 1, 0: never.
  double panic_below = 0.5;
  /// How fast latencies are forgotten: after this time a third is left; 1 ms .. 100 years.
  timespan latency_memory = std::chrono::seconds{10};

  friend bool operator==(const replica_policy&, const replica_policy&) = default;
};

/// What is out of range, each field with its path "replicas.<field>".
policy_mistakes find_mistakes(const replica_policy& policy);

/// What became of an attempt, for the choice of the next.
enum class replica_outcome : std::uint8_t {
  succeeded,
  failed,
  nothing, ///< Says nothing about the target: cancelled, or refused on the way.
};

/// What is known of one replica.
struct replica_stats {
  std::uint32_t in_flight = 0;
  std::uint64_t started = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t ejections = 0; ///< Ever.
  timespan latency{0};         ///< The average as of its last outcome; 0: none yet.
  bool ejected = false;
  bool lost = false;

  friend bool operator==(const replica_stats&, const replica_stats&) = default;
};

/// Chooses between replicas. They are numbered from 0. Not thread-safe: it has one owner.
class replica_set {
public:
  /// Requires: find_mistakes(policy) is empty.
  replica_set(const replica_policy& policy, std::uint32_t replicas, instant now);

  /// Takes the new numbers; what is known of replicas stays. Requires: find_mistakes(policy) is empty.
  void change_policy(const replica_policy& policy) noexcept { policy_ = policy; }

  /// Whom to ask next; nullopt: all are lost. `tried`: whom this call has asked before, see bit_of();
  /// they are asked again only where there is nobody else.
  [[nodiscard]] std::optional<std::uint32_t> choose(std::uint64_t tried, random_stream& random,
                                                    instant now);

  /// A replica's bit in a set of them. Of more than 64 several share one: a call may then pass over
  /// one that it has not tried, nothing worse.
  [[nodiscard]] static constexpr std::uint64_t bit_of(std::uint32_t replica) noexcept {
    return std::uint64_t{1} << (replica % 64);
  }

  /// Whether somebody is there who isn't in `tried`.
  [[nodiscard]] bool has_other_than(std::uint64_t tried) const noexcept;

  /// An attempt goes to `replica`; on_end() must follow, once.
  void on_start(std::uint32_t replica) noexcept;
  void on_end(std::uint32_t replica, replica_outcome outcome, timespan elapsed, instant now);

  /// It has ended, and is not chosen again before on_back().
  void on_lost(std::uint32_t replica) noexcept;
  /// There is a new one in its place: nothing is known of it.
  void on_back(std::uint32_t replica) noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(replicas_.size());
  }
  [[nodiscard]] replica_stats stats(std::uint32_t replica, instant now) const noexcept;
  /// Whether ejections are ignored.
  [[nodiscard]] bool panics(instant now) const noexcept;

private:
  struct entry {
    std::uint32_t in_flight = 0;
    std::uint32_t failures_in_a_row = 0;
    std::uint32_t calls = 0; // in this interval
    std::uint32_t successes = 0;
    std::uint32_t times_ejected = 0; // lately: makes the next one longer
    bool lost = false;
    bool was_ejected = false; // in this interval
    double latency = 0;       // in ns; 0: none yet
    instant latency_at{};
    instant ejected_until{};
    std::uint64_t started = 0;
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t ejections = 0;
  };

  replica_policy policy_;
  std::vector<entry> replicas_;
  std::vector<std::uint32_t> candidates_; // of the choice under way; kept for its memory
  instant interval_ends_;

  void roll(instant now);
  void compare_shares(instant now);
  void eject(entry& which, instant now);
  void observe(entry& which, timespan elapsed, instant now) const noexcept;
  [[nodiscard]] double typical_latency() const noexcept;
  [[nodiscard]] double kept_since(const entry& which, instant now) const noexcept;
  [[nodiscard]] double cost(const entry& which, double unknown, instant now) const noexcept;
  [[nodiscard]] static bool ejected(const entry& which, instant now) noexcept;
  [[nodiscard]] std::uint32_t count_ejected(instant now) const noexcept;
  [[nodiscard]] std::uint32_t count_present() const noexcept;
};

} // namespace bulwark
