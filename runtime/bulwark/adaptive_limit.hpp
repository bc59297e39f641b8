#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

/// @file A limit that finds itself.
///
/// How many calls a target can have in progress before they only wait for each other is a number
/// that nobody knows and that changes. It shows in the latency: below it a call takes as long as it
/// takes, above it longer in proportion. So the limit is moved by what calls take, once a window:
///
/// | algorithm | congested                             | then        | else, where the limit was felt |
/// | --------- | ------------------------------------- | ----------- | ------------------------------ |
/// | gradient  | mean latency > tolerance * unloaded   | in          | + its square root              |
/// |           |                                       | proportion  |                                |
/// | aimd      | latency > latency_limit               | * decrease  | + 1                            |
/// | both      | more than a tenth timed out           | * decrease  |                                |
///
/// What others fell into, and how it is met here:
/// - Calls that all time out take the same time and look healthy (concurrency-limits #137): what
///   was timed out is no latency but a sign of congestion.
/// - A limit that nobody reaches grows without bound: it grows only if some call had to wait for
///   it.
/// - Calls from before a change are still in the next window (Envoy #11579): after a change one
///   latency, before a measurement two have to pass until samples count.
/// - A latency that is taken for the unloaded one for ever: where the limit was felt for long, or
///   has become quite another, it is halved for a moment to look, and again while that helps. Half as
///   many calls take half as long where they waited for each other; if they don't, the target has
///   become slower, and what it takes now is the new measure.
/// - All limits are halved at the same moment (Envoy #8337): the time between is spread by chance.
///
/// Sources: Netflix concurrency-limits (Gradient2, AIMD), Envoy's adaptive concurrency, brpc's auto
/// limiter; TCP Vegas (Brakmo, Peterson, 1995).

namespace bulwark {

enum class limit_algorithm : std::uint8_t { gradient = 1, aimd = 2 };

struct adaptive_limit_policy {
  limit_algorithm algorithm = limit_algorithm::gradient;
  /// The limit is never lower; 1 .. 10'000'000. Never higher than the bulkhead's max_workers.
  std::uint32_t floor = 4;
  std::uint32_t initial = 20; ///< 1 .. 10'000'000
  /// gradient: so many times the unloaded latency is no congestion yet; 1 .. 10.
  double tolerance = 1.5;
  /// gradient: how much of what a window says is followed at once; 0.01 .. 1.
  double smoothing = 0.5;
  double decrease = 0.9; ///< 0.1 .. 0.99
  /// aimd: a mean latency above it is congestion; 1 us .. 100 years. nullopt: only timeouts are.
  std::optional<timespan> latency_limit = std::nullopt;
  /// The limit is changed at most that often, and not before ten calls have ended; 1 ms .. 1 min.
  timespan window = std::chrono::milliseconds{20};
  /// gradient: where the limit was felt all the time, it is halved that often for one window, to
  /// see what an unloaded call takes; 1 s .. 1 day.
  timespan remeasure = std::chrono::seconds{30};

  friend bool operator==(const adaptive_limit_policy&, const adaptive_limit_policy&) = default;
};

/// What is out of range, each field with its path "adaptive_limit.<field>".
policy_mistakes find_mistakes(const adaptive_limit_policy& policy);

/// How some calls ended, one after another.
struct latency_samples {
  instant first{};           ///< When the first of them ended.
  std::uint32_t count = 0;   ///< Of those that were replied to.
  timespan total{0};         ///< Their latencies added up.
  double squares = 0;        ///< The squares of their latencies, in ns^2, added up.
  std::uint32_t dropped = 0; ///< Timed out.

  friend bool operator==(const latency_samples&, const latency_samples&) = default;
};

/// The decisions about one limit. Not thread-safe.
class adaptive_limit {
public:
  /// Requires: find_mistakes(policy) is empty, ceiling >= 1.
  adaptive_limit(const adaptive_limit_policy& policy, std::uint32_t ceiling, instant now,
                 std::uint64_t seed);

  /// Calls have ended. `felt`: since the last samples some call had to wait for the limit, or was
  /// refused for it. True: limit() is another now. Complexity: O(1).
  bool on_samples(const latency_samples& samples, bool felt, instant now);

  /// Goes on from where it is, within the new bounds.
  void change_policy(const adaptive_limit_policy& policy, std::uint32_t ceiling);

  [[nodiscard]] std::uint32_t limit() const noexcept;
  /// What a call takes that waits for no other, as far as is known; 0: nothing is.
  [[nodiscard]] timespan unloaded() const noexcept;

private:
  adaptive_limit_policy policy_;
  std::uint32_t ceiling_;
  random_stream random_;
  double limit_;
  double unloaded_ = 0;                // nanoseconds; 0: not known
  double latency_before_ = 0;          // the limit was halved to measure
  double resume_ = 0;                  // while the limit is halved to measure: where it was; else 0
  std::uint32_t calm_ = 0;             // windows in which nobody waited, until unloaded_ is trusted
  double measured_at_ = 0;             // the limit at the last measurement
  instant remeasure_at_ = end_of_time; // end_of_time: not felt
  instant from_;                       // samples from then on count
  std::uint64_t count_ = 0;            // in this window, as is what follows
  std::uint64_t dropped_ = 0;
  double total_ = 0;
  double squares_ = 0;
  bool felt_ = false;

  void close_window(instant now);
  void follow_gradient(double latency, bool timed_out, instant now);
  [[nodiscard]] double share_of(double latency);
  void begin_measuring(double latency);
  void measure(double latency, instant now);
  [[nodiscard]] double by_chance(double latency) const noexcept;
  [[nodiscard]] double bounded(double limit) const noexcept;
  [[nodiscard]] instant next_measurement(instant now) noexcept;
};

} // namespace bulwark
