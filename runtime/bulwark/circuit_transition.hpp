#pragma once

#include "bulwark/circuit_view.hpp"
#include "bulwark/outcome_window.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <string>

namespace bulwark {

/// What made a breaker change its state.
enum class transition_cause : std::uint8_t {
  failure_threshold = 1,  ///< Too many failures in a row.
  open_elapsed = 2,       ///< The time in open has passed.
  probe_failed = 3,       ///< A probe in half-open failed.
  probes_succeeded = 4,   ///< Enough successes in half-open.
  forced_open = 5,        ///< An operator's force_open.
  disabled = 6,           ///< An operator's disable.
  reset = 7,              ///< An operator's reset.
  nodes_tripped = 8,      ///< Circuits of nodes that share it opened: see shared_circuit.hpp.
  owner_said = 9,         ///< The owner of a shared circuit said so: see circuit_share.hpp.
  owner_lost = 10,        ///< The owner of a shared circuit can't be reached.
  failure_ratio = 11,     ///< Too large a share of failures in a window.
  slow_ratio = 12,        ///< Too large a share of slow calls in a window.
  half_open_elapsed = 13, ///< max_half_open_for has passed since the first probe.
  target_said = 14,       ///< An error of the target carried a retry_after.
  metrics_only = 15,      ///< An operator's metrics_only.
};

/// One change of state, with the counts that caused it.
struct circuit_transition {
  circuit_state from;
  circuit_state to;
  transition_cause why;
  instant when;
  std::uint64_t generation;   ///< The one that begins.
  std::uint32_t failures;     ///< Consecutive failures, with the one that caused it.
  std::uint32_t successes;    ///< Successes in half-open, with the one that caused it.
  outcome_counts window = {}; ///< What was in the window: see circuit_breaker::window().

  friend bool operator==(const circuit_transition&, const circuit_transition&) = default;
};

/// Whether it opens by that, or would, where it only shows what it would do.
[[nodiscard]] constexpr bool is_trip(const circuit_transition& change) noexcept {
  return change.to == circuit_state::open
         || (change.to == circuit_state::metrics_only
             && change.from == circuit_state::metrics_only);
}

/// Told of each transition, in order, after the breaker has changed. Must not call it from there.
struct circuit_observer {
  virtual void on_transition(const circuit_transition& change) = 0;

protected:
  ~circuit_observer() = default;
};

/// The enumerators' names.
std::string to_string(circuit_state state);
std::string to_string(transition_cause cause);

} // namespace bulwark
