#include "bulwark/circuit_transition.hpp"

#include <fmt/format.h>

namespace bulwark {

std::string to_string(circuit_state state) {
  switch (state) {
  case circuit_state::closed:
    return "closed";
  case circuit_state::open:
    return "open";
  case circuit_state::half_open:
    return "half_open";
  case circuit_state::forced_open:
    return "forced_open";
  case circuit_state::disabled:
    return "disabled";
  case circuit_state::metrics_only:
    return "metrics_only";
  }
  return fmt::format("circuit_state({})", static_cast<unsigned>(state));
}

// Longer than 40 lines: two a name.
std::string to_string(transition_cause cause) {
  switch (cause) {
  case transition_cause::failure_threshold:
    return "failure_threshold";
  case transition_cause::open_elapsed:
    return "open_elapsed";
  case transition_cause::probe_failed:
    return "probe_failed";
  case transition_cause::probes_succeeded:
    return "probes_succeeded";
  case transition_cause::forced_open:
    return "forced_open";
  case transition_cause::disabled:
    return "disabled";
  case transition_cause::reset:
    return "reset";
  case transition_cause::nodes_tripped:
    return "nodes_tripped";
  case transition_cause::owner_said:
    return "owner_said";
  case transition_cause::owner_lost:
    return "owner_lost";
  case transition_cause::failure_ratio:
    return "failure_ratio";
  case transition_cause::slow_ratio:
    return "slow_ratio";
  case transition_cause::half_open_elapsed:
    return "half_open_elapsed";
  case transition_cause::target_said:
    return "target_said";
  case transition_cause::metrics_only:
    return "metrics_only";
  }
  return fmt::format("transition_cause({})", static_cast<unsigned>(cause));
}

} // namespace bulwark
