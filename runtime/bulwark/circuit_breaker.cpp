#include "bulwark/circuit_breaker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace bulwark {

namespace {

// 0, "not known", where it lies beyond all time, or is over: a follower's owner may be late.
timespan time_until(instant then, instant now) noexcept {
  return then == end_of_time || then < now ? timespan::zero() : then - now;
}

} // namespace

// -- policy -----------------------------------------------------------------------

policy_mistakes find_mistakes(const circuit_breaker_limits& policy) {
  auto result = policy_mistakes{};
  auto check_count = [&](std::string_view field, std::uint64_t value, std::uint64_t high) {
    check_range(result, field, value, 1, high);
  };
  check_count("circuit_breaker.failure_threshold", policy.failure_threshold, 1'000'000);
  check_count("circuit_breaker.success_threshold", policy.success_threshold, 1'000'000);
  check_range(result, "circuit_breaker.open_for", policy.open_for, std::chrono::milliseconds{1},
              longest_timespan);
  check_count("circuit_breaker.half_open_calls", policy.half_open_calls, 10'000);
  return result;
}

// -- calls and their outcomes -----------------------------------------------------

circuit_breaker::circuit_breaker(const circuit_breaker_limits& policy, circuit_observer& observer,
                                 instant now)
    : policy_(policy), observer_(observer), since_(now) {}

admission circuit_breaker::admit(instant now, instant hold_until) {
  on_tick(now);
  switch (state_) {
  case circuit_state::closed:
  case circuit_state::disabled:
    return permit{generation_, 0};
  case circuit_state::open:
    return rejection{errc::circuit_open, time_until(probes_from(), now)};
  case circuit_state::half_open:
    return admit_probe(now, hold_until);
  case circuit_state::forced_open:
    break; // only an operator knows until when
  }
  return rejection{errc::circuit_open, timespan::zero()};
}

admission circuit_breaker::admit_probe(instant now, instant hold_until) {
  if (following_)
    return rejection{errc::circuit_open, timespan::zero()};
  if (probes_.size() >= policy_.half_open_calls)
    return rejection{errc::circuit_open, time_until(due(), now)};
  if (hold_until == end_of_time)
    hold_until = saturating_add(now, policy_.open_for);
  probes_.push_back({last_probe_ + 1, hold_until});
  return permit{generation_, ++last_probe_};
}

void circuit_breaker::on_success(const permit& held, instant now) {
  if (settle(held))
    record_success(now);
}

void circuit_breaker::on_failure(const permit& held, instant now) {
  if (settle(held))
    record_failure(now);
}

void circuit_breaker::on_cancelled(const permit& held, instant /*now*/) {
  settle(held);
}

void circuit_breaker::record_success(instant now) {
  switch (state_) {
  case circuit_state::closed:
  case circuit_state::disabled:
    failures_ = 0;
    return;
  case circuit_state::half_open:
    if (following_)
      return;
    if (++successes_ >= policy_.success_threshold)
      enter(circuit_state::closed, transition_cause::probes_succeeded, now);
    return;
  case circuit_state::open:
  case circuit_state::forced_open:
    return; // how long it stays open is not the target's to say
  }
}

void circuit_breaker::record_failure(instant now) {
  switch (state_) {
  case circuit_state::closed:
    if (++failures_ >= policy_.failure_threshold)
      enter(circuit_state::open, transition_cause::failure_threshold, now);
    return;
  case circuit_state::half_open:
    if (following_)
      return;
    ++failures_; // only to be told with the transition
    enter(circuit_state::open, transition_cause::probe_failed, now);
    return;
  case circuit_state::disabled:
    if (failures_ < std::numeric_limits<std::uint32_t>::max())
      ++failures_;
    return;
  case circuit_state::open:
  case circuit_state::forced_open:
    return; // a late failure must not make it stay open longer
  }
}

// -- time -------------------------------------------------------------------------

void circuit_breaker::on_tick(instant now) {
  if (state_ == circuit_state::open && !following_ && now >= probes_from())
    enter(circuit_state::half_open, transition_cause::open_elapsed, now);
  std::erase_if(probes_, [now](const probe& each) { return each.hold_until <= now; });
}

instant circuit_breaker::due() const noexcept {
  if (state_ == circuit_state::open)
    return following_ ? end_of_time : probes_from();
  auto earliest = end_of_time; // there are probes in half-open alone
  for (const auto& each : probes_)
    earliest = std::min(earliest, each.hold_until);
  return earliest;
}

// -- the operator -----------------------------------------------------------------

void circuit_breaker::force_open(instant now) {
  if (state_ != circuit_state::forced_open)
    enter(circuit_state::forced_open, transition_cause::forced_open, now);
}

void circuit_breaker::disable(instant now) {
  if (state_ != circuit_state::disabled)
    enter(circuit_state::disabled, transition_cause::disabled, now);
}

void circuit_breaker::reset(instant now) {
  if (state_ == circuit_state::closed)
    failures_ = 0;
  else
    enter(circuit_state::closed, transition_cause::reset, now);
}

void circuit_breaker::trip(transition_cause why, instant now) {
  if (state_ == circuit_state::closed)
    enter(circuit_state::open, why, now);
}

void circuit_breaker::follow(circuit_state state, timespan probes_in, transition_cause why,
                             instant now) {
  const auto began = std::exchange(following_, state != circuit_state::closed) != following_;
  follows_until_ = saturating_add(now, probes_in);
  // Probes are numbered by who gives them: none is good where the other decides.
  if (state_ != state || (began && state_ == circuit_state::half_open))
    enter(state, why, now);
}

void circuit_breaker::stop_following(transition_cause why, instant now) {
  if (!std::exchange(following_, false))
    return;
  if (state_ == circuit_state::open)
    since_ = follows_until_ - policy_.open_for;
  else if (state_ == circuit_state::half_open)
    enter(circuit_state::half_open, why, now);
}

void circuit_breaker::change_policy(const circuit_breaker_limits& policy, instant /*now*/) {
  policy_ = policy;
}

void circuit_breaker::publish(circuit_view& view) const noexcept {
  view.publish({.state = state_,
                .failing = state_ == circuit_state::closed && failures_ != 0,
                .generation = generation_},
               probes_from());
}

// -- the state --------------------------------------------------------------------

void circuit_breaker::enter(circuit_state next, transition_cause why, instant now) {
  auto change = circuit_transition{.from = state_,
                                   .to = next,
                                   .why = why,
                                   .when = now,
                                   .generation = ++generation_,
                                   .failures = failures_,
                                   .successes = successes_};
  state_ = next;
  since_ = now;
  failures_ = 0;
  successes_ = 0;
  probes_.clear();
  observer_.on_transition(change);
}

bool circuit_breaker::settle(const permit& held) {
  if (held.generation != generation_)
    return false;
  if (state_ != circuit_state::half_open)
    return true;
  return std::erase_if(probes_, [&](const probe& each) { return each.number == held.probe; }) != 0;
}

instant circuit_breaker::probes_from() const noexcept {
  return following_ ? follows_until_ : saturating_add(since_, policy_.open_for);
}

// -- names ------------------------------------------------------------------------

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
  }
  return fmt::format("circuit_state({})", static_cast<unsigned>(state));
}

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
  }
  return fmt::format("transition_cause({})", static_cast<unsigned>(cause));
}

} // namespace bulwark
