#pragma once

#include "bulwark/attempt_outcome.hpp"
#include "bulwark/circuit_breaker_policy.hpp"
#include "bulwark/circuit_transition.hpp"
#include "bulwark/circuit_view.hpp"
#include "bulwark/outcome_window.hpp"
#include "bulwark/permit.hpp"
#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>
#include <vector>

/// @file The circuit breaker.
///
/// A target that is in trouble is hurt by more calls, and its callers wait for errors they could
/// have at once. A breaker counts failures; too many in a row open it, and calls are refused
/// without being tried. After a while it lets a few probes through, and closes when they succeed.
///
/// | state        | lets through           | leaves it when                                        |
/// | ------------ | ---------------------- | ----------------------------------------------------- |
/// | closed       | everything; a share of | failure_threshold failures in a row, the share of     |
/// |              | it while it ramps      | failures or slow calls in a window, a target's        |
/// |              |                        | retry_after: open                                     |
/// | open         | nothing                | the time in open has passed: half_open                |
/// | half_open    | half_open_calls probes | probe fails, max_half_open_for has passed since the   |
/// |              |                        | first probe: open; success_threshold successes: closed |
/// | forced_open  | nothing                | an operator says another                              |
/// | disabled     | everything, and counts | an operator says another                              |
/// | metrics_only | everything, and counts | an operator says another. What would open it is told  |
/// |              |                        | as a transition to itself, once in open_for           |
///
/// Every transition starts a new generation, and a permit carries the generation it was given in.
/// An outcome of an earlier generation says nothing about now and is dropped: neither a slow
/// success nor a slow failure from before the trip can close or reopen the circuit. (resilience4j,
/// Sentinel and Polly count such stale outcomes in the new state; gobreaker has generations.)
///
/// A probe whose outcome never comes gives its place back when its time is up, so that half-open
/// can't wedge. (It does in resilience4j #903, Polly #1979, Sentinel #1638, opossum #276.)
///
/// Pattern: Nygard, "Release It!", 2007. Counting in a row is the simplest rule that trips fast; its
/// cost is that a target which fails every other call never trips it. For those there are windows:
/// outcome_window.hpp. All numbers: circuit_breaker_policy.hpp.

namespace bulwark {

/// The decisions of one circuit breaker. Not thread-safe: it has one owner.
class circuit_breaker {
public:
  /// Requires: find_mistakes(policy) is empty; `observer` outlives the breaker. `seed`: for jitter and
  /// ramps; another for each breaker.
  circuit_breaker(const circuit_breaker_limits& policy, circuit_observer& observer, instant now,
                  std::uint64_t seed = 0);

  circuit_breaker(const circuit_breaker&) = delete;
  circuit_breaker& operator=(const circuit_breaker&) = delete;

  /// Asks to make one attempt. In half-open the permit is a probe: its place is taken until an
  /// outcome is told, at the latest until `hold_until` (`end_of_time`: until open_for has passed
  /// once more). Does what became due before, as on_tick does. A rejection says how long until
  /// probes are let through, in a full half-open until the first probe's place would be given back or
  /// half-open end, in a ramp until it has ended.
  [[nodiscard]] admission admit(instant now, instant hold_until = end_of_time);

  /// How the attempt ended. Nothing happens where `held` is outdated or its probe has been given
  /// back. Only on_tick and admit give back: an outcome told at the very deadline still counts.
  void on_outcome(const permit& held, const attempt_outcome& how, instant now);
  void on_success(const permit& held, instant now) { on_outcome(held, {.failed = false}, now); }
  void on_failure(const permit& held, instant now) { on_outcome(held, {.failed = true}, now); }
  /// The attempt says nothing about the target (cancelled, refused further in): its place is free
  /// again.
  void on_cancelled(const permit& held, instant now) { on_outcome(held, {}, now); }
  /// Successes for the windows, no probe's: the row of failures is not theirs to end. Nothing happens
  /// where they are of an earlier generation.
  void on_successes(const success_batch& batch, instant now);

