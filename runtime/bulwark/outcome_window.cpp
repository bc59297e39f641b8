#include "bulwark/outcome_window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace bulwark {

namespace {

outcome_counts counts_of(seen_outcome what, std::uint64_t times) noexcept {
  return {.calls = times, .failed = what.failed ? times : 0, .slow = what.slow ? times : 0};
}

void add_to(outcome_counts& sum, const outcome_counts& more) noexcept {
  sum.calls += more.calls;
  sum.failed += more.failed;
  sum.slow += more.slow;
}

void check_ratios(policy_mistakes& mistakes, std::string_view field, double failure_ratio,
                  double slow_ratio) {
  check_range(mistakes, fmt::format("{}.failure_ratio", field), failure_ratio, 0.001, 1.0);
  check_range(mistakes, fmt::format("{}.slow_ratio", field), slow_ratio, 0.001, 1.0);
}

} // namespace

// -- policy -----------------------------------------------------------------------

void check_window(policy_mistakes& mistakes, std::string_view field, const count_window& window) {
  check_range(mistakes, fmt::format("{}.size", field), std::uint64_t{window.size}, 1, 100'000);
  // More than it remembers it would never have.
  check_range(mistakes, fmt::format("{}.minimum_calls", field), std::uint64_t{window.minimum_calls},
              1, std::max(window.size, 1U));
  check_ratios(mistakes, field, window.failure_ratio, window.slow_ratio);
}

void check_window(policy_mistakes& mistakes, std::string_view field, const time_window& window) {
  check_range(mistakes, fmt::format("{}.buckets", field), std::uint64_t{window.buckets}, 1, 1'000);
  check_range(mistakes, fmt::format("{}.span", field), window.span,
              std::chrono::milliseconds{std::clamp(window.buckets, 1U, 1'000U)},
              std::chrono::hours{24});
  check_range(mistakes, fmt::format("{}.minimum_calls", field), std::uint64_t{window.minimum_calls},
              1, 1'000'000);
  check_ratios(mistakes, field, window.failure_ratio, window.slow_ratio);
}

window_verdict judge(const outcome_counts& counts, std::uint64_t minimum_calls,
                     double failure_ratio, double slow_ratio) noexcept {
  if (counts.calls < minimum_calls)
    return window_verdict::fine;
  // Divided, not multiplied: 7 of 100 are 0.07 to the last bit, 0.07 times 100 are more than 7.
  const auto share = [&](std::uint64_t part) {
    return static_cast<double>(part) / static_cast<double>(counts.calls);
  };
  if (share(counts.failed) >= failure_ratio)
    return window_verdict::failing;
  return share(counts.slow) >= slow_ratio ? window_verdict::slow : window_verdict::fine;
}

// -- the last so many ---------------------------------------------------------------

count_window_log::count_window_log(const count_window& window)
    : window_(window), ring_(window.size) {}

void count_window_log::record(seen_outcome what, std::uint32_t times) noexcept {
  for (auto left = std::min(times, window_.size); left > 0; --left) {
    auto& place = ring_[next_];
    next_ = next_ + 1 == ring_.size() ? 0 : next_ + 1;
    if (counts_.calls == window_.size) {
      --counts_.calls;
      counts_.failed -= place.failed ? 1 : 0;
      counts_.slow -= place.slow ? 1 : 0;
    }
    place = what;
    add_to(counts_, counts_of(what, 1));
  }
}

void count_window_log::change(const count_window& window) {
  if (window.size == window_.size) {
    window_ = window;
    return;
  }
  count_window_log next{window};
  const auto size = ring_.size();
  for (auto i = size - counts_.calls; i < size; ++i) // the oldest first: the last ones stay
    next.record(ring_[(next_ + i) % size]);
  *this = std::move(next);
}

void count_window_log::clear() noexcept {
  next_ = 0;
  counts_ = {};
}

window_verdict count_window_log::verdict() const noexcept {
  return judge(counts_, window_.minimum_calls, window_.failure_ratio, window_.slow_ratio);
}

// -- the last so many seconds -------------------------------------------------------

time_window_log::time_window_log(const time_window& window)
    : window_(window), ring_(window.buckets) {}

void time_window_log::record(seen_outcome what, instant at, std::uint32_t times) noexcept {
  on_time(at);
  add(counts_of(what, times), at);
}

/// Requires: the window has been told of a time.
void time_window_log::add(const outcome_counts& counts, instant at) noexcept {
  const auto number = number_of(at);
  if (*newest_ - number >= std::int64_t{window_.buckets})
    return; // told too late
  add_to(bucket(number), counts);
  add_to(total_, counts);
}

void time_window_log::change(const time_window& window, instant now) {
  if (window.span == window_.span && window.buckets == window_.buckets) {
    window_ = window;
    return;
  }
  on_time(now);
  time_window_log next{window};
  next.on_time(now);
  for (auto number = *newest_ - std::int64_t{window_.buckets} + 1; number <= *newest_; ++number)
    next.add(bucket(number), instant{number * window_.bucket()});
  *this = std::move(next);
}

void time_window_log::on_time(instant now) noexcept {
  const auto number = number_of(now);
  if (!newest_)
    newest_ = number;
  // After a long rest all are emptied, but each once.
  auto empty = std::max(*newest_, number - std::int64_t{window_.buckets}) + 1;
  for (; empty <= number; ++empty) {
    auto& old = bucket(empty);
    total_.calls -= old.calls;
    total_.failed -= old.failed;
    total_.slow -= old.slow;
    old = {};
  }
  newest_ = std::max(*newest_, number);
}

void time_window_log::clear() noexcept {
  std::fill(ring_.begin(), ring_.end(), outcome_counts{});
  newest_.reset();
  total_ = {};
}

window_verdict time_window_log::verdict() const noexcept {
  return judge(total_, window_.minimum_calls, window_.failure_ratio, window_.slow_ratio);
}

/// The number of the bucket that a time falls into: their borders are the time line's own, so that
/// whoever counts for a bucket elsewhere has the same.
std::int64_t time_window_log::number_of(instant at) const noexcept {
  const auto length = window_.bucket().count();
  const auto count = at.time_since_epoch().count();
  return count >= 0 ? count / length : -1 - (-1 - count) / length; // rounded down
}

outcome_counts& time_window_log::bucket(std::int64_t number) noexcept {
  const auto size = static_cast<std::int64_t>(ring_.size());
  return ring_[static_cast<std::size_t>((number % size + size) % size)];
}

} // namespace bulwark
