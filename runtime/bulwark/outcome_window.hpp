#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

/// @file What became of the recent attempts: the last so many of them, or those of the last so many
/// seconds.
///
/// Failures in a row trip fast, but a target that fails every other call never trips them. A window
/// remembers outcomes and asks for their share: so many of a hundred failed, so many were slow.
///
/// | window | forgets                                             | fits                           |
/// | ------ | --------------------------------------------------- | ------------------------------ |
/// | count  | the oldest outcome, once there are `size`           | steady traffic                 |
/// | time   | the oldest of `buckets` buckets, once `span` passed | traffic that comes and goes    |
///
/// An attempt that failed and was slow is one call, one failure and one slow call.
///
/// Complexity: O(1) for an outcome, in a time window amortised over the buckets that pass. Memory:
/// two bytes an outcome, 24 bytes a bucket.
///
/// Source: resilience4j's CircuitBreaker, whose names these are; Hystrix and Polly have the window
/// of time alone.

namespace bulwark {

/// The last `size` outcomes.
struct count_window {
  /// Outcomes that are remembered; 1 .. 100'000.
  std::uint32_t size = 100;
  /// The share of failures from which on the circuit opens; 0.001 .. 1.
  double failure_ratio = 0.5;
  /// With fewer outcomes than that it doesn't; 1 .. size.
  std::uint32_t minimum_calls = 100;
  /// The same for slow calls, where the policy says from when on a call is slow; 0.001 .. 1.
  double slow_ratio = 1.0;

  friend bool operator==(const count_window&, const count_window&) = default;
};

/// The outcomes of the last `span`.
struct time_window {
  /// How far it looks back, to the bucket: between span - span / buckets and span; `buckets` ms
  /// .. a day.
  timespan span = std::chrono::seconds{10};
  /// What is forgotten at once is a bucket; 1 .. 1'000.
  std::uint32_t buckets = 10;
  /// As in a count_window; 0.001 .. 1.
  double failure_ratio = 0.5;
  /// As in a count_window; 1 .. 1'000'000.
  std::uint32_t minimum_calls = 20;
  /// As in a count_window; 0.001 .. 1.
  double slow_ratio = 1.0;

  [[nodiscard]] timespan bucket() const noexcept { return span / buckets; }

  friend bool operator==(const time_window&, const time_window&) = default;
};

/// Adds what is out of range, each with its path "<field>.size" and so on.
void check_window(policy_mistakes& mistakes, std::string_view field, const count_window& window);
void check_window(policy_mistakes& mistakes, std::string_view field, const time_window& window);

/// What an outcome says, once of each attempt.
struct seen_outcome {
  bool failed = false;
  bool slow = false;
};

/// How many outcomes, and what they were.
struct outcome_counts {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  std::uint64_t slow = 0; ///< Failed ones that were slow too.

  friend bool operator==(const outcome_counts&, const outcome_counts&) = default;
};

/// Which share is reached.
enum class window_verdict : std::uint8_t { fine, failing, slow };

/// What a window's policy says of its counts. Failures come before slow calls.
[[nodiscard]] window_verdict judge(const outcome_counts& counts, std::uint64_t minimum_calls,
                                   double failure_ratio, double slow_ratio) noexcept;

/// The last `size` outcomes. Not thread-safe: it has one owner.
class count_window_log {
public:
  /// Requires: `window` has no mistakes.
  explicit count_window_log(const count_window& window);

  /// `times` outcomes of the same kind, one after the other.
  void record(seen_outcome what, std::uint32_t times = 1) noexcept;
  void clear() noexcept;
  /// Becomes another one that remembers of the last outcomes as many as fit. Requires: `window` has
  /// no mistakes.
  void change(const count_window& window);
  [[nodiscard]] const outcome_counts& counts() const noexcept { return counts_; }
  [[nodiscard]] window_verdict verdict() const noexcept;
  [[nodiscard]] const count_window& window() const noexcept { return window_; }

private:
  count_window window_;
  std::vector<seen_outcome> ring_;
  std::size_t next_ = 0; // to be overwritten
  outcome_counts counts_;
};

/// The outcomes of the last `span`. Not thread-safe: it has one owner.
class time_window_log {
public:
  /// Requires: `window` has no mistakes.
  explicit time_window_log(const time_window& window);

  /// `times` outcomes of the same kind, at `at`: at a time that is forgotten already nothing happens.
  void record(seen_outcome what, instant at, std::uint32_t times = 1) noexcept;
  /// Forgets what is too old by now.
  void on_time(instant now) noexcept;
  void clear() noexcept;
  /// Becomes another one that remembers what is in its span by now. Where its buckets have another
  /// length, what fell into an old one counts as of its beginning. Requires: `window` has no mistakes.
  void change(const time_window& window, instant now);
  /// As of the latest time that it was told.
  [[nodiscard]] const outcome_counts& counts() const noexcept { return total_; }
  [[nodiscard]] window_verdict verdict() const noexcept;
  [[nodiscard]] const time_window& window() const noexcept { return window_; }

private:
  time_window window_;
  std::vector<outcome_counts> ring_; // by number of the bucket, modulo
  std::optional<std::int64_t> newest_;
  outcome_counts total_;

  [[nodiscard]] std::int64_t number_of(instant at) const noexcept;
  [[nodiscard]] outcome_counts& bucket(std::int64_t number) noexcept;
  void add(const outcome_counts& counts, instant at) noexcept;
};

} // namespace bulwark
