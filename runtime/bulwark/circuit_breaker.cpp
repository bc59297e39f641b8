#include "bulwark/circuit_breaker.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace bulwark {

namespace {

// 0, "not known", where it lies beyond all time, or is over: a follower's owner may be late.
timespan time_until(instant then, instant now) noexcept {
  return then == end_of_time || then < now ? timespan::zero() : then - now;
}

bool is_by_hand(transition_cause why) noexcept {
  return why == transition_cause::forced_open || why == transition_cause::disabled
         || why == transition_cause::metrics_only || why == transition_cause::reset;
}

// Keeps what a window remembers as far as it fits into the next.
template <class Log, class Window, class... Now>
void change_window(std::optional<Log>& log, const std::optional<Window>& to, Now... now) {
  if (!to)
    log.reset();
  else if (log)
    log->change(*to, now...);
  else
    log.emplace(*to);
}

} // namespace

// -- calls and their outcomes -----------------------------------------------------

circuit_breaker::circuit_breaker(const circuit_breaker_limits& policy, circuit_observer& observer,
                                 instant now, std::uint64_t seed)
    : policy_(policy),
      observer_(observer),
      state_(policy.initial_state),
      since_(now),
      random_(seed) {
  change_policy(policy, now);
}

admission circuit_breaker::admit(instant now, instant hold_until) {
  on_tick(now);
  switch (state_) {
  case circuit_state::closed:
    if (const auto refusal = refused_by_ramp(now))
      return *refusal;
    return permit{generation_, 0};
  case circuit_state::disabled:
  case circuit_state::metrics_only:
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
  if (!first_probe_)
    first_probe_ = now;
  return permit{generation_, ++last_probe_};
}

std::optional<rejection> circuit_breaker::refused_by_ramp(instant now) noexcept {
  if (!ramping_ || random_.unit() < ramp().share(now))
    return std::nullopt;
  return rejection{errc::circuit_open, time_until(ramp().end(), now)};
}

void circuit_breaker::on_outcome(const permit& held, const attempt_outcome& how, instant now) {
  if (!settle(held))
    return;
  if (how.retry_after > timespan{0} && policy_.open_on_retry_after && counts_now(now)
      && state_ != circuit_state::disabled) {
    if (how.failed.value_or(false))
      ++failures_; // only to be told with the transition
    open(transition_cause::target_said, now, how.retry_after);
  } else if (how.failed) {
    *how.failed ? fail(how.slow, now) : succeed(how.slow, now);
  }
}

void circuit_breaker::on_successes(const success_batch& batch, instant now) {
  if (batch.generation != generation_ || state_ == circuit_state::half_open || !counts_now(now))
    return;
  const auto at = std::min(batch.at, now);
  const auto slow = std::min(batch.slow, batch.calls);
  count({.failed = false, .slow = false}, batch.calls - slow, at);
  count({.failed = false, .slow = true}, slow, at);
  trip_if_enough(now);
}

void circuit_breaker::record_success(instant now, timespan took) {
  succeed(is_slow(policy_, took), now);
}

void circuit_breaker::record_failure(instant now, timespan took) {
  fail(is_slow(policy_, took), now);
}

/// Not where it is another's to decide, and not while a circuit that only shows what it would do
/// would let nothing through. An open one: how long it stays so is not the target's to say, and a
/// late failure must not make it longer.
bool circuit_breaker::counts_now(instant now) const noexcept {
  switch (state_) {
  case circuit_state::closed:
  case circuit_state::disabled:
    return true;
  case circuit_state::half_open:
    return !following_;
  case circuit_state::metrics_only:
    return now >= saturating_add(since_, open_length_);
  case circuit_state::open:
  case circuit_state::forced_open:
    break;
  }
  return false;
}

void circuit_breaker::succeed(bool slow, instant now) {
  if (!counts_now(now))
    return;
  if (state_ == circuit_state::half_open) {
    if (++successes_ >= policy_.success_threshold)
      enter(circuit_state::closed, transition_cause::probes_succeeded, now);
    return;
  }
  failures_ = 0;
  count({.failed = false, .slow = slow}, 1, now);
  trip_if_enough(now);
}

void circuit_breaker::fail(bool slow, instant now) {
  if (!counts_now(now))
    return;
  if (failures_ < std::numeric_limits<std::uint32_t>::max())
    ++failures_;
  if (state_ == circuit_state::half_open) { // counted only to be told with the transition
    open(transition_cause::probe_failed, now);
    return;
  }
  count({.failed = true, .slow = slow}, 1, now);
  trip_if_enough(now);
}

void circuit_breaker::count(seen_outcome what, std::uint32_t times, instant at) noexcept {
  if (times == 0)
    return;
  what.slow = what.slow && policy_.slow_call_duration;
  if (by_count_)
    by_count_->record(what, times);
  if (by_time_)
    by_time_->record(what, at, times);
}

/// The rules that open it, in the order in which they are named where several hold.
void circuit_breaker::trip_if_enough(instant now) {
  if (by_time_)
    by_time_->on_time(now);
  if (state_ == circuit_state::disabled)
    return;
  const auto says = [this](window_verdict verdict) {
    return (by_count_ && by_count_->verdict() == verdict)
           || (by_time_ && by_time_->verdict() == verdict);
  };
  if (policy_.failure_threshold != 0 && failures_ >= policy_.failure_threshold)
    open(transition_cause::failure_threshold, now);
  else if (says(window_verdict::failing))
    open(transition_cause::failure_ratio, now);
  else if (says(window_verdict::slow))
    open(transition_cause::slow_ratio, now);
}

outcome_counts circuit_breaker::window() const noexcept {
  if (by_count_ && (!by_time_ || by_count_->verdict() != window_verdict::fine))
    return by_count_->counts();
  return by_time_ ? by_time_->counts() : outcome_counts{};
}

// -- time -------------------------------------------------------------------------

void circuit_breaker::on_tick(instant now) {
  if (state_ == circuit_state::open && !following_ && now >= probes_from())
    enter(circuit_state::half_open, transition_cause::open_elapsed, now);
  else if (const auto ends = half_open_ends(); ends != end_of_time && now >= ends)
    open(transition_cause::half_open_elapsed, now);
  ramping_ = ramping_ && now < ramp().end();
  std::erase_if(probes_, [now](const probe& each) { return each.hold_until <= now; });
}

instant circuit_breaker::due() const noexcept {
  if (state_ == circuit_state::open)
    return following_ ? end_of_time : probes_from();
  if (ramping_)
    return ramp().end();
  auto earliest = half_open_ends(); // there are probes in half-open alone
  for (const auto& each : probes_)
    earliest = std::min(earliest, each.hold_until);
  return earliest;
}

/// From the first probe on: before it nothing was tried, and without calls a circuit that opened
/// again and again would only wake its owner.
instant circuit_breaker::half_open_ends() const noexcept {
  return state_ == circuit_state::half_open && first_probe_ && policy_.max_half_open_for
             ? saturating_add(*first_probe_, *policy_.max_half_open_for)
             : end_of_time;
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

void circuit_breaker::metrics_only(instant now) {
  if (state_ != circuit_state::metrics_only)
    enter(circuit_state::metrics_only, transition_cause::metrics_only, now);
}

void circuit_breaker::reset(instant now) {
  openings_ = 0;
  if (state_ != circuit_state::closed) {
    enter(circuit_state::closed, transition_cause::reset, now);
    return;
  }
  clear_counts();
  open_length_ = timespan{0};
  ramping_ = false;
}

void circuit_breaker::trip(transition_cause why, instant now) {
  if (state_ == circuit_state::closed)
    open(why, now);
}

void circuit_breaker::follow(circuit_state state, timespan probes_in, transition_cause why,
                             instant now) {
  const auto began = std::exchange(following_, state != circuit_state::closed) != following_;
  follows_until_ = saturating_add(now, probes_in);
  // Probes are numbered by who gives them: none is good where the other decides.
  if (state_ == state && !(began && state_ == circuit_state::half_open))
    return;
  if (state == circuit_state::open)
    prepare_open(now, timespan{0});
  enter(state, why, now);
}

void circuit_breaker::stop_following(transition_cause why, instant now) {
  if (!std::exchange(following_, false))
    return;
  if (state_ == circuit_state::open)
    since_ = follows_until_ - open_length_;
  else if (state_ == circuit_state::half_open)
    enter(circuit_state::half_open, why, now);
}

void circuit_breaker::change_policy(const circuit_breaker_limits& policy, instant now) {
  policy_ = policy;
  change_window(by_count_, policy.count_window);
  change_window(by_time_, policy.time_window, now);
  if (open_length_ != timespan{0})
    open_length_ = length_of_open();
  ramping_ = ramping_ && policy_.ramp_for && now < ramp().end();
}

void circuit_breaker::publish(circuit_view& view) const noexcept {
  view.publish(
      {.state = state_,
       .failing = failures_ != 0
                  && (state_ == circuit_state::closed || state_ == circuit_state::metrics_only),
       .generation = generation_,
       .ramping = ramping_},
      probes_from(), ramping_ ? ramp() : circuit_ramp{});
}

// -- the state --------------------------------------------------------------------

/// It opens, or would, where it only shows what it would do.
void circuit_breaker::open(transition_cause why, instant now, timespan told) {
  prepare_open(now, told);
  const auto shows = state_ == circuit_state::metrics_only;
  enter(shows ? circuit_state::metrics_only : circuit_state::open, why, now);
}

/// How long it will be open, from what was before. A circuit that was closed for less than it had been
/// open was not well: it goes on growing.
void circuit_breaker::prepare_open(instant now, timespan told) {
  const auto again =
      state_ == circuit_state::half_open
      || (state_ == circuit_state::closed && openings_ != 0 && now - since_ < open_length_);
  if (!again)
    openings_ = 0;
  if (openings_ < std::numeric_limits<std::uint32_t>::max())
    ++openings_;
  chance_ = policy_.open_jitter > 0.0 ? random_.unit() : 0.0;
  told_ = told;
  open_length_ = length_of_open();
}

timespan circuit_breaker::length_of_open() const noexcept {
  if (told_ == timespan{0})
    return length_in_open(policy_, openings_, chance_);
  return std::max(std::min(told_, policy_.max_open_for), timespan{std::chrono::milliseconds{1}});
}

void circuit_breaker::enter(circuit_state next, transition_cause why, instant now) {
  auto change = circuit_transition{.from = state_,
                                   .to = next,
                                   .why = why,
                                   .when = now,
                                   .generation = ++generation_,
                                   .failures = failures_,
                                   .successes = successes_,
                                   .window = window()};
  const auto was_open = state_ == circuit_state::open || state_ == circuit_state::half_open;
  ramping_ = next == circuit_state::closed && was_open && why != transition_cause::reset
             && policy_.ramp_for;
  state_ = next;
  since_ = now;
  if (is_by_hand(why)) {
    openings_ = 0;
    open_length_ = timespan{0};
  }
  clear_counts();
  successes_ = 0;
  probes_.clear();
  first_probe_.reset();
  observer_.on_transition(change);
}

void circuit_breaker::clear_counts() noexcept {
  failures_ = 0;
  if (by_count_)
    by_count_->clear();
  if (by_time_)
    by_time_->clear();
}

bool circuit_breaker::settle(const permit& held) {
  if (held.generation != generation_)
    return false;
  if (state_ != circuit_state::half_open)
    return true;
  return std::erase_if(probes_, [&](const probe& each) { return each.number == held.probe; }) != 0;
}

circuit_ramp circuit_breaker::ramp() const noexcept {
  return {
      .begin = since_, .length = policy_.ramp_for.value_or(timespan{1}), .from = policy_.ramp_from};
}

instant circuit_breaker::probes_from() const noexcept {
  return following_ ? follows_until_ : saturating_add(since_, open_length_);
}

} // namespace bulwark
