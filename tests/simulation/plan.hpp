#pragma once

#include "bulwark/random.hpp"

#include "simulation/event_queue.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// @file What is going to be done to a world, from outside: said before it begins.
///
/// Whatever else chance decides is drawn by who it concerns, from a stream of its own. So an action
/// that is left out changes little else, and a history that shows a fault can be made short.
/// Sources: FoundationDB's simulation (Zhou et al., SIGMOD 2021); swarm testing: features that are
/// off let others go further (Groce et al., ISSTA 2012); delta debugging (Zeller & Hildebrandt, 2002).

namespace bulwark_simulation {

/// What a world may have. Each seed has about half of them.
enum class feature : std::uint8_t {
  shared_parts, ///< A bulkhead and a circuit breaker that all nodes use.
  remote_calls, ///< Guards whose target is a guard of node 0.
  statistics,   ///< Node 0 asks the registries of the others.
  functions,    ///< Calls that keep their worker until they return.
  drifting_clocks,
  late_timers,
  slow_mail, ///< Messages within a process take long.
  loss,      ///< Of messages between nodes.
  doubling,
  reordering,
  cut_lines,    ///< Messages vanish, and nobody is told.
  broken_lines, ///< Connections end, and are made again.
  pauses,       ///< Processes are stopped, and wake late.
  crashes,
  owner_crashes, ///< Node 0, too.
  policy_changes,
  operators, ///< Open, close and disable circuits by hand.
  cancels,
  floods,
  ending_guards,
  ending_parts,
  failing_targets,
  hanging_targets,
  dying_targets,
  hedging,       ///< Calls with a second copy.
  lying_targets, ///< Answer twice, late, and to what nobody asked.
  shedding,      ///< Of those who wait too long for a node's own bulkhead.
  adaptive_limits,
  importances, ///< Of calls.
  tenants,     ///< Of calls, with fair shares of a node's own bulkhead.
  count_,
};

/// What is done.
enum class deed : std::uint8_t {
  call,
  flood,
  cancel,
  change_target,
  pause,
  crash,
  cut_line,
  break_line,
  end_guard,
  end_part,
  change_breaker,
  change_bulkhead,
  change_guard,
  operate,
};

struct action {
  moment when = 0;
  deed what = deed::call;
  std::uint32_t node = 0;
  std::uint64_t chance = 0; ///< Decides all that isn't said here.
};

/// A world before it begins, and all that is done to it.
struct plan {
  std::uint64_t seed = 0;
  std::uint64_t features = 0; ///< A bit for each.
  std::uint32_t nodes = 1;
  std::uint32_t guards = 1; ///< Of each node.
  timespan tempo{0};        ///< What times are measured by: a healthy target takes about as long.
  std::vector<action> actions;

  [[nodiscard]] bool has(feature which) const noexcept {
    return (features >> static_cast<unsigned>(which) & 1U) != 0;
  }
  [[nodiscard]] moment ends() const noexcept { return actions.empty() ? 0 : actions.back().when; }
};

/// The same seed, the same plan.
[[nodiscard]] plan make_plan(std::uint64_t seed);

[[nodiscard]] std::string to_string(feature which);
[[nodiscard]] std::string to_string(deed what);

/// A stream that depends on all of the numbers.
[[nodiscard]] constexpr random_stream stream_of(std::uint64_t a, std::uint64_t b = 0,
                                                std::uint64_t c = 0) noexcept {
  auto mixed = random_stream{a};
  mixed = random_stream{mixed.next() ^ (b * 0x9e3779b97f4a7c15U)};
  return random_stream{mixed.next() ^ (c * 0xbf58476d1ce4e5b9U)};
}

// -- chance ---------------------------------------------------------------------------

[[nodiscard]] inline std::uint32_t any(random_stream& chance, std::uint32_t count) noexcept {
  return static_cast<std::uint32_t>(chance.next() % count);
}
[[nodiscard]] inline bool happens(random_stream& chance, double share) noexcept {
  return chance.unit() < share;
}
/// So many tempos, each factor in the range as likely as another in its order of magnitude.
[[nodiscard]] timespan times(timespan tempo, double low, double high, random_stream& chance);

} // namespace bulwark_simulation
