// Longer than 400 lines: the whole life of a call is readable here, from its beginning to its answer.
#include "bulwark/supervisor.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace bulwark {

namespace {

/// How long after an attempt's last moment the breaker still holds its probe's place. What became
/// of the attempt is told at that moment, but a slot of the wheel and two messages later; told to a
/// place that was given back, it would be dropped, and a target that hangs would never count.
constexpr timespan grace = std::chrono::milliseconds{100};

/// Under which heading of the books a call stands that the guard itself answered with `error`.
auto book_of(errc error) noexcept {
  if (is_rejection(error))
    return &counters::rejected;
  if (error == errc::timed_out)
    return &counters::timed_out;
  return &counters::failed;
}

} // namespace

supervisor::supervisor(const supervisor_limits& limits, const circuit_view* view,
                       supervisor_effects& effects, instant now, std::uint64_t seed,
                       const lease_view* lease)
    : limits_(limits), view_(view), lease_(lease), effects_(effects), random_(seed), wheel_(now) {}

void take_limits(supervisor_limits& limits, const circuit_breaker_limits& breaker) {
  const auto how = batching_of(breaker);
  limits.outcomes = how ? std::make_shared<const outcome_batching>(*how) : nullptr;
  limits.tells_retry_after = breaker.open_on_retry_after;
}

// -- a call begins ------------------------------------------------------------------

