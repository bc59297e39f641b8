#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace bulwark {

/// A duration: nanoseconds in 64 bits, the very type of caf::timespan.
using timespan = std::chrono::nanoseconds;

/// The time line of the cores. It has no now() on purpose: time is handed in, so that a core can be
/// driven by a test or a simulator, and asking for the time does not compile.
struct core_time {
  using duration = timespan;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<core_time>;
  static constexpr bool is_steady = true;
};

/// A point on that line; steady, its zero means nothing.
using instant = core_time::time_point;

/// Later than all that will be: "no deadline" where one has to be compared.
inline constexpr instant end_of_time = instant::max();

/// `from + length`, or `end_of_time` where that would overflow. Requires: length >= 0.
constexpr instant saturating_add(instant from, timespan length) noexcept {
  // The sign is looked at first: before zero nothing overflows, but `never - from` would.
  return from.time_since_epoch().count() >= 0 && length > end_of_time - from ? end_of_time
                                                                             : from + length;
}

/// Reads as people write it: "1.5s", "250ms", "12us", "1m30s". Cut off after three decimals.
std::string to_text(timespan length);

} // namespace bulwark
