#pragma once

#include <chrono>
#include <string>

namespace bulwarkd {

/// RFC 3339, UTC, to the millisecond: "2026-11-25T16:26:53.123Z".
[[nodiscard]] std::string time_text(std::chrono::system_clock::time_point when);

/// Seconds, as JSON and Prometheus want durations.
[[nodiscard]] constexpr double seconds_of(std::chrono::nanoseconds length) noexcept {
  return std::chrono::duration<double>(length).count();
}

} // namespace bulwarkd
