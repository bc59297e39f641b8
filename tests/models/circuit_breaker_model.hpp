#pragma once

#include "bulwark/circuit_breaker.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

/// @file A model of the circuit breaker.
///
/// The breaker keeps counts, rings of outcomes and a list of probes. The model keeps none of them:
/// it is a book that only grows, a chapter for each generation, and everything is read out of it
/// anew each time it is asked. What chance decides the model doesn't know: how long a jittered
/// circuit stays open it is told, and says between what.

namespace bulwark_tests::circuit_breaker_model {

using namespace bulwark;
using namespace std::chrono_literals;

// -- the book ---------------------------------------------------------------------

// told: a success from a batch, which ends no row of failures.
// blamed: a failure of the row alone, for the target said when to come back.
enum class fact_kind { let_through, succeeded, failed, told, blamed, left, given_back, cleared };

struct fact {
  fact_kind kind;
  std::uint64_t probe = 0; // 0: not a probe's
  instant when = {};       // of let_through: until when its place is held
  bool slow = false;
  // Since the window of time was changed: the beginning of its bucket then, or long ago.
  std::optional<instant> counts_at = {};
};

// All that happened in one generation, and counted.
struct chapter {
  circuit_state state;
  instant since;
  std::vector<fact> facts = {};
  // Facts before those a window of outcomes doesn't know, for it is newer.
  std::size_t by_count_from = 0;
  std::size_t by_time_from = 0;
  std::optional<instant> first_probe = {};
  bool ramping = false;
};

using book = std::vector<chapter>;

inline std::uint32_t count_of(const chapter& now, fact_kind kind) {
  return static_cast<std::uint32_t>(std::count_if(
      now.facts.begin(), now.facts.end(), [kind](const fact& each) { return each.kind == kind; }));
}

// The failures after the last thing that clears them.
inline std::uint32_t failures_in_a_row(const chapter& now) {
  auto result = 0U;
  for (auto each = now.facts.rbegin(); each != now.facts.rend(); ++each) {
    if (each->kind == fact_kind::succeeded || each->kind == fact_kind::cleared)
      break;
    result += each->kind == fact_kind::failed || each->kind == fact_kind::blamed ? 1 : 0;
  }
  return result;
}

inline std::uint32_t successes(const chapter& now) {
  return now.state == circuit_state::half_open ? count_of(now, fact_kind::succeeded) : 0;
}

// The outcomes from `first` on that weren't cleared, in order. Those of probes are for nobody's window.
inline std::vector<fact> outcomes(const chapter& now, std::size_t first) {
  std::vector<fact> result;
  if (now.state == circuit_state::half_open)
    return result;
  for (auto i = first; i < now.facts.size(); ++i) {
    const auto& each = now.facts[i];
    if (each.kind == fact_kind::cleared)
      result.clear();
    else if (each.kind == fact_kind::succeeded || each.kind == fact_kind::failed
             || each.kind == fact_kind::told)
      result.push_back(each);
  }
  return result;
}

inline outcome_counts summed(const std::vector<fact>& all) {
  outcome_counts result;
  for (const auto& each : all) {
    ++result.calls;
    result.failed += each.kind == fact_kind::failed ? 1 : 0;
    result.slow += each.slow ? 1 : 0;
  }
  return result;
}

inline outcome_counts remembered(const chapter& now, const count_window& window) {
  auto all = outcomes(now, now.by_count_from);
  if (all.size() > window.size)
    all.erase(all.begin(), all.end() - window.size);
  return summed(all);
}

// As of `when`: those whose bucket is one of the last.
inline outcome_counts remembered(const chapter& now, const time_window& window, instant when) {
  const auto bucket = [&](instant at) {
    return at.time_since_epoch().count() / (window.span.count() / window.buckets);
  };
  auto all = outcomes(now, now.by_time_from);
  std::erase_if(all, [&](const fact& each) {
    return bucket(each.counts_at.value_or(each.when)) + std::int64_t{window.buckets}
           <= bucket(when);
  });
  return summed(all);
}

// The probes let through of which nothing else was written down.
inline std::map<std::uint64_t, instant> probes_in_flight(const chapter& now) {
  std::map<std::uint64_t, instant> result;
  for (const auto& each : now.facts) {
    if (each.kind == fact_kind::let_through)
      result[each.probe] = each.when;
    else
      result.erase(each.probe);
  }
  return result;
}

// -- the model --------------------------------------------------------------------

struct model {
  circuit_breaker_limits policy;
  book chapters;
  std::vector<circuit_transition> told;
  // While another decides: when it lets probes through, as it said.
  std::optional<instant> follows_until = std::nullopt;
  // Of the last time that it opened: how often it had, how long, and what the target said.
  std::uint32_t openings = 0;
  timespan length{0};
  timespan target_said{0};
  bool length_is_new = false; // chance may have made it shorter
  instant looked{};           // when the window of time was last looked at

