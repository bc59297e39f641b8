#pragma once

#include "bulwark/time.hpp"

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
  };

  [[nodiscard]] reading read() const noexcept {
    auto word = word_.load(std::memory_order_acquire);
    return {static_cast<circuit_state>(word & 7U), (word & 8U) != 0, word >> 4U};
  }

  /// When an open circuit lets probes through. Meaningful after read() said open.
  [[nodiscard]] instant probes_from() const noexcept {
    return instant{timespan{probes_from_.load(std::memory_order_relaxed)}};
  }

  /// Only for the breaker that owns the view.
  void publish(reading now, instant probes_from) noexcept {
    probes_from_.store(probes_from.time_since_epoch().count(), std::memory_order_relaxed);
    word_.store(static_cast<std::uint64_t>(now.state) | (now.failing ? 8U : 0U)
                    | now.generation << 4U,
                std::memory_order_release);
  }

private:
  std::atomic<std::uint64_t> word_{1U << 4U};
  std::atomic<std::int64_t> probes_from_{0};
};

} // namespace bulwark
