#pragma once

#include "bulwark/attempt_outcome.hpp"
#include "bulwark/circuit_breaker_policy.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

/// @file How successes reach a breaker that keeps a window.
///
/// A healthy call needs no message to its breaker: who carries it counts, and tells successes
/// together, so that the share of failures has its denominator. They are told
///
/// | when                                              | so that                                   |
/// | ------------------------------------------------- | ----------------------------------------- |
/// | before a failure of the same teller               | what one teller says is in order          |
/// | with one that was slow                            | the last that it takes opens the circuit  |
/// | there are `size` of them                          | others see them soon                      |
/// | at the first success after a slot of time is over | a batch lies within one bucket            |
/// | before statistics are answered, and at the end    | none is forgotten                         |
///
/// How exact that is: a breaker with one teller misses no success when it decides about a failure.
/// Of every other teller it misses `size` - 1 at most, those since that one's own last failure or slow
/// call: it may open too early by that much, never too late.

namespace bulwark {

/// When successes are told.
struct outcome_batching {
  std::uint32_t size = 64; ///< At least 2.
  timespan slot = std::chrono::seconds{1};
  std::optional<timespan> slow_call_duration = std::nullopt;

  friend bool operator==(const outcome_batching&, const outcome_batching&) = default;
};

/// How successes are told to a breaker of this policy; nullopt: they aren't counted.
[[nodiscard]] std::optional<outcome_batching> batching_of(const circuit_breaker_limits& policy);

/// Successes that were not told yet. Not thread-safe: it has one owner.
class success_counter {
public:
  /// Counts one. A batch that comes back is to be told now. What is of a generation before the newest
  /// that was counted says nothing any more, and is dropped.
  [[nodiscard]] std::optional<success_batch>
  add(const outcome_batching& how, std::uint64_t generation, bool slow, instant now) noexcept;
  /// What is to be told, if there is something.
  [[nodiscard]] std::optional<success_batch> take() noexcept;

private:
  success_batch batch_;
  instant slot_ends_{};
};

} // namespace bulwark