std::uint32_t supervisor::open() {
  if (free_slots_.empty()) {
    const auto first = calls_.capacity();
    // Room for all slots, so that giving one back can't fail; and first of all, so that no slot is
    // lost where memory is refused.
    if (const auto wanted = first + decltype(calls_)::page_size; free_slots_.capacity() < wanted)
      free_slots_.reserve(std::max(wanted, 2 * free_slots_.capacity()));
    calls_.reserve_for(first);
    for (auto slot = calls_.capacity(); slot-- > first;) {
      calls_[slot].slot = static_cast<std::uint32_t>(slot);
      free_slots_.push_back(static_cast<std::uint32_t>(slot));
    }
  }
  auto slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void supervisor::start(std::uint32_t slot, const call_options& options, instant now) {
  auto& c = calls_[slot];
  auto deadline = options.deadline ? options.deadline : limits_.deadline;
  if (options.remaining && (!deadline || *options.remaining < *deadline))
    deadline = std::max(*options.remaining, timespan{0});
  c.started = now;
  c.deadline = deadline ? saturating_add(now, *deadline) : end_of_time;
  c.keeps_worker = options.keeps_worker;
  c.idempotent = options.idempotent.value_or(!limits_.retry || limits_.retry->idempotent);
  c.is_retry = options.attempt > 1;
  c.repeatable = limits_.retry || limits_.hedge != nullptr;
  ++books_.calls.calls;
  ++books_.calls.in_flight;
  if (shutting_down_) {
    finish(c, errc::shutting_down, &counters::rejected, timespan{0}, now);
  } else if (options.remaining
             && *options.remaining <= timespan{0}) { // before a part may refuse it
    ++books_.saved;
    finish(c, errc::timed_out, &counters::timed_out, timespan{0}, now);
  } else if (limits_.rate != nullptr) {
    pass_gate(c, options.tenant, now);
  } else {
    begin_attempt(c, now);
  }
}

/// In front of all parts, and once for a call: what it does within is the other parts' to bound.
void supervisor::pass_gate(call& c, std::uint64_t tenant, instant now) {
  const auto time_left = c.deadline == end_of_time ? timespan::max() : c.deadline - now;
  const auto decision = limits_.rate->ask(tenant, now, time_left);
  if (!decision.admitted) {
    finish(c, errc::rate_limited, &counters::rejected, decision.wait, now);
  } else if (decision.wait > timespan{0}) {
    c.state = call_state::backing_off;
    set_timer(c, saturating_add(now, decision.wait));
  } else {
    begin_attempt(c, now);
  }
}

void supervisor::give_up(std::uint32_t slot, errc why, instant now) {
  auto& c = calls_[slot];
  c.keeps_worker = false; // its function was never sent
  stop(c, why, &counters::rejected, now);
}

void supervisor::count_refused() noexcept {
  ++books_.calls.calls;
  ++books_.calls.rejected;
}

// -- an attempt on its way inwards ----------------------------------------------------

void supervisor::begin_attempt(call& c, instant now) {
  ++c.tries;
  c.serial = ++last_serial_;
  c.held = {};
  if (!limits_.breaker) {
    enter_bulkhead(c, now);
    return;
  }
  if (!behind_.empty() || must_wait_its_turn(now)) {
    behind_.push_back(c.id());
    c.state = call_state::behind;
    set_timer(c, c.deadline);
  } else {
    ask_leave(c, now);
  }
}

/// What the published view says of a call that comes now: leave, a refusal, or nothing, and then
/// the breaker has to be asked by message.
std::optional<admission> supervisor::leave_by(const circuit_view::reading& seen,
                                              instant now) const noexcept {
  switch (seen.state) {
  case circuit_state::closed:
    if (unseen_failure_ != 0)
      return std::nullopt; // it may be from before a failure of ours
    [[fallthrough]];
  case circuit_state::disabled:
  case circuit_state::metrics_only:
    return permit{.generation = seen.generation, .probe = 0};
  case circuit_state::forced_open:
    return rejection{.why = errc::circuit_open};
  case circuit_state::open:
    if (const auto from = view_->probes_from(); now < from)
      return rejection{.why = errc::circuit_open, .retry_after = from - now};
    return std::nullopt;
  case circuit_state::half_open:
    return std::nullopt;
  }
  return std::nullopt;
}

/// A circuit that has just closed: chance decides who may be among the first.
std::optional<rejection> supervisor::refused_by_ramp(const circuit_view::reading& seen,
                                                     instant now) noexcept {
  if (!seen.ramping)
    return std::nullopt;
  const auto ramp = view_->ramp();
  if (random_.unit() < ramp.share(now))
    return std::nullopt;
  return rejection{.why = errc::circuit_open,
                   .retry_after = std::max(ramp.end() - now, timespan{0})};
}

/// Messages keep their order: none goes past one that still waits for the breaker's answer.
bool supervisor::must_wait_its_turn(instant now) const noexcept {
  if (asked_ == 0)
    return false;
  const auto leave = leave_by(view_->read(), now);
  return leave && std::holds_alternative<permit>(*leave);
}

void supervisor::ask_leave(call& c, instant now) {
  ++books_.breaker.calls;
  ++books_.breaker.in_flight;
  c.at_breaker = true;
  if (part_lost_) {
    refuse(c, {.why = errc::shutting_down}, now);
    return;
  }
  const auto seen = view_->read();
  const auto leave = leave_by(seen, now);
  if (!leave) {
    c.state = call_state::awaiting_probe;
    ++asked_;
    set_timer(c, c.deadline);
    effects_.ask_probe(c.id(), saturating_add(ends_by(c, now), grace));
  } else if (const auto* refusal = std::get_if<rejection>(&*leave)) {
    refuse(c, *refusal, now);
  } else if (const auto ramped = refused_by_ramp(seen, now)) {
    refuse(c, *ramped, now);
  } else {
    c.held = std::get<permit>(*leave);
    enter_bulkhead(c, now);
  }
}

/// Those who have waited for the answers of others.
void supervisor::let_follow(instant now) {
  auto next = behind_.begin();
  for (; next != behind_.end(); ++next) {
    auto* c = find(*next, call_state::behind);
    if (c == nullptr)
      continue; // ended meanwhile
    if (must_wait_its_turn(now))
      break;
    wheel_.cancel(*c);
    ask_leave(*c, now);
  }
  behind_.erase(behind_.begin(), next);
}

/// When an attempt that begins now has surely ended: its wait for a permit comes before its
/// timeout.
instant supervisor::ends_by(const call& c, instant now) const noexcept {
  const auto after = [](instant from, const std::optional<timespan>& longest) {
    return longest ? saturating_add(from, *longest) : end_of_time;
  };
  const auto launched = limits_.bulkhead ? after(now, limits_.queue_timeout) : now;
  return std::min(c.deadline, after(launched, limits_.attempt_timeout));
}

void supervisor::on_probe(attempt_id attempt, const admission& decision, instant now) {
  // It was asked after the failure was told, so it has seen it: what is told arrives in order.
  if (unseen_failure_ != 0 && static_cast<std::int32_t>(attempt.serial - unseen_failure_) > 0)
    unseen_failure_ = 0;
  auto* c = find(attempt, call_state::awaiting_probe);
  if (const auto* given = std::get_if<permit>(&decision)) {
    if (c == nullptr) { // the call has ended meanwhile
      if (given->probe != 0)
        effects_.tell_breaker(*given, {});
      return;
    }
    --asked_;
    wheel_.cancel(*c);
    c->held = *given;
    if (auto refusal = outdated(*c, now))
      refuse(*c, *refusal, now);
    else
      enter_bulkhead(*c, now);
  } else if (c != nullptr) {
    --asked_;
    refuse(*c, std::get<rejection>(decision), now);
  }
  let_follow(now);
}

/// Permits of a lease that has run out are no leave to start anything.
bool supervisor::lease_has_ended(instant now) const noexcept {
  return lease_ != nullptr && lease_->until() <= now;
}

void supervisor::enter_bulkhead(call& c, instant now) {
  if (!limits_.bulkhead) {
    launch(c, now);
    return;
  }
  ++books_.bulkhead.calls;
  ++books_.bulkhead.in_flight;
  c.at_bulkhead = true;
  if (part_lost_) {
    refuse(c, {.why = errc::shutting_down}, now);
  } else if (permits_unused_ > 0 && waiting_ == 0 && !lease_has_ended(now)) {
    --permits_unused_;
    ++permits_in_use_;
    c.has_permit = true;
    launch(c, now);
  } else {
    // Also while a permit lies here, if others of ours wait: the queue's order is the bulkhead's.
    const auto timeout = limits_.queue_timeout;
    c.state = call_state::queued;
    ++waiting_;
    set_timer(c, std::min(c.deadline, timeout ? saturating_add(now, *timeout) : end_of_time));
    effects_.ask_permit(c.id());
  }
}

void supervisor::on_permit(attempt_id attempt, std::uint32_t extra, bool keep, instant now) {
  keeps_permits_ = keep && !part_lost_;
  permits_unused_ += extra;
  auto* c = find(attempt, call_state::queued);
  if (c == nullptr) { // withdrawn meanwhile
    ++permits_unused_;
    send_home();
    return;
  }
  send_home();
  if (lease_has_ended(now)) { // on its way, or while the process was stopped: it is asked for anew
    effects_.return_permits(1);
    effects_.ask_permit(attempt);
    return;
  }
  --waiting_;
  ++permits_in_use_;
  c->has_permit = true;
  wheel_.cancel(*c);
  if (auto refusal = outdated(*c, now)) {
    settle_bulkhead(*c, &counters::cancelled);
    refuse(*c, *refusal, now);
    return;
  }
  launch(*c, now);
}

void supervisor::on_refused(attempt_id attempt, errc why, instant now) {
  if (auto* c = find(attempt, call_state::queued)) {
    --waiting_;
    wheel_.cancel(*c);
    refuse(*c, {.why = why}, now);
  }
}

/// Whether the circuit has opened since the breaker gave leave. What was let in before the trip, a
/// whole queue of calls perhaps, must not reach the target after it.
std::optional<rejection> supervisor::outdated(call& c, instant now) const noexcept {
  if (!c.at_breaker)
    return std::nullopt;
  const auto seen = view_->read();
  if (seen.generation <= c.held.generation)
    return std::nullopt;
  if (seen.state == circuit_state::closed || seen.state == circuit_state::disabled
      || seen.state == circuit_state::metrics_only) {
    c.held = {.generation = seen.generation, .probe = 0};
    return std::nullopt;
  }
  const auto from = view_->probes_from();
  const auto wait = seen.state == circuit_state::open && from > now ? from - now : timespan{0};
  return rejection{.why = errc::circuit_open, .retry_after = wait};
}

void supervisor::launch(call& c, instant now) {
  if (now >= c.deadline) { // never started
    ++books_.saved;
    settle_bulkhead(c, &counters::timed_out);
    settle_breaker(c, &counters::cancelled, now);
    finish(c, errc::timed_out, &counters::timed_out, timespan{0}, now);
    return;
  }
  ++c.attempts;
  c.launched = now;
  count_launch(c, now);
  c.state = call_state::in_flight;
  const auto timeout = limits_.attempt_timeout;
  c.ends = std::min(c.deadline, timeout ? saturating_add(now, *timeout) : end_of_time);
  const auto copy_at = hedge_due(c, now);
  c.awaits_copy = copy_at < c.ends;
  set_timer(c, std::min(c.ends, copy_at));
  effects_.start_attempt(c.id());
}

void supervisor::count_launch(call& c, instant now) {
  ++books_.attempts;
  if (std::exchange(c.unlaunched, false)) {
    ++books_.hedges;
  } else if (c.attempts > 1) {
    ++books_.retries;
  } else {
    if (limits_.budget != nullptr && !c.is_retry)
      limits_.budget->on_call(now);
    if (limits_.hedge != nullptr)
      limits_.hedge->on_call(now);
  }
}

// -- two copies of a call -------------------------------------------------------------

/// When the attempt that begins now is old enough for a second copy; never for a call that may not
/// be made twice, or that is itself somebody's second attempt.
instant supervisor::hedge_due(const call& c, instant now) const noexcept {
  if (limits_.hedge == nullptr || !c.repeatable || !c.idempotent || c.is_retry || c.keeps_worker
      || c.other != 0 || c.second)
    return end_of_time;
  const auto delay = limits_.hedge->delay(now);
  return delay ? saturating_add(now, *delay) : end_of_time;
}

void supervisor::make_copy(call& c, instant now) {
  set_timer(c, c.ends);
  if (limits_.hedge == nullptr || shutting_down_ || now >= c.ends) // we are late
    return;
  if (!limits_.hedge->try_spend(now)) {
    ++books_.hedges_refused;
    return;
  }
  try {
    const auto slot = open();
    auto& copy = calls_[slot];
    try {
      effects_.copy_call(c.slot, slot);
    } catch (...) {
      discard(slot);
      throw;
    }
    copy.started = c.started;
    copy.deadline = c.deadline;
    copy.keeps_worker = false;
    copy.idempotent = true;
    copy.is_retry = false;
    copy.repeatable = true;
    copy.tries = c.tries - 1; // a copy is no further try
    copy.second = true;
    copy.unlaunched = true;
    copy.other = c.slot + 1;
    c.other = slot + 1;
  } catch (const std::bad_alloc&) {
    return; // the first copy is as good
  }
  begin_attempt(calls_[c.other - 1], now);
}

/// Where a copy has failed, and the other may still succeed: that one goes on for both.
bool supervisor::leave_to_other(call& c) {
  if (c.other == 0)
    return false;
  auto& heir = calls_[c.other - 1];
  heir.other = 0;
  heir.attempts += c.attempts;
  effects_.forget_copy(c.slot, heir.slot);
  free_slot(c);
  return true;
}

/// The call is answered: its other copy has nobody to answer.
void supervisor::drop_other(call& c, instant now) {
  auto& other = calls_[c.other - 1];
  c.other = 0;
  c.attempts += other.attempts;
  wheel_.cancel(other);
  withdraw(other, errc::cancelled);
  settle_breaker(other, &counters::cancelled, now);
  settle_bulkhead(other, &counters::cancelled);
  effects_.forget_copy(other.slot, c.slot);
  free_slot(other);
}

std::uint32_t supervisor::attempts_of(attempt_id attempt) const noexcept {
  const auto& c = calls_[attempt.slot];
  return c.attempts + (c.other != 0 ? calls_[c.other - 1].attempts : 0);
}

// -- an attempt on its way outwards ---------------------------------------------------

bool supervisor::awaits_reply(attempt_id attempt) const noexcept {
  return is(attempt, call_state::in_flight);
}

bool supervisor::on_reply(attempt_id attempt, const reply_class& reply, instant now) {
  auto* c = find(attempt, call_state::in_flight);
  if (c == nullptr) {
    ++books_.late_replies;
    take_worker_back(attempt);
    return false;
  }
  wheel_.cancel(*c);
  c->last_error.reset();
  if (!reply || !reply->counts) // a failure may come soon, and says nothing about the load
    sample(*c, false, now);
  if (!reply) {
    note_success(*c, now);
    settle_breaker(*c, &counters::succeeded, now);
    settle_bulkhead(*c, &counters::succeeded);
    finish(*c, std::nullopt, &counters::succeeded, timespan{0}, now);
  } else {
    settle_breaker(*c, reply->counts ? &counters::failed : &counters::cancelled, now,
                   reply->retry_after);
    settle_bulkhead(*c, &counters::failed);
    fail_attempt(*c,
                 {.error = std::nullopt,
                  .retryable = reply->retryable,
                  .retry_after = reply->retry_after,
                  .wait = reply->retry_after,
                  .begun = reply->begun,
                  .forbids_retry = reply->forbids_retry,
                  .base_delay = reply->base_delay,
                  .is_result = reply->is_result},
                 now);
  }
  return true;
}

/// What calls take is counted from the first copy: the second one's time is not all that it took.
void supervisor::note_success(const call& c, instant now) noexcept {
  if (limits_.hedge == nullptr)
    return;
  const auto first = c.second && c.other != 0 ? calls_[c.other - 1].launched : c.launched;
  limits_.hedge->on_success(now - std::min(first, c.launched), now);
  books_.hedges_won += c.second ? 1 : 0;
}

std::optional<timespan> supervisor::time_left(attempt_id attempt, instant now) const noexcept {
  const auto& c = calls_[attempt.slot];
  if (!is(attempt, call_state::in_flight) || !c.linked())
    return std::nullopt;
  const auto ends = c.awaits_copy ? c.ends : c.due();
  return ends == end_of_time ? std::nullopt : std::optional{ends - now};
}

void supervisor::on_lost(attempt_id attempt, instant now, bool begun) {
  if (auto* c = find(attempt, call_state::in_flight)) {
    wheel_.cancel(*c);
    lose(*c, begun, now);
  } else {
    take_worker_back(attempt);
  }
}

/// An abandoned function has ended at last.
void supervisor::take_worker_back(attempt_id attempt) {
  if (auto* c = find(attempt, call_state::abandoned)) {
    --abandoned_running_;
    release_permit(*c);
    free_slot(*c);
  }
}

void supervisor::on_target_lost(std::uint32_t slot, instant now) {
  const auto& c = calls_[slot];
  if (c.state == call_state::in_flight || c.state == call_state::abandoned)
    on_lost(c.id(), now);
}

void supervisor::on_target_lost(instant now) {
  for_each_call([&](call& c) { on_target_lost(c.slot, now); });
}

void supervisor::lose(call& c, bool begun, instant now) {
  const auto kind = effects_.classify(errc::target_lost);
  settle_breaker(c, kind.counts ? &counters::failed : &counters::cancelled, now);
  settle_bulkhead(c, &counters::failed);
  fail_attempt(c,
               {.error = errc::target_lost,
                .retryable = kind.retryable,
                .begun = begun,
                .base_delay = kind.base_delay},
               now);
}

void supervisor::refuse(call& c, const rejection& why, instant now) {
  // The part that refused has the call as rejected; the one further out only gets its leave back.
  if (c.at_bulkhead) {
    settle_bulkhead(c, &counters::rejected);
    settle_breaker(c, &counters::cancelled, now);
  } else {
    settle_breaker(c, &counters::rejected, now);
  }
  const auto kind = effects_.classify(why.why);
  fail_attempt(c,
               {.error = why.why,
                .retryable = why.why != errc::shutting_down && kind.retryable,
                .retry_after = why.retry_after,
                .base_delay = kind.base_delay},
               now);
}

void supervisor::fail_attempt(call& c, const failure& why, instant now) {
  if (leave_to_other(c))
    return;
  c.last_error = why.error;
  if (!limits_.retry || !why.retryable || !c.repeatable) {
    end_as_it_is(c, why, now);
    return;
  }
  const auto reason = reason_against_retry(c, why);
  if (reason != nullptr && c.tries < limits_.retry->max_attempts) {
    ++(books_.*reason);
    end_as_it_is(c, why, now);
    return;
  }
  const auto delay = next_delay(c, why);
  const auto due = saturating_add(saturating_add(now, why.wait), delay);
  // No attempt starts that can't end before the deadline. Said at once: waiting would change
  // nothing.
  if (c.tries >= limits_.retry->max_attempts || due >= c.deadline) {
    finish(c, why.is_result ? std::nullopt : std::optional{errc::retries_exhausted},
           &counters::failed, why.retry_after, now);
    return;
  }
  // Spent now, not after the wait: or all that wait would find the same one left.
  if (limits_.budget != nullptr && !limits_.budget->try_spend(now)) {
    ++books_.budget_refused;
    end_as_it_is(c, why, now, true);
    return;
  }
  c.last_delay = delay;
  c.state = call_state::backing_off;
  set_timer(c, due);
}

/// What speaks against trying a call again that could be, as it stands in the books; null: nothing.
std::uint64_t supervisor_books::*supervisor::reason_against_retry(const call& c,
                                                                  const failure& why) const {
  if (c.is_retry)
    return &supervisor_books::left_to_others;
  if (why.begun && !c.idempotent)
    return &supervisor_books::not_idempotent;
  if (why.forbids_retry || why.wait > limits_.retry->max_retry_after)
    return &supervisor_books::told_not_to;
  return nullptr;
}

timespan supervisor::next_delay(const call& c, const failure& why) {
  if (!why.base_delay)
    return backoff_delay(*limits_.retry, c.tries, c.last_delay, random_);
  auto other = *limits_.retry;
  other.base_delay = *why.base_delay;
  return backoff_delay(other, c.tries, c.last_delay, random_);
}

/// With what ended its last attempt.
void supervisor::end_as_it_is(call& c, const failure& why, instant now, bool no_more) {
  c.no_more = no_more;
  finish(c, why.error, why.error ? book_of(*why.error) : &counters::failed, why.retry_after, now);
}

supervisor::failure supervisor::time_out_of(const error_class& kind, bool begun, bool in_time) {
  return {.error = errc::timed_out,
          .retryable = kind.retryable && in_time,
          .begun = begun,
          .base_delay = kind.base_delay};
}

// Longer than 40 lines: what the end of its time means in each state.
void supervisor::time_out(call& c, instant now) {
  if (c.state == call_state::in_flight && std::exchange(c.awaits_copy, false)) {
    make_copy(c, now);
    return;
  }
  const auto kind = effects_.classify(errc::timed_out);
  const auto begun = c.state == call_state::in_flight;
  count_given_up(c);
  switch (c.state) {
  case call_state::free:
  case call_state::abandoned:
    return; // has no timer
  case call_state::backing_off:
    c.second = false; // a new try may have a second copy of its own
    if (now < c.deadline)
      begin_attempt(c, now);
    else
      finish(c, errc::timed_out, &counters::timed_out, timespan{0}, now);
    return;
  case call_state::awaiting_probe:
    --asked_;
    [[fallthrough]];
  case call_state::behind:
    settle_breaker(c, &counters::timed_out, now);
    break;
  case call_state::queued:
    --waiting_;
    effects_.withdraw(c.id());
    settle_bulkhead(c, &counters::timed_out);
    settle_breaker(c, &counters::cancelled, now);
    break;
  case call_state::in_flight:
    effects_.cut_attempt(c.id(), errc::timed_out);
    sample(c, true, now);
    settle_breaker(c, kind.counts ? &counters::timed_out : &counters::cancelled, now);
    if (c.keeps_worker) {
      abandon(c, errc::timed_out, &counters::timed_out, now);
      return;
    }
    settle_bulkhead(c, &counters::timed_out);
    break;
  }
  fail_attempt(c, time_out_of(kind, begun, now < c.deadline), now);
}

/// What its attempt would have cost the target, or goes on to.
void supervisor::count_given_up(const call& c) noexcept {
  switch (c.state) {
  case call_state::behind:
  case call_state::awaiting_probe:
  case call_state::queued:
    ++books_.saved;
    return;
  case call_state::in_flight:
    ++books_.cut;
    return;
  case call_state::free:
  case call_state::backing_off:
  case call_state::abandoned:
    return;
  }
}

/// A function can't be stopped: its caller is answered, its worker stays taken until it returns.
void supervisor::abandon(call& c, errc why, heading book, instant now) {
  ++books_.abandoned;
  ++abandoned_running_;
  if (c.at_bulkhead) {
    ++(books_.bulkhead.*book);
    --books_.bulkhead.in_flight;
    c.at_bulkhead = false;
  }
  c.last_error = why;
  answer(c, why, book, timespan{0}, now);
  c.state = call_state::abandoned;
}

/// An attempt is counted once as the breaker sees it, and what it says of the target is told.
void supervisor::settle_breaker(call& c, heading book, instant now, timespan retry_after) {
  if (!c.at_breaker)
    return;
  c.at_breaker = false;
  --books_.breaker.in_flight;
  ++(books_.breaker.*book);
  if (c.held.generation == 0) // had no leave yet
    return;
  const auto slow = was_slow(c, book, now);
  const auto said = limits_.tells_retry_after ? retry_after : timespan{0};
  if (book == &counters::succeeded) {
    tell_success(c.held, slow, now);
  } else if (book == &counters::failed || book == &counters::timed_out) {
    // Told at once: the last one that it takes must open the circuit before another call goes out.
    // And behind what went well before it.
    tell_successes();
    effects_.tell_breaker(c.held, {.failed = true, .slow = slow, .retry_after = said});
    failing_generation_ = c.held.generation;
    unseen_failure_ = last_serial_;
  } else if (c.held.probe != 0 || said > timespan{0}) {
    effects_.tell_breaker(c.held, {.retry_after = said});
    if (said > timespan{0})
      unseen_failure_ = last_serial_; // it may open the circuit
  }
}

/// By the time from its start: waiting for a permit is not the target's fault. What timed out took
/// too long, whatever the policy calls slow.
bool supervisor::was_slow(const call& c, heading book, instant now) const noexcept {
  if (!limits_.outcomes || !limits_.outcomes->slow_call_duration)
    return false;
  return book == &counters::timed_out || now - c.launched >= *limits_.outcomes->slow_call_duration;
}

/// To a closed breaker that only counts failures in a row a success matters only after a failure, as
/// it ends the row; the view shows failures of others, and of ours those that the breaker has
/// already seen. Where it keeps a window, the others are counted too, and told together.
void supervisor::tell_success(const permit& held, bool slow, instant now) {
  const auto ours = held.generation == failing_generation_;
  if (held.probe != 0 || ours || view_->read().failing)
    effects_.tell_breaker(held, {.failed = false, .slow = slow});
  else if (limits_.outcomes)
    count_success(held, slow, now);
  if (ours)
    failing_generation_ = 0;
}

/// A slow one is told at once, as a failure is: it may be the last one that it takes.
void supervisor::count_success(const permit& held, bool slow, instant now) {
  if (!successes_)
    successes_.reset(new (std::nothrow) success_counter);
  if (!successes_)
    return; // no memory: one observation less, as in the latencies
  if (const auto due = successes_->add(*limits_.outcomes, held.generation, slow, now))
    effects_.tell_successes(*due);
  if (slow)
    tell_successes();
}

void supervisor::tell_successes() {
  const auto due = successes_ ? successes_->take() : std::nullopt;
  if (due)
    effects_.tell_successes(*due);
}

void supervisor::settle_bulkhead(call& c, heading book) {
  if (!c.at_bulkhead)
    return;
  c.at_bulkhead = false;
  --books_.bulkhead.in_flight;
  ++(books_.bulkhead.*book);
  release_permit(c);
}

/// Told some at a time, and before they are old.
void supervisor::sample(const call& c, bool dropped, instant now) {
  constexpr std::uint32_t some = 8;
  constexpr timespan old = std::chrono::milliseconds{5};
  if (!limits_.tells_samples)
    return;
  if (!samples_)
    samples_.reset(new (std::nothrow) latency_samples);
  if (!samples_)
    return; // no memory: one observation less
  auto& all = *samples_;
  if (all.count + all.dropped == 0)
    all.first = now;
  if (dropped) {
    ++all.dropped;
  } else {
    const auto took = now - c.launched;
    ++all.count;
    all.total += took;
    all.squares += static_cast<double>(took.count()) * static_cast<double>(took.count());
  }
  if (all.count + all.dropped >= some || now - all.first >= old)
    effects_.tell_samples(std::exchange(all, {}));
}

void supervisor::release_permit(call& c) {
  if (!c.has_permit)
    return;
  c.has_permit = false;
  --permits_in_use_;
  ++permits_unused_;
  send_home();
}

/// What is unused, unless it may be kept.
void supervisor::send_home() {
  if (!keeps_permits_ && permits_unused_ > 0)
    effects_.return_permits(std::exchange(permits_unused_, 0));
}

std::uint32_t supervisor::on_recall() noexcept {
  keeps_permits_ = false;
  return std::exchange(permits_unused_, 0);
}

// -- a call ends ----------------------------------------------------------------------

void supervisor::finish(call& c, std::optional<errc> error, heading book, timespan retry_after,
                        instant now) {
  answer(c, error, book, retry_after, now);
  free_slot(c);
}

void supervisor::answer(call& c, std::optional<errc> error, heading book, timespan retry_after,
                        instant now) {
  wheel_.cancel(c);
  if (c.other != 0)
    drop_other(c, now);
  const auto elapsed = now - c.started;
  // The counters last: they can't throw, and the call counts as in flight until it is answered.
  if (book != &counters::rejected)
    record_latency(elapsed);
  effects_.answer(c.slot, {.error = error,
                           .last_error = c.last_error,
                           .attempts = c.attempts,
                           .elapsed = elapsed,
                           .retry_after = retry_after,
                           .no_more = c.no_more});
  --books_.calls.in_flight;
  ++(books_.calls.*book);
}

/// Where there is no memory for it, one observation less: the answer must not fail for it.
void supervisor::record_latency(timespan elapsed) noexcept {
  try {
    books_.latency.record(elapsed);
  } catch (const std::bad_alloc&) {
  }
}

void supervisor::free_slot(call& c) {
  c.state = call_state::free;
  c.last_delay = timespan{0};
  c.last_error.reset();
  c.tries = 0;
  c.attempts = 0;
  c.other = 0;
  c.no_more = false;
  c.second = false;
  c.unlaunched = false;
  c.awaits_copy = false;
  free_slots_.push_back(c.slot);
}

/// Nobody waits for its attempt any more, wherever that is.
void supervisor::withdraw(call& c, errc why) {
  count_given_up(c);
  if (c.state == call_state::queued) {
    --waiting_;
    effects_.withdraw(c.id());
  } else if (c.state == call_state::awaiting_probe) {
    --asked_;
  } else if (c.state == call_state::in_flight) {
    effects_.cut_attempt(c.id(), why);
  }
}

/// Ends a call that has not been answered.
void supervisor::stop(call& c, errc why, heading book, instant now) {
  withdraw(c, why);
  settle_breaker(c, &counters::cancelled, now);
  if (c.state == call_state::in_flight && c.keeps_worker) {
    abandon(c, why, book, now);
    return;
  }
  settle_bulkhead(c, &counters::cancelled);
  finish(c, why, book, timespan{0}, now);
}

void supervisor::cancel(std::uint32_t slot, instant now) {
  if (slot >= calls_.capacity())
    return;
  auto& c = calls_[slot];
  if (c.state == call_state::free || c.state == call_state::abandoned)
    return;
  stop(c, errc::cancelled, &counters::cancelled, now);
  let_follow(now);
}

void supervisor::on_part_lost(instant now) {
  part_lost_ = true;
  keeps_permits_ = false; // whose part it was: a bulkhead that is still there needs them
  send_home();
  for_each_call([&](call& c) {
    if (c.state != call_state::awaiting_probe && c.state != call_state::behind
        && c.state != call_state::queued)
      return;
    // A copy that waits for nothing may still bring the answer.
    if (c.other != 0 && calls_[c.other - 1].state == call_state::in_flight)
      drop_other(calls_[c.other - 1], now);
    else
      stop(c, errc::shutting_down, &counters::rejected, now);
  });
  let_follow(now); // nobody is behind any more, and who comes now isn't either
}

void supervisor::shut_down(bool finish_calls, instant now) {
  shutting_down_ = true;
  if (finish_calls)
    return;
  for_each_call([&](call& c) {
    if (c.state != call_state::free && c.state != call_state::abandoned)
      stop(c, errc::shutting_down, &counters::cancelled, now);
  });
}

// -- time -----------------------------------------------------------------------------

void supervisor::on_tick(instant now) {
  armed_ = end_of_time;
  ticking_ = true;
  wheel_.expire(now, [&](wheel_entry& due) { time_out(static_cast<call&>(due), now); });
  let_follow(now);
  ticking_ = false;
  arm(wheel_.next());
}

void supervisor::set_timer(call& c, instant due) {
  wheel_.cancel(c);
  if (due != end_of_time && wheel_.insert(c, due))
    arm(c.due());
}

void supervisor::arm(instant due) {
  if (!ticking_ && due < armed_) {
    effects_.wake_at(due);
    armed_ = due;
  }
}

// -- the table of calls ---------------------------------------------------------------

bool supervisor::is(attempt_id attempt, call_state state) const noexcept {
  return attempt.slot < calls_.capacity() && calls_[attempt.slot].serial == attempt.serial
         && calls_[attempt.slot].state == state;
}

supervisor::call* supervisor::find(attempt_id attempt, call_state state) noexcept {
  return is(attempt, state) ? &calls_[attempt.slot] : nullptr;
}

template <class F>
void supervisor::for_each_call(F&& f) {
  for (std::size_t slot = 0; slot < calls_.capacity(); ++slot)
    f(calls_[slot]);
}

} // namespace bulwark
