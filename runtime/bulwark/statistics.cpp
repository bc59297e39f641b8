#include "bulwark/statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace bulwark {

namespace {

constexpr unsigned bucket_bits = 5;
constexpr std::uint64_t per_group = std::uint64_t{1} << bucket_bits;

// Below 2 * per_group a value is its own bucket; above, the highest five bits after the leading one
// number the buckets of a power of two.
std::uint32_t bucket_of(timespan value) noexcept {
  const auto nanoseconds = static_cast<std::uint64_t>(value.count());
  if (nanoseconds < per_group)
    return static_cast<std::uint32_t>(nanoseconds);
  const auto shift = static_cast<unsigned>(std::bit_width(nanoseconds)) - 1 - bucket_bits;
  return static_cast<std::uint32_t>(shift * per_group + (nanoseconds >> shift));
}

// A bucket is 2^width_of(bucket) nanoseconds wide.
unsigned width_of(std::uint32_t bucket) noexcept {
  return bucket < 2 * per_group ? 0 : static_cast<unsigned>(bucket / per_group) - 1;
}

timespan lowest_of(std::uint32_t bucket) noexcept {
  const auto width = width_of(bucket);
  return timespan{static_cast<timespan::rep>((bucket - width * per_group) << width)};
}

timespan highest_of(std::uint32_t bucket) noexcept {
  return lowest_of(bucket) + timespan{(timespan::rep{1} << width_of(bucket)) - 1};
}

timespan middle_of(std::uint32_t bucket) noexcept {
  return lowest_of(bucket) + timespan{(timespan::rep{1} << width_of(bucket)) / 2};
}

// from + count * each, or the greatest timespan. Requires: neither is negative.
timespan add_times(timespan from, std::uint64_t count, timespan each) noexcept {
  const auto room = static_cast<std::uint64_t>((timespan::max() - from).count());
  if (each > timespan::zero() && count > room / static_cast<std::uint64_t>(each.count()))
    return timespan::max();
  return each > timespan::zero() ? from + each * static_cast<timespan::rep>(count) : from;
}

// Whether observations with this sum, least and greatest value can lie in these buckets. One is the
// least and one the greatest; the sums of all others lie between two bounds, and each in between
// can be.
bool possible(const std::map<std::uint32_t, std::uint64_t>& buckets, timespan sum, timespan min,
              timespan max) {
  if (buckets.empty())
    return sum == timespan::zero() && min == timespan::zero() && max == timespan::zero();
  const auto first = buckets.begin()->first;
  const auto last = buckets.rbegin()->first;
  if (min < timespan::zero() || max < min || bucket_of(min) != first || bucket_of(max) != last)
    return false;
  auto total = std::uint64_t{0};
  for (auto [number, count] : buckets) {
    if (count == 0 || count > latency_histogram::most_restored - total)
      return false;
    total += count;
  }
  if (total == 1)
    return min == max && sum == min;
  auto lowest = add_times(min, 1, max);
  auto highest = lowest;
  for (auto [number, count] : buckets) {
    const auto others = count - (number == first ? 1 : 0) - (number == last ? 1 : 0);
    lowest = add_times(lowest, others, std::max(lowest_of(number), min));
    highest = add_times(highest, others, std::min(highest_of(number), max));
  }
  return lowest <= sum && sum <= highest;
}

} // namespace

// -- counters ---------------------------------------------------------------------

counters& counters::operator+=(const counters& other) noexcept {
  calls += other.calls;
  succeeded += other.succeeded;
  failed += other.failed;
  rejected += other.rejected;
  timed_out += other.timed_out;
  cancelled += other.cancelled;
  in_flight += other.in_flight;
  return *this;
}

bool counters::balanced() const noexcept {
  return calls == succeeded + failed + rejected + timed_out + cancelled + in_flight;
}

// -- latency_histogram ------------------------------------------------------------

void latency_histogram::record(timespan value) {
  value = std::max(value, timespan::zero());
  ++bucket(bucket_of(value));
  add_to_sum(value);
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  ++count_;
}

latency_histogram& latency_histogram::operator+=(const latency_histogram& other) {
  if (other.count_ == 0)
    return *this;
  const auto first = other.first_group_ * per_group;
  const auto last = first + other.groups_.size() * per_group - 1;
  // Both ends first: they take all the memory that is needed, and none where `other` is *this.
  static_cast<void>(bucket(static_cast<std::uint32_t>(first)));
  static_cast<void>(bucket(static_cast<std::uint32_t>(last)));
  for (std::size_t i = 0; i < other.groups_.size(); ++i) {
    auto& to = groups_[other.first_group_ + i - first_group_];
    for (std::size_t j = 0; j < per_group; ++j)
      to[j] += other.groups_[i][j];
  }
  add_to_sum(other.sum_);
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  return *this;
}

