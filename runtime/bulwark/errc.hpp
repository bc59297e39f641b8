#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bulwark {

/// Why a guarded call has no reply of its target. A code exists because callers react differently
/// to it. The numbers are part of the wire protocol: none is ever used again for something else,
/// and 0 is what CAF reserves for "no error".
enum class errc : std::uint8_t {
  circuit_open = 1,      ///< Refused by an open circuit breaker; retry_after says when it probes.
  retries_exhausted = 2, ///< All attempts failed; the report carries the last error.
  timed_out = 3,         ///< No answer within the deadline or the attempt's timeout.
  bulkhead_full = 4,     ///< Refused: all workers busy and the queue full.
  rate_limited = 5,      ///< Refused by a rate limit.
  cancelled = 6,         ///< The caller took the call back.
  shutting_down = 7,     ///< Refused, or cut short, because the part is shutting down.
  target_lost = 8,       ///< The target ended, or its node is gone.
  invalid_policy = 9,    ///< A policy out of range; the old one stays in force.
  duplicate_name = 10,   ///< The name is in use for something else.
  unknown_name = 11,     ///< Nothing has that name.
  owner_lost = 12,       ///< Refused: the node that owns the part can't be reached.
};

/// The enumerator's name.
std::string to_string(errc code);

/// False, and `code` unchanged, where `name` is no enumerator's.
bool from_string(std::string_view name, errc& code);

/// False, and `code` unchanged, where `number` is no enumerator's.
bool from_integer(std::uint8_t number, errc& code);

/// Whether the code says that the call was refused before it touched the target. A refusal is never
/// a failure of the target (FIELD: Envoy #25487).
constexpr bool is_rejection(errc code) noexcept {
  return code == errc::circuit_open || code == errc::bulkhead_full || code == errc::rate_limited
         || code == errc::shutting_down || code == errc::owner_lost;
}

} // namespace bulwark