  chapter& now() { return chapters.back(); }
  [[nodiscard]] const chapter& now() const { return chapters.back(); }
  [[nodiscard]] bool is(circuit_state state) const { return now().state == state; }
  [[nodiscard]] std::uint64_t generation() const { return chapters.size(); }
  [[nodiscard]] instant reopens() const {
    return follows_until ? *follows_until : saturating_add(now().since, length);
  }

  [[nodiscard]] timespan longest_open() const {
    if (target_said > 0s)
      return std::max<timespan>(1ms, std::min(target_said, policy.max_open_for));
    auto result = policy.open_for;
    if (policy.open_growth == 1.0)
      return result;
    for (auto i = 1U; i < openings && result < policy.max_open_for; ++i)
      result = timespan{static_cast<timespan::rep>(double(result.count()) * policy.open_growth)};
    return std::min(result, policy.max_open_for);
  }

  [[nodiscard]] instant half_open_ends() const {
    return is(circuit_state::half_open) && now().first_probe && policy.max_half_open_for
               ? saturating_add(*now().first_probe, *policy.max_half_open_for)
               : end_of_time;
  }
  // Of the calls that come to a ramp so many pass.
  [[nodiscard]] double ramp_share(instant when) const {
    const auto gone = double((when - now().since).count()) / double(policy.ramp_for->count());
    return policy.ramp_from + (1 - policy.ramp_from) * gone;
  }

  [[nodiscard]] instant ramp_ends() const {
    return now().ramping ? saturating_add(now().since, *policy.ramp_for) : end_of_time;
  }

  [[nodiscard]] instant due() const {
    auto result = is(circuit_state::open) && !follows_until ? reopens() : end_of_time;
    for (auto [number, hold_until] : probes_in_flight(now()))
      result = std::min(result, hold_until);
    return std::min({result, half_open_ends(), ramp_ends()});
  }

  // What a window says, with the reason to open that it gives.
  template <class Window>
  static std::optional<transition_cause> verdict(const Window& window, const outcome_counts& seen) {
    if (seen.calls < window.minimum_calls)
      return std::nullopt;
    if (double(seen.failed) / double(seen.calls) >= window.failure_ratio)
      return transition_cause::failure_ratio;
    if (double(seen.slow) / double(seen.calls) >= window.slow_ratio)
      return transition_cause::slow_ratio;
    return std::nullopt;
  }
  [[nodiscard]] std::optional<transition_cause> by_count() const {
    return policy.count_window
               ? verdict(*policy.count_window, remembered(now(), *policy.count_window))
               : std::nullopt;
  }
  [[nodiscard]] std::optional<transition_cause> by_time() const {
    return policy.time_window
               ? verdict(*policy.time_window, remembered(now(), *policy.time_window, looked))
               : std::nullopt;
  }
  [[nodiscard]] outcome_counts window() const {
    if (policy.count_window && (!policy.time_window || by_count()))
      return remembered(now(), *policy.count_window);
    return policy.time_window ? remembered(now(), *policy.time_window, looked) : outcome_counts{};
  }

  void turn_page(circuit_state to, transition_cause why, instant when) {
    told.push_back({now().state, to, why, when, generation() + 1, failures_in_a_row(now()),
                    successes(now()), window()});
    const auto was_open = is(circuit_state::open) || is(circuit_state::half_open);
    const auto ramps = to == circuit_state::closed && was_open && policy.ramp_for
                       && why != transition_cause::reset;
    chapters.push_back({.state = to, .since = when, .ramping = ramps});
    using enum transition_cause;
    if (why == reset || why == forced_open || why == disabled || why == metrics_only) {
      openings = 0;
      length = 0s;
    }
  }

  // It goes on growing where it was not well for as long as it was open.
  void lengthen(instant when, timespan said) {
    const auto again =
        is(circuit_state::half_open)
        || (is(circuit_state::closed) && openings > 0 && when - now().since < length);
    openings = again ? openings + 1 : 1;
    target_said = said;
    length = longest_open();
    length_is_new = policy.open_jitter > 0.0 && said == 0s;
  }

  void open(transition_cause why, instant when, timespan said = 0s) {
    lengthen(when, said);
    turn_page(is(circuit_state::metrics_only) ? circuit_state::metrics_only : circuit_state::open,
              why, when);
  }

  void tick(instant when) {
    if (is(circuit_state::open) && !follows_until && reopens() <= when)
      turn_page(circuit_state::half_open, transition_cause::open_elapsed, when);
    else if (half_open_ends() != end_of_time && half_open_ends() <= when)
      open(transition_cause::half_open_elapsed, when);
    if (now().ramping && ramp_ends() <= when)
      now().ramping = false;
    for (auto [number, hold_until] : probes_in_flight(now()))
      if (hold_until <= when)
        now().facts.push_back({fact_kind::given_back, number});
  }

  // Whether the next call is let through, after tick(); if not, the answer is `refusal`. In a ramp
  // either may be.
  [[nodiscard]] bool lets_through() const {
    return is(circuit_state::closed) || is(circuit_state::disabled)
           || is(circuit_state::metrics_only)
           || (is(circuit_state::half_open) && !follows_until
               && probes_in_flight(now()).size() < policy.half_open_calls);
  }

