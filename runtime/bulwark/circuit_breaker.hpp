#pragma once

#include "bulwark/circuit_view.hpp"
#include "bulwark/permit.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// @file The circuit breaker.
///
/// A target that is in trouble is hurt by more calls, and its callers wait for errors they could
/// have at once. A breaker counts failures; too many in a row open it, and calls are refused
/// without being tried. After a while it lets a few probes through, and closes when they succeed.
///
/// | state       | lets through           | leaves it when                                         |
/// | ----------- | ---------------------- | ------------------------------------------------------ |
/// | closed      | everything             | failure_threshold failures in a row: open              |
/// | open        | nothing                | open_for has passed: half_open                         |
/// | half_open   | half_open_calls probes | probe fails: open; success_threshold successes: closed |
/// | forced_open | nothing                | an operator says reset (closed) or disable             |
/// | disabled    | everything, and counts | an operator says reset (closed) or force_open          |
///
/// Every transition starts a new generation, and a permit carries the generation it was given in.
/// An outcome of an earlier generation says nothing about now and is dropped: neither a slow
/// success nor a slow failure from before the trip can close or reopen the circuit. (resilience4j,
/// Sentinel and Polly count such stale outcomes in the new state; gobreaker has generations.)
///
/// A probe whose outcome never comes gives its place back when its time is up, so that half-open
/// can't wedge. (It does in resilience4j #903, Polly #1979, Sentinel #1638, opossum #276.)
///
/// Pattern: Nygard, "Release It!", 2007. Counting in a row rather than a ratio is the simplest rule
/// that trips fast; its cost is that a target which fails every other call never trips it.

namespace bulwark {

/// When a breaker opens and how it closes. `Predicate` says which errors count as failures; the
/// core doesn't look at errors, so for it there is none (see bulwark::circuit_breaker_policy).
template <class Predicate>
struct basic_circuit_breaker_policy {
  /// Consecutive failures that open the circuit; 1 .. 1'000'000.
  std::uint32_t failure_threshold = 5;
  /// Successes in half-open that close it; 1 .. 1'000'000.
  std::uint32_t success_threshold = 2;
  /// Time in open before probes are let through; 1 ms .. 100 years.
  timespan open_for = std::chrono::seconds{60};
  /// Probes in flight at once in half-open; 1 .. 10'000.
  std::uint32_t half_open_calls = 2;
  /// Which errors are failures of the target.
  Predicate failure_on = {};

  friend bool operator==(const basic_circuit_breaker_policy&,
                         const basic_circuit_breaker_policy&) = default;
};

/// The numbers of a policy: what the core needs.
using circuit_breaker_limits = basic_circuit_breaker_policy<no_predicate>;

template <class Predicate>
circuit_breaker_limits limits_of(const basic_circuit_breaker_policy<Predicate>& policy) {
  return {.failure_threshold = policy.failure_threshold,
          .success_threshold = policy.success_threshold,
          .open_for = policy.open_for,
          .half_open_calls = policy.half_open_calls};
}

/// What is out of range, each field with its path "circuit_breaker.<field>".
policy_mistakes find_mistakes(const circuit_breaker_limits& policy);

/// What made a breaker change its state.
enum class transition_cause : std::uint8_t {
  failure_threshold = 1, ///< Too many failures in a row.
  open_elapsed = 2,      ///< open_for has passed.
  probe_failed = 3,      ///< A probe in half-open failed.
  probes_succeeded = 4,  ///< Enough successes in half-open.
  forced_open = 5,       ///< An operator's force_open.
  disabled = 6,          ///< An operator's disable.
  reset = 7,             ///< An operator's reset.
  nodes_tripped = 8,     ///< Circuits of nodes that share it opened: see shared_circuit.hpp.
  owner_said = 9,        ///< The owner of a shared circuit said so: see circuit_share.hpp.
  owner_lost = 10,       ///< The owner of a shared circuit can't be reached.
};

/// One change of state, with the counts that caused it.
struct circuit_transition {
  circuit_state from;
  circuit_state to;
  transition_cause why;
  instant when;
  std::uint64_t generation; ///< The one that begins.
  std::uint32_t failures;   ///< Consecutive failures, with the one that caused it.
  std::uint32_t successes;  ///< Successes in half-open, with the one that caused it.

  friend bool operator==(const circuit_transition&, const circuit_transition&) = default;
};

/// Told of each transition, in order, after the breaker has changed. Must not call it from there.
struct circuit_observer {
  virtual void on_transition(const circuit_transition& change) = 0;

protected:
  ~circuit_observer() = default;
};

/// The decisions of one circuit breaker. Not thread-safe: it has one owner.
class circuit_breaker {
public:
  /// Requires: find_mistakes(policy) is empty; `observer` outlives the breaker.
  circuit_breaker(const circuit_breaker_limits& policy, circuit_observer& observer, instant now);

