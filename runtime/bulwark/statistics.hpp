#pragma once

#include "bulwark/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace bulwark {

/// The books of a guard or a part. They balance at every moment: see balanced().
struct counters {
  std::uint64_t calls = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t in_flight = 0;

  counters& operator+=(const counters& other) noexcept;
  friend bool operator==(const counters&, const counters&) = default;

  /// calls = succeeded + failed + rejected + timed_out + cancelled + in_flight.
  [[nodiscard]] bool balanced() const noexcept;
};

/// How long calls took: counts in buckets whose width grows with the value, so that every quantile
/// is known within a bounded relative error, and histograms of many guards and nodes can be added
/// up.
///
/// 32 buckets for each power of two: a quantile is at most 1.6 % off (half a bucket's width, 1/64).
/// Values below 64 ns are exact. Memory is taken for the powers of two from the least to the
/// greatest that occurred: 256 bytes each, nothing before the first observation. Sources:
/// HdrHistogram (Tene); DDSketch (Masson, Rim, Lee, VLDB 2019) for merging.
class latency_histogram {
public:
  static constexpr double relative_error = 1.0 / 64;
  /// One observation each microsecond for 285 years.
  static constexpr std::uint64_t most_restored = std::uint64_t{1} << 53;

  /// Adds one observation. Negative counts as 0. Complexity: O(1).
  void record(timespan value);

  /// Adds all observations of `other`.
  latency_histogram& operator+=(const latency_histogram& other);

  /// What was observed after `earlier`, a former state of this; all of it where that is none. min() and
  /// max() are within twice relative_error then; sum() is exact, or greatest where it had saturated.
  [[nodiscard]] latency_histogram since(const latency_histogram& earlier) const;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] timespan sum() const noexcept { return sum_; } ///< Saturates.
  [[nodiscard]] timespan min() const noexcept { return min_; } ///< Exact; 0 where empty.
  [[nodiscard]] timespan max() const noexcept { return max_; } ///< Exact; 0 where empty.

  /// The value that a share `q` of the observations doesn't exceed, within relative_error;
  /// 0 where empty. Requires: 0 <= q <= 1.
  [[nodiscard]] timespan quantile(double q) const noexcept;

  /// How many observations don't exceed `value`; those within twice relative_error of it may be
  /// counted or not. Rises with `value`, to count() at max().
  [[nodiscard]] std::uint64_t count_up_to(timespan value) const noexcept;

  friend bool operator==(const latency_histogram&, const latency_histogram&) = default;

  /// For serialisation: the buckets that hold something, by bucket number, and back.
  [[nodiscard]] std::map<std::uint32_t, std::uint64_t> buckets() const;
  /// False, and nothing changed, where no histogram could have given these, or where they are more
  /// than most_restored: they may come from another node.
  [[nodiscard]] bool restore(const std::map<std::uint32_t, std::uint64_t>& buckets, timespan sum,
                             timespan min, timespan max);

private:
  static constexpr std::size_t buckets_per_group = 32;
  using group = std::array<std::uint64_t, buckets_per_group>;

  std::uint32_t first_group_ = 0; // the number of groups_[0]
  std::vector<group> groups_;
  std::uint64_t count_ = 0;
  timespan sum_{0};
  timespan min_{0};
  timespan max_{0};

  // The numbers of the least and the greatest that hold something. Requires: count_ > 0.
  [[nodiscard]] std::uint32_t first_bucket() const noexcept;
  [[nodiscard]] std::uint32_t last_bucket() const noexcept;
  [[nodiscard]] std::uint64_t& bucket(std::uint32_t number);
  void add_to_sum(timespan value) noexcept;
};

} // namespace bulwark
