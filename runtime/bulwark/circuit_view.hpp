#pragma once

#include "bulwark/time.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace bulwark {

/// The states of a circuit breaker; see circuit_breaker.hpp.
enum class circuit_state : std::uint8_t {
  closed = 0,
  open = 1,
  half_open = 2,
  forced_open = 3,
  disabled = 4,
  metrics_only = 5,
};

/// After a circuit has closed: how the share of calls that are let through rises to all of them.
struct circuit_ramp {
  instant begin{};
  timespan length{1};
  double from = 1.0;

  [[nodiscard]] instant end() const noexcept { return saturating_add(begin, length); }
  /// The share of calls that are let through; from `from` to 1.
  [[nodiscard]] double share(instant now) const noexcept {
    const auto passed = static_cast<double>((now - begin).count());
    return from + (1.0 - from) * std::clamp(passed / static_cast<double>(length.count()), 0.0, 1.0);
  }
};

/// What a circuit breaker shows of itself to everybody in its process: one atomic word, written by
/// the breaker alone, so that a closed circuit costs its callers a load and no message. (Erlang's
/// fuse reads an ETS table to the same end; Akka gave its breaker-as-actor up because asking an
/// actor per call was too dear.)
///
/// A reader may be a moment behind. That is harmless: what it does on an outdated view carries the
/// generation it saw, and the breaker drops outcomes of earlier generations.
class circuit_view {
public:
  struct reading {
    circuit_state state;
    bool failing; ///< Closed, but failures have been counted: a success must be told at once.
    std::uint64_t generation;
    bool ramping = false; ///< Closed, but not all calls are let through: see ramp().
  };

  [[nodiscard]] reading read() const noexcept {
    auto word = word_.load(std::memory_order_acquire);
    return {static_cast<circuit_state>(word & 7U), (word & 8U) != 0, word >> 5U, (word & 16U) != 0};
  }

  /// When an open circuit lets probes through. Meaningful after read() said open: of that generation,
  /// or of a later one that was open.
  [[nodiscard]] instant probes_from() const noexcept {
    return instant{timespan{probes_from_.load(std::memory_order_relaxed)}};
  }

  /// Meaningful after read() said ramping. A reader that is a moment behind may see a part of an
  /// earlier ramp: one call more or less.
  [[nodiscard]] circuit_ramp ramp() const noexcept {
    return {instant{timespan{ramp_begin_.load(std::memory_order_relaxed)}},
            timespan{ramp_length_.load(std::memory_order_relaxed)},
            ramp_from_.load(std::memory_order_relaxed)};
  }

  /// Only for the breaker that owns the view; `ramp` where `now` says ramping.
  void publish(reading now, instant probes_from, const circuit_ramp& ramp = {}) noexcept {
    if (now.state == circuit_state::open) // who saw it open still has the right one
      probes_from_.store(probes_from.time_since_epoch().count(), std::memory_order_relaxed);
    if (now.ramping) {
      ramp_begin_.store(ramp.begin.time_since_epoch().count(), std::memory_order_relaxed);
      ramp_length_.store(ramp.length.count(), std::memory_order_relaxed);
      ramp_from_.store(ramp.from, std::memory_order_relaxed);
    }
    word_.store(static_cast<std::uint64_t>(now.state) | (now.failing ? 8U : 0U)
                    | (now.ramping ? 16U : 0U) | now.generation << 5U,
                std::memory_order_release);
  }

private:
  std::atomic<std::uint64_t> word_{1U << 5U};
  std::atomic<std::int64_t> probes_from_{0};
  std::atomic<std::int64_t> ramp_begin_{0};
  std::atomic<std::int64_t> ramp_length_{1};
  std::atomic<double> ramp_from_{1.0};
};

} // namespace bulwark