  /// An outcome seen outside, with no permit asked for: counts where calls are let through. In
  /// half-open it does what a probe's would do, and takes no place. `took`: how long it was, where
  /// that is known.
  void record_success(instant now, timespan took = timespan{0});
  void record_failure(instant now, timespan took = timespan{0});

  /// Does what became due: open turns half-open, half-open open, a ramp ends, overdue probes give
  /// their places back.
  void on_tick(instant now);
  /// When on_tick is next worth calling; `end_of_time`: not without a new event.
  [[nodiscard]] instant due() const noexcept;

  /// By an operator's hand. What is so already stays as it is, with its generation: force_open in
  /// forced_open and so on do nothing, reset in closed only clears the counts and ends a ramp.
  void force_open(instant now);
  void disable(instant now);
  void metrics_only(instant now);
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
  /// probes at since + the new time in open; a count beyond its new threshold acts when it next
  /// grows; with more probes in flight than now permitted, no more are let through until they are
  /// fewer. A window that has another size or span begins anew.
  /// Requires: find_mistakes(policy) is empty.
  void change_policy(const circuit_breaker_limits& policy, instant now);

  [[nodiscard]] const circuit_breaker_limits& policy() const noexcept { return policy_; }
  [[nodiscard]] circuit_state state() const noexcept { return state_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// When the state was entered.
  [[nodiscard]] instant since() const noexcept { return since_; }
  /// Consecutive failures where calls are let through.
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }
  /// What the window remembers, as of the last outcome; with two, that of time. Empty without.
  [[nodiscard]] outcome_counts window() const noexcept;
  /// Successes in half-open.
  [[nodiscard]] std::uint32_t successes() const noexcept { return successes_; }
  /// How long it is open, or was when it was open last; 0: it wasn't, since an operator's word.
  [[nodiscard]] timespan open_length() const noexcept { return open_length_; }
  /// When an open circuit lets probes through.
  [[nodiscard]] instant probes_from() const noexcept;
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
  circuit_state state_;
  std::uint64_t generation_ = 1;
  std::uint64_t last_probe_ = 0; // never starts again: a number names one probe of all generations
  instant since_;
  std::uint32_t failures_ = 0;
  std::uint32_t successes_ = 0;
  bool following_ = false;
  bool ramping_ = false;
  instant follows_until_;              // when probes are let through, as the other said
  std::vector<probe> probes_;          // in flight; empty in all states but half_open
  std::optional<instant> first_probe_; // of this half-open
  std::optional<count_window_log> by_count_;
  std::optional<time_window_log> by_time_;
  random_stream random_;
  // Of the last time that it opened, and while it is open of this one.
  std::uint32_t openings_ = 0; // without having been well in between
  double chance_ = 0.0;
  timespan told_{0}; // by the target
  timespan open_length_{0};

  // The one function that assigns the state, and so outdates all permits.
  void enter(circuit_state next, transition_cause why, instant now);
  void open(transition_cause why, instant now, timespan told = timespan{0});
  void prepare_open(instant now, timespan told);
  void clear_counts() noexcept;
  [[nodiscard]] admission admit_probe(instant now, instant hold_until);
  [[nodiscard]] std::optional<rejection> refused_by_ramp(instant now) noexcept;
  // Gives its place back. False: outdated, what became of it is to be dropped.
  bool settle(const permit& held);
  void succeed(bool slow, instant now);
  void fail(bool slow, instant now);
  void count(seen_outcome what, std::uint32_t times, instant at) noexcept;
  void trip_if_enough(instant now);
  [[nodiscard]] bool counts_now(instant now) const noexcept;
  [[nodiscard]] timespan length_of_open() const noexcept;
  [[nodiscard]] instant half_open_ends() const noexcept;
  [[nodiscard]] circuit_ramp ramp() const noexcept;
};

} // namespace bulwark
