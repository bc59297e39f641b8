#pragma once

#include "bulwark/errc.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <variant>

namespace bulwark {

/// One attempt of one call. The serial makes answers to earlier attempts recognisable as such.
struct attempt_id {
  std::uint32_t slot = 0;
  std::uint32_t serial = 0;

  friend bool operator==(const attempt_id&, const attempt_id&) = default;
};

/// A circuit breaker's leave to make one attempt.
struct permit {
  std::uint64_t generation = 0; ///< Of the breaker, when it was given: outdated by each transition.
  std::uint64_t probe = 0;      ///< The probe's number in half-open, 0 in all other states.

  friend bool operator==(const permit&, const permit&) = default;
};

/// A refusal.
struct rejection {
  errc why = errc::circuit_open;
  timespan retry_after{0}; ///< 0: not known.

  friend bool operator==(const rejection&, const rejection&) = default;
};

using admission = std::variant<permit, rejection>;

} // namespace bulwark