  [[nodiscard]] rejection refusal(instant when) const {
    auto later = is(circuit_state::open) ? reopens() : due();
    return {errc::circuit_open, later == end_of_time ? 0s : std::max<timespan>(later - when, 0s)};
  }

  // Whether an outcome of this permit is written into the book at all.
  [[nodiscard]] bool believes(const permit& held) const {
    return held.generation == generation()
           && (!is(circuit_state::half_open) || probes_in_flight(now()).contains(held.probe));
  }

  // Whether what happens is of any interest now.
  [[nodiscard]] bool listens(instant when) const {
    if (is(circuit_state::open) || is(circuit_state::forced_open)
        || (is(circuit_state::half_open) && follows_until))
      return false;
    return !is(circuit_state::metrics_only) || saturating_add(now().since, length) <= when;
  }

  void write(fact what, instant when, timespan said = 0s) {
    if (!listens(when))
      return;
    what.slow = what.slow && policy.slow_call_duration;
    if (said > 0s && policy.open_on_retry_after && !is(circuit_state::disabled)) {
      const auto blamed = what.kind == fact_kind::failed;
      now().facts.push_back({blamed ? fact_kind::blamed : fact_kind::left, what.probe});
      return open(transition_cause::target_said, when, said);
    }
    now().facts.push_back(what);
    if (is(circuit_state::half_open)) {
      if (what.kind == fact_kind::failed)
        open(transition_cause::probe_failed, when);
      else if (what.kind == fact_kind::succeeded && successes(now()) >= policy.success_threshold)
        turn_page(circuit_state::closed, transition_cause::probes_succeeded, when);
    } else if (what.kind != fact_kind::left) {
      open_if_enough(when);
    }
  }

  void write(const success_batch& batch, instant when) {
    if (batch.generation != generation() || is(circuit_state::half_open) || !listens(when))
      return;
    for (auto i = 0U; i < batch.calls; ++i)
      now().facts.push_back({.kind = fact_kind::told,
                             .when = batch.at,
                             .slow = policy.slow_call_duration && i >= batch.calls - batch.slow});
    open_if_enough(when);
  }

  void open_if_enough(instant when) {
    looked = when;
    if (is(circuit_state::disabled))
      return;
    const auto says = [this](transition_cause why) {
      return by_count() == why || by_time() == why;
    };
    if (policy.failure_threshold > 0 && failures_in_a_row(now()) >= policy.failure_threshold)
      open(transition_cause::failure_threshold, when);
    else if (says(transition_cause::failure_ratio))
      open(transition_cause::failure_ratio, when);
    else if (says(transition_cause::slow_ratio))
      open(transition_cause::slow_ratio, when);
  }

  void clear() {
    now().facts.push_back({fact_kind::cleared});
    now().ramping = false;
    openings = 0;
    length = 0s;
  }

  // Another decides from now on, or no longer: no probe of before is good in half-open.
  void follow(circuit_state state, instant probes_from, instant when) {
    const auto begins = !follows_until && state != circuit_state::closed;
    follows_until = state == circuit_state::closed ? std::nullopt : std::optional{probes_from};
    if (is(state) && !(begins && is(circuit_state::half_open)))
      return;
    if (state == circuit_state::open)
      lengthen(when, 0s);
    turn_page(state, transition_cause::owner_said, when);
  }

  void stop_following(instant when) {
    if (!follows_until)
      return;
    if (is(circuit_state::open)) // goes on with the other's time
      now().since = *follows_until - length;
    follows_until.reset();
    if (is(circuit_state::half_open))
      turn_page(circuit_state::half_open, transition_cause::owner_lost, when);
  }

  void forget_all_but(std::size_t last) {
    while (outcomes(now(), now().by_count_from).size() > last)
      ++now().by_count_from;
  }

  // What a window of time knows of an outcome is the bucket.
  void put_into_buckets(const time_window& window, instant when) {
    const auto width = window.span / window.buckets;
    looked = when;
    for (auto& each : now().facts) {
      const auto bucket = each.counts_at.value_or(each.when).time_since_epoch() / width;
      const auto is_gone = bucket + std::int64_t{window.buckets} <= when.time_since_epoch() / width;
      each.counts_at = instant{is_gone ? timespan::min() / 2 : bucket * width};
    }
  }

  void change(const circuit_breaker_limits& next, instant when) {
    const auto old = std::exchange(policy, next);
    if (!old.count_window || !next.count_window)
      now().by_count_from = now().facts.size();
    else if (old.count_window->size != next.count_window->size)
      forget_all_but(std::min(old.count_window->size, next.count_window->size));
    if (!old.time_window || !next.time_window)
      now().by_time_from = now().facts.size();
    else if (old.time_window->span != next.time_window->span
             || old.time_window->buckets != next.time_window->buckets)
      put_into_buckets(*old.time_window, when);
    if (length > 0s) {
      length = longest_open();
      length_is_new = policy.open_jitter > 0.0 && target_said == 0s;
    }
    now().ramping = now().ramping && policy.ramp_for && ramp_ends() > when;
  }
};

} // namespace bulwark_tests::circuit_breaker_model
