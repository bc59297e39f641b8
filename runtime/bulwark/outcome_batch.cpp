#include "bulwark/outcome_batch.hpp"

#include <algorithm>
#include <utility>

namespace bulwark {

namespace {

/// The end of the slot of the time line that `now` lies in.
instant end_of_slot(timespan slot, instant now) noexcept {
  const auto into = now.time_since_epoch() % slot;
  return saturating_add(now - into, into < timespan{0} ? timespan{0} : slot);
}

} // namespace

std::optional<outcome_batching> batching_of(const circuit_breaker_limits& policy) {
  if (!policy.count_window && !policy.time_window)
    return std::nullopt;
  auto result = outcome_batching{.slow_call_duration = policy.slow_call_duration};
  auto fewest = std::uint32_t{1'000'000};
  if (policy.count_window)
    fewest = policy.count_window->minimum_calls;
  if (policy.time_window) {
    fewest = std::min(fewest, policy.time_window->minimum_calls);
    result.slot = policy.time_window->bucket();
  }
  // A quarter of what it takes to decide: what others haven't told must not decide.
  result.size = std::clamp(fewest / 4, 8U, 64U);
  return result;
}

std::optional<success_batch> success_counter::add(const outcome_batching& how,
                                                  std::uint64_t generation, bool slow,
                                                  instant now) noexcept {
  auto due = std::optional<success_batch>{};
  if (generation < batch_.generation)
    return due;
  if (batch_.calls == 0 || batch_.generation != generation || now >= slot_ends_) {
    if (batch_.generation == generation)
      due = take();
    batch_ = {.generation = generation};
    slot_ends_ = end_of_slot(how.slot, now);
  }
  ++batch_.calls;
  batch_.slow += slow ? 1 : 0;
  batch_.at = now;
  return due || batch_.calls < how.size ? due : take();
}

std::optional<success_batch> success_counter::take() noexcept {
  const auto result = std::exchange(batch_, {.generation = batch_.generation});
  return result.calls > 0 ? std::optional{result} : std::nullopt;
}

} // namespace bulwark