  circuit_breaker(const circuit_breaker&) = delete;
  circuit_breaker& operator=(const circuit_breaker&) = delete;

  /// Asks to make one attempt. In half-open the permit is a probe: its place is taken until an
  /// outcome is told, at the latest until `hold_until` (`end_of_time`: until open_for has passed
  /// once more). Does what became due before, as on_tick does. A rejection says how long until
  /// probes are let through, in a full half-open until the first probe's place would be given back.
  [[nodiscard]] admission admit(instant now, instant hold_until = end_of_time);

  /// The attempt succeeded. Nothing happens where `held` is outdated or its probe has been given
  /// back. Only on_tick and admit give back: an outcome told at the very deadline still counts.
  void on_success(const permit& held, instant now);
  /// The attempt failed; the same.
  void on_failure(const permit& held, instant now);
  /// The attempt says nothing about the target (cancelled, refused further in): its place is free
  /// again.
  void on_cancelled(const permit& held, instant now);

  /// An outcome seen outside, with no permit asked for: counts in closed, half-open and disabled.
  /// In half-open it does what a probe's would do, and takes no place.
  void record_success(instant now);
  void record_failure(instant now);

  /// Does what became due: open turns half-open, overdue probes give their places back.
  void on_tick(instant now);
  /// When on_tick is next worth calling; `end_of_time`: not without a new event.
  [[nodiscard]] instant due() const noexcept;

  /// By an operator's hand. What is so already stays as it is, with its generation: force_open in
  /// forced_open and disable in disabled do nothing, reset in closed only clears the failures.
  void force_open(instant now);
  void disable(instant now);
  void reset(instant now);

  /// Opens it, whatever was counted. Nothing happens where it isn't closed.
  void trip(transition_cause why, instant now);

  /// For a node's part of a shared circuit: takes the state that another decides about, `closed`
  /// gives it back. Until then time changes nothing, and no probe is let through here. `probes_in`:
  /// in open, until probes will be let through.
  void follow(circuit_state state, timespan probes_in, transition_cause why, instant now);
  /// Goes on from the state that it followed to, by its own rules.
  void stop_following(transition_cause why, instant now);
  [[nodiscard]] bool following() const noexcept { return following_; }

  /// Takes the new numbers; the state, the counts and the probes in flight stay. An open circuit
  /// probes at since + the new open_for; a count beyond its new threshold acts when it next grows;
  /// with more probes in flight than now permitted, no more are let through until they are fewer.
  /// Requires: find_mistakes(policy) is empty.
  void change_policy(const circuit_breaker_limits& policy, instant now);

  [[nodiscard]] const circuit_breaker_limits& policy() const noexcept { return policy_; }
  [[nodiscard]] circuit_state state() const noexcept { return state_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// When the state was entered.
  [[nodiscard]] instant since() const noexcept { return since_; }
  /// Consecutive failures in closed and disabled.
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }
  /// Successes in half-open.
  [[nodiscard]] std::uint32_t successes() const noexcept { return successes_; }
  /// Probes in flight.
  [[nodiscard]] std::uint32_t probes() const noexcept {
    return static_cast<std::uint32_t>(probes_.size());
  }

  /// Shows the present state to those who read it without asking.
  void publish(circuit_view& view) const noexcept;

private:
  struct probe {
    std::uint64_t number;
    instant hold_until;
  };

  circuit_breaker_limits policy_;
  circuit_observer& observer_;
  circuit_state state_ = circuit_state::closed;
  std::uint64_t generation_ = 1;
  std::uint64_t last_probe_ = 0; // never starts again: a number names one probe of all generations
  instant since_;
  std::uint32_t failures_ = 0;
  std::uint32_t successes_ = 0;
  bool following_ = false;
  instant follows_until_;     // when probes are let through, as the other said
  std::vector<probe> probes_; // in flight; empty in all states but half_open

  // The one function that assigns the state, and so outdates all permits.
  void enter(circuit_state next, transition_cause why, instant now);
  [[nodiscard]] admission admit_probe(instant now, instant hold_until);
  // Gives its place back. False: outdated, what became of it is to be dropped.
  bool settle(const permit& held);
  [[nodiscard]] instant probes_from() const noexcept;
};

/// The enumerators' names.
std::string to_string(circuit_state state);
std::string to_string(transition_cause cause);

} // namespace bulwark