latency_histogram latency_histogram::since(const latency_histogram& earlier) const {
  auto result = *this;
  auto known = std::uint64_t{0};
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const auto at = first_group_ + i - earlier.first_group_; // beyond all where it is less
    if (at >= earlier.groups_.size())
      continue;
    for (std::size_t j = 0; j < per_group; ++j) {
      const auto before = earlier.groups_[at][j];
      if (before > result.groups_[i][j])
        return *this;
      result.groups_[i][j] -= before;
      known += before;
    }
  }
  if (known != earlier.count_)
    return *this;
  if (known == count_)
    return {};
  result.count_ -= known;
  result.sum_ = sum_ == timespan::max() ? sum_ : std::max(timespan::zero(), sum_ - earlier.sum_);
  result.min_ = std::max(min_, lowest_of(result.first_bucket()));
  result.max_ = std::min(max_, highest_of(result.last_bucket()));
  return result;
}

timespan latency_histogram::quantile(double q) const noexcept {
  const auto all = static_cast<double>(count_);
  const auto share = std::ceil(q * all);
  // Compared before it is converted: as a double, the count may be rounded up to 2^64.
  if (share >= all) // also where there is nothing
    return max_;
  const auto rank = std::max(std::uint64_t{1}, static_cast<std::uint64_t>(share));
  auto seen = std::uint64_t{0};
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t j = 0; j < per_group; ++j) {
      seen += groups_[i][j];
      if (seen >= rank)
        return std::clamp(middle_of(static_cast<std::uint32_t>((first_group_ + i) * per_group + j)),
                          min_, max_);
    }
  }
  return max_;
}

std::uint64_t latency_histogram::count_up_to(timespan value) const noexcept {
  if (value >= max_)
    return count_;
  if (value < min_)
    return 0;
  const auto last = bucket_of(value);
  const auto end = std::size_t{last} + (middle_of(last) <= value ? 1 : 0);
  auto result = std::uint64_t{0};
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const auto first = (first_group_ + i) * per_group;
    for (std::size_t j = 0; j < per_group && first + j < end; ++j)
      result += groups_[i][j];
  }
  return result;
}

std::map<std::uint32_t, std::uint64_t> latency_histogram::buckets() const {
  auto result = std::map<std::uint32_t, std::uint64_t>{};
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t j = 0; j < per_group; ++j) {
      if (groups_[i][j] != 0)
        result.emplace(static_cast<std::uint32_t>((first_group_ + i) * per_group + j),
                       groups_[i][j]);
    }
  }
  return result;
}

bool latency_histogram::restore(const std::map<std::uint32_t, std::uint64_t>& buckets, timespan sum,
                                timespan min, timespan max) {
  if (!possible(buckets, sum, min, max))
    return false;
  auto result = latency_histogram{};
  for (auto [number, count] : buckets) {
    result.bucket(number) = count;
    result.count_ += count;
  }
  result.sum_ = sum;
  result.min_ = min;
  result.max_ = max;
  *this = std::move(result);
  return true;
}

std::uint32_t latency_histogram::first_bucket() const noexcept {
  auto number = std::size_t{0};
  while (groups_[number / per_group][number % per_group] == 0)
    ++number;
  return static_cast<std::uint32_t>(first_group_ * per_group + number);
}

std::uint32_t latency_histogram::last_bucket() const noexcept {
  auto number = groups_.size() * per_group - 1;
  while (groups_[number / per_group][number % per_group] == 0)
    --number;
  return static_cast<std::uint32_t>(first_group_ * per_group + number);
}

/// The count of a bucket; memory is taken where it has none.
std::uint64_t& latency_histogram::bucket(std::uint32_t number) {
  const auto wanted = static_cast<std::uint32_t>(number / per_group);
  if (groups_.empty())
    first_group_ = wanted;
  if (wanted < first_group_) {
    groups_.insert(groups_.begin(), first_group_ - wanted, group{});
    first_group_ = wanted;
  } else if (wanted >= first_group_ + groups_.size()) {
    groups_.resize(wanted - first_group_ + 1);
  }
  return groups_[wanted - first_group_][number % per_group];
}

void latency_histogram::add_to_sum(timespan value) noexcept {
  sum_ = value > timespan::max() - sum_ ? timespan::max() : sum_ + value;
}

} // namespace bulwark
