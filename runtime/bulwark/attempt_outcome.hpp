#pragma once

#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

namespace bulwark {

/// What the end of an attempt says of the target.
struct attempt_outcome {
  std::optional<bool> failed = std::nullopt; ///< No value: nothing.
  bool slow = false;                         ///< It took too long, or timed out.
  timespan retry_after{
      0}; ///< What the target asked for, whether it is a failure or not; 0: nothing.

  friend bool operator==(const attempt_outcome&, const attempt_outcome&) = default;
};

/// Successes of one generation that are told together: see outcome_batch.hpp.
struct success_batch {
  std::uint64_t generation = 0; ///< Of the breaker, when they were let through.
  std::uint32_t calls = 0;
  std::uint32_t slow = 0; ///< Of these.
  instant at{};           ///< When the last of them ended.

  friend bool operator==(const success_batch&, const success_batch&) = default;
};

} // namespace bulwark
