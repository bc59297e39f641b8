#include "bulwark/adaptive_limit.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace bulwark {

namespace {

constexpr std::uint64_t fewest_samples = 10;

// So many windows in which nobody waited are no queue that is still growing below the limit.
constexpr std::uint32_t calm_enough = 10;

// The limit has become quite another: by more than chance makes of it.
constexpr double another = 0.6;

// Half as many calls in progress take half as long where they waited for each other, and as long as
// before where they didn't: in between is the line.
constexpr double same_latency = 0.75;
constexpr double rising = 1.2;

} // namespace

policy_mistakes find_mistakes(const adaptive_limit_policy& policy) {
  using namespace std::chrono_literals;
  policy_mistakes result;
  if (policy.algorithm != limit_algorithm::gradient && policy.algorithm != limit_algorithm::aimd)
    result.push_back({"adaptive_limit.algorithm", // came in as a number
                      std::to_string(static_cast<unsigned>(policy.algorithm)), "1 .. 2"});
  check_range(result, "adaptive_limit.floor", std::uint64_t{policy.floor}, 1, 10'000'000);
  check_range(result, "adaptive_limit.initial", std::uint64_t{policy.initial}, 1, 10'000'000);
  check_range(result, "adaptive_limit.tolerance", policy.tolerance, 1.0, 10.0);
  check_range(result, "adaptive_limit.smoothing", policy.smoothing, 0.01, 1.0);
  check_range(result, "adaptive_limit.decrease", policy.decrease, 0.1, 0.99);
  if (policy.latency_limit)
    check_range(result, "adaptive_limit.latency_limit", *policy.latency_limit, 1us,
                longest_timespan);
  check_range(result, "adaptive_limit.window", policy.window, 1ms, 1min);
  check_range(result, "adaptive_limit.remeasure", policy.remeasure, 1s, 24h);
  return result;
}

adaptive_limit::adaptive_limit(const adaptive_limit_policy& policy, std::uint32_t ceiling,
                               instant now, std::uint64_t seed)
    : policy_(policy),
      ceiling_(ceiling),
      random_(seed),
      limit_(bounded(policy.initial)),
      from_(now) {}

std::uint32_t adaptive_limit::limit() const noexcept {
  return static_cast<std::uint32_t>(limit_);
}

timespan adaptive_limit::unloaded() const noexcept {
  return timespan{static_cast<timespan::rep>(unloaded_)};
}

double adaptive_limit::bounded(double limit) const noexcept {
  const auto ceiling = static_cast<double>(ceiling_);
  return std::clamp(limit, std::min(static_cast<double>(policy_.floor), ceiling), ceiling);
}

void adaptive_limit::change_policy(const adaptive_limit_policy& policy, std::uint32_t ceiling) {
  policy_ = policy;
  ceiling_ = ceiling;
  limit_ = bounded(limit_);
}

bool adaptive_limit::on_samples(const latency_samples& samples, bool felt, instant now) {
  felt_ = felt_ || felt;
  if (samples.first < from_)
    return false;
  count_ += samples.count;
  dropped_ += samples.dropped;
  total_ += static_cast<double>(samples.total.count());
  squares_ += samples.squares;
  const auto enough = resume_ > 0 ? 2 * fewest_samples : fewest_samples;
  if (now - from_ < policy_.window || count_ + dropped_ < enough)
    return false;
  const auto before = limit();
  close_window(now);
  return limit() != before;
}

void adaptive_limit::close_window(instant now) {
  const auto latency = count_ > 0 ? total_ / static_cast<double>(count_) : 0;
  const auto timed_out = dropped_ * 10 > count_ + dropped_;
  const auto before = limit();
  if (resume_ > 0) {
    measure(latency, now);
  } else if (policy_.algorithm == limit_algorithm::gradient) {
    follow_gradient(latency, timed_out, now);
  } else {
    const auto slow =
        policy_.latency_limit && latency > static_cast<double>(policy_.latency_limit->count());
    limit_ = bounded(timed_out || slow ? limit_ * policy_.decrease : limit_ + (felt_ ? 1 : 0));
  }
  const auto settle = limit() == before ? 0 : (resume_ > 0 ? 2 : 1);
  from_ = saturating_add(now, settle * timespan{static_cast<timespan::rep>(latency)});
  count_ = 0;
  dropped_ = 0;
  total_ = 0;
  squares_ = 0;
  felt_ = false;
}

void adaptive_limit::follow_gradient(double latency, bool timed_out, instant now) {
  auto share = count_ > 0 ? share_of(latency) : 1.0;
  if (timed_out)
    share = std::min(share, policy_.decrease);
  const auto next = share * limit_ + (felt_ && !timed_out ? std::sqrt(limit_) : 0);
  limit_ = bounded(limit_ + policy_.smoothing * (next - limit_));
  if (!felt_) {
    calm_ = std::min(calm_ + 1, calm_enough);
    remeasure_at_ = end_of_time;
    return;
  }
  if (remeasure_at_ == end_of_time)
    remeasure_at_ = calm_ == calm_enough ? next_measurement(now) : now;
  if (measured_at_ <= 0)
    measured_at_ = limit_;
  if (now >= remeasure_at_ || limit_ < another * measured_at_ || measured_at_ < another * limit_) {
    resume_ = limit_;
    begin_measuring(latency);
  }
}

/// What is to be left of the limit, by what calls take now.
double adaptive_limit::share_of(double latency) {
  if (unloaded_ <= 0)
    unloaded_ = latency;
  // The mean of a few is below that of all every other time, and the least of many such means is
  // far below: only what chance doesn't explain is believed.
  else if (const auto surely = latency + 2 * by_chance(latency); surely < unloaded_)
    unloaded_ = surely;
  return latency > 0 ? std::clamp(policy_.tolerance * unloaded_ / latency, 0.5, 1.0) : 1;
}

/// The standard error of a window's mean.
double adaptive_limit::by_chance(double latency) const noexcept {
  const auto count = static_cast<double>(std::max<std::uint64_t>(count_, 1));
  return std::sqrt(std::max(squares_ / count - latency * latency, 0.0) / count);
}

void adaptive_limit::begin_measuring(double latency) {
  latency_before_ = latency;
  limit_ = bounded(limit_ / 2);
}

void adaptive_limit::measure(double latency, instant now) {
  if (latency > rising * latency_before_) {
    latency_before_ = latency; // the queue had not come to its end, and this is still of before
    return;
  }
  if (latency > 0)
    unloaded_ = latency;
  // Surely: by chance it would be halved again and again, and that costs.
  if (latency + by_chance(latency) < same_latency * latency_before_ && limit_ > bounded(0)) {
    begin_measuring(latency); // it was the queue, and there may be more of it
    return;
  }
  limit_ = bounded(resume_);
  resume_ = 0;
  measured_at_ = limit_;
  calm_ = calm_enough;
  remeasure_at_ = next_measurement(now);
}

instant adaptive_limit::next_measurement(instant now) noexcept {
  const auto wait = static_cast<double>(policy_.remeasure.count()) * (0.75 + random_.unit() / 2);
  return saturating_add(now, timespan{static_cast<timespan::rep>(wait)});
}

} // namespace bulwark
