#include "bulwark/protocol.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bulwark {

namespace {

template <class Enum, std::size_t N>
using names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr names<part_kind, 6> part_kinds{{{part_kind::guard, "guard"},
                                          {part_kind::circuit_breaker, "circuit_breaker"},
                                          {part_kind::bulkhead, "bulkhead"},
                                          {part_kind::timeout_manager, "timeout_manager"},
                                          {part_kind::registry, "registry"},
                                          {part_kind::bulkhead_registry, "bulkhead_registry"}}};

constexpr names<error_mark, 3> error_marks{{{error_mark::transient, "transient"},
                                            {error_mark::permanent, "permanent"},
                                            {error_mark::client, "client"}}};

constexpr names<circuit_state, 6> circuit_states{{{circuit_state::closed, "closed"},
                                                  {circuit_state::open, "open"},
                                                  {circuit_state::half_open, "half_open"},
                                                  {circuit_state::forced_open, "forced_open"},
                                                  {circuit_state::disabled, "disabled"},
                                                  {circuit_state::metrics_only, "metrics_only"}}};

constexpr names<transition_cause, 15> transition_causes{
    {{transition_cause::failure_threshold, "failure_threshold"},
     {transition_cause::open_elapsed, "open_elapsed"},
     {transition_cause::probe_failed, "probe_failed"},
     {transition_cause::probes_succeeded, "probes_succeeded"},
     {transition_cause::forced_open, "forced_open"},
     {transition_cause::disabled, "disabled"},
     {transition_cause::reset, "reset"},
     {transition_cause::nodes_tripped, "nodes_tripped"},
     {transition_cause::owner_said, "owner_said"},
     {transition_cause::owner_lost, "owner_lost"},
     {transition_cause::failure_ratio, "failure_ratio"},
     {transition_cause::slow_ratio, "slow_ratio"},
     {transition_cause::half_open_elapsed, "half_open_elapsed"},
     {transition_cause::target_said, "target_said"},
     {transition_cause::metrics_only, "metrics_only"}}};

constexpr names<jitter_kind, 4> jitter_kinds{{{jitter_kind::none, "none"},
                                              {jitter_kind::full, "full"},
                                              {jitter_kind::equal, "equal"},
                                              {jitter_kind::decorrelated, "decorrelated"}}};

constexpr names<node_state, 4> node_states{{{node_state::here, "here"},
                                            {node_state::connected, "connected"},
                                            {node_state::lost, "lost"},
                                            {node_state::awaited, "awaited"}}};

template <class Enum, std::size_t N>
bool find_name(const names<Enum, N>& all, std::string_view name, Enum& x) {
  for (const auto& [value, text] : all) {
    if (text == name) {
      x = value;
      return true;
    }
  }
  return false;
}

template <class Enum, std::size_t N>
bool find_number(const names<Enum, N>& all, std::uint8_t number, Enum& x) {
  for (const auto& [value, text] : all) {
    if (static_cast<std::uint8_t>(value) == number) {
      x = value;
      return true;
    }
  }
  return false;
}

template <class Enum, std::size_t N>
std::string name_of(const names<Enum, N>& all, Enum x) {
  for (const auto& [value, text] : all) {
    if (value == x)
      return std::string{text};
  }
  return "???";
}

} // namespace

std::string to_string(part_kind kind) {
  return name_of(part_kinds, kind);
}
bool from_string(std::string_view name, part_kind& kind) {
  return find_name(part_kinds, name, kind);
}
bool from_integer(std::uint8_t number, part_kind& kind) {
  return find_number(part_kinds, number, kind);
}

std::string to_string(error_mark mark) {
  return name_of(error_marks, mark);
}
bool from_string(std::string_view name, error_mark& mark) {
  return find_name(error_marks, name, mark);
}
bool from_integer(std::uint8_t number, error_mark& mark) {
  return find_number(error_marks, number, mark);
}

std::string to_string(node_state state) {
  return name_of(node_states, state);
}
bool from_string(std::string_view name, node_state& state) {
  return find_name(node_states, name, state);
}
bool from_integer(std::uint8_t number, node_state& state) {
  return find_number(node_states, number, state);
}

bool from_string(std::string_view name, circuit_state& state) {
  return find_name(circuit_states, name, state);
}
bool from_integer(std::uint8_t number, circuit_state& state) {
  return find_number(circuit_states, number, state);
}

bool from_string(std::string_view name, transition_cause& cause) {
  return find_name(transition_causes, name, cause);
}
bool from_integer(std::uint8_t number, transition_cause& cause) {
  return find_number(transition_causes, number, cause);
}

bool from_string(std::string_view name, jitter_kind& jitter) {
  return find_name(jitter_kinds, name, jitter);
}
bool from_integer(std::uint8_t number, jitter_kind& jitter) {
  return find_number(jitter_kinds, number, jitter);
}

circuit_breaker_stats stats_of(const circuit_breaker& circuit, instant now) {
  circuit_breaker_stats result;
  result.state = circuit.state();
  result.generation = circuit.generation();
  result.failures = circuit.failures();
  result.successes = circuit.successes();
  result.probes = circuit.probes();
  result.in_state = now - circuit.since();
  if (circuit.state() == circuit_state::open)
    result.probes_in = std::max(circuit.probes_from() - now, timespan{0});
  return result;
}

void pass_time(guard_stats& stats, timespan by) {
  for (auto& each : stats.errors)
    each.age += by;
}

void pass_time(circuit_breaker_stats& stats, timespan by) {
  stats.in_state += by;
  if (stats.probes_in)
    stats.probes_in = std::max(*stats.probes_in - by, timespan{0});
}

circuit_event event_of(const std::string& name, const circuit_transition& change) {
  return {.name = name,
          .from = change.from,
          .to = change.to,
          .why = change.why,
          .when = change.when.time_since_epoch(),
          .generation = change.generation,
          .failures = change.failures,
          .successes = change.successes,
          .window = change.window};
}

attempt_outcome outcome_of(const outcome_report& report) {
  return {.failed = report.failed, .slow = report.slow, .retry_after = report.retry_after};
}

std::string to_string(const failure_report& report) {
  return describe(report.code, report);
}

} // namespace bulwark
