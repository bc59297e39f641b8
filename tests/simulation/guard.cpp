#include "simulation/world.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bulwark_simulation {

namespace {

// A wheel is up to a millisecond late, and there are two between a deadline and its supervisor.
constexpr auto wheels_late = std::chrono::milliseconds{2};

} // namespace

guard::guard(process& p, std::uint32_t i, holder_id h, const guard_settings& with)
    : home(p),
      index(i),
      id(h),
      settings(with),
      bulkhead(with.limits.bulkhead ? p.bulkheads[with.bulkhead].get() : nullptr),
      circuit(with.limits.breaker ? p.circuits[with.circuit].get() : nullptr),
      begun(p.now()),
      budget(with.retry_budget ? std::optional<retry_budget>{*with.retry_budget} : std::nullopt),
      core(settings.limits, circuit ? &circuit->view : nullptr, *this, p.now(),
           stream_of(p.all.with.seed, p.incarnation, h).next(),
           bulkhead && bulkhead->share ? &bulkhead->view : nullptr) {
  settings.limits.budget = budget ? &*budget : nullptr;
  if (circuit)
    take_limits(settings.limits, circuit->core.policy());
  if (settings.hedge) {
    hedge.emplace(*settings.hedge, p.now());
    settings.limits.hedge = &*hedge;
  }
  if (bulkhead) {
    settings.limits.queue_timeout = bulkhead->share ? bulkhead->share->policy().queue_timeout
                                                    : bulkhead->core.policy().queue_timeout;
    settings.limits.tells_samples = bulkhead->core.policy().adaptive.has_value();
  }
}

// -- what comes in ------------------------------------------------------------------------

void guard::begin_call(const supervisor::call_options& options, const caller& from,
                       const call_class& as) {
  const auto slot = core.open();
  if (slot >= calls.size())
    calls.resize(slot + 1);
  auto& c = calls[slot];
  if (c.live)
    home.all.violated("a slot is given to two calls", "slot {}", slot);
  const auto now = home.now();
  auto deadline = options.deadline ? options.deadline : settings.limits.deadline;
  if (options.remaining)
    deadline =
        std::max(std::min(*options.remaining, deadline.value_or(timespan::max())), timespan{0});
  c = {.number = ++home.all.result.calls,
       .live = true,
       .keeps_worker = options.keeps_worker,
       .started = now,
       .deadline = deadline ? saturating_add(now, *deadline) : end_of_time,
       .slept_before = home.slept,
       .from = from,
       .as = as};
  ++live;
  home.all.say(home, "guard {}: call {} begins{}{}", id, c.number,
               deadline ? ", deadline " + to_text(*deadline) : std::string{},
               options.keeps_worker ? ", a function" : "");
  core.start(slot, options, now);
  check();
}

void guard::reply(attempt_id attempt, const reply_class& kind) {
  if (settings.target == 2)
    home.stop_work(*this, attempt);
  if (core.awaits_reply(attempt))
    calls[attempt.slot].reply_failed = kind.has_value();
  if (!core.on_reply(attempt, kind, home.now()))
    ++late;
  check();
}

void guard::lost(attempt_id attempt) {
  core.on_lost(attempt, home.now());
  check();
}

void guard::shut_down(bool finish) {
  home.all.say(home, "guard {} ends{}", id, finish ? " when its calls have finished" : "");
  core.shut_down(finish, home.now());
  check();
}

/// After each event that concerns it.
void guard::check() {
  auto& all = home.all;
  const auto& books = core.books();
  if (!books.calls.balanced() || !books.breaker.balanced() || !books.bulkhead.balanced())
    all.violated("the books of a guard don't balance", "guard {}", id);
  if (books.calls.in_flight != live || core.live() != live)
    all.violated("calls in flight are counted wrong", "guard {}: {}, but there are {}", id,
                 books.calls.in_flight, live);
  if (books.late_replies != late)
    all.violated("late replies are counted wrong", "guard {}: {}, there were {}", id,
                 books.late_replies, late);
  const auto holds = core.permits_in_use() + core.permits_unused();
  if (bulkhead && !bulkhead->ended && !ended && holds > bulkhead->core.leased(id))
    all.violated("a guard has permits that nobody gave it", "guard {}: {} of {}", id, holds,
                 bulkhead->core.leased(id));
  if (budget)
    check_budget();
  if (core.shutting_down() && core.live() == 0 && !ended)
    home.bury(*this);
}

/// Roughly, over all its time: each call is in two windows at most, counted one after the other.
void guard::check_budget() {
  const auto& with = *settings.retry_budget;
  const auto& books = core.books();
  const auto window = double(with.window.count());
  const auto windows = double((home.now() - begun).count()) / window + 2;
  const auto minimum = with.min_per_second * window / 1e9 + 1e-6;
  const auto share = with.ratio / (1 + with.ratio);
  const auto most =
      2 * share * double(books.attempts - books.retries) + std::floor(minimum) * windows;
  if (double(books.retries) > most + 1e-6)
    home.all.violated("more retries than the budget gives", "guard {}: {}, at most {}", id,
                      books.retries, most);
}

// -- what the core wishes -----------------------------------------------------------------

/// What earlier attempts of the call had to end by counts no more.
call_record& guard::asks(attempt_id attempt) {
  auto& c = calls[attempt.slot];
  if (std::exchange(c.serial, attempt.serial) != attempt.serial)
    c.attempt_ends = c.wait_ends = end_of_time;
  c.granted_alone = false;
  return c;
}

void guard::ask_probe(attempt_id attempt, instant hold_until) {
  asks(attempt);
  const auto hold_for = hold_until == end_of_time ? timespan::max() : hold_until - home.now();
  home.post(me(), circuit->me(), [to = circuit, from = id, attempt, hold_for] {
    if (!to->ended)
      to->ask({.holder = from, .attempt = attempt, .hold_for = hold_for});
  });
}

void guard::tell_breaker(const permit& held, const attempt_outcome& how) {
  home.post(me(), circuit->me(), [to = circuit, held, how] {
    if (!to->ended)
      to->tell(held, how);
  });
}

void guard::tell_successes(const success_batch& batch) {
  home.post(me(), circuit->me(), [to = circuit, batch] {
    if (!to->ended)
      to->tell(batch);
  });
}

template <class F>
void guard::tell_bulkhead(F f) {
  home.post(me(), bulkhead->me(), [to = bulkhead, f] {
    if (to->ended)
      return;
    to->tell_time();
    f(*to);
    to->after_event();
  });
}

void guard::ask_permit(attempt_id attempt) {
  auto& c = asks(attempt);
  const auto wait = settings.limits.queue_timeout;
  if (c.wait_ends == end_of_time) // asked for anew, it waits no longer
    c.wait_ends = wait ? saturating_add(home.now(), *wait) : end_of_time;
  tell_bulkhead([from = id, attempt, as = c.as](bulkhead_part& b) { b.ask(from, attempt, as); });
}

void guard::withdraw(attempt_id attempt) {
  tell_bulkhead([from = id, attempt](bulkhead_part& b) { b.withdraw(from, attempt); });
}

void guard::return_permits(std::uint32_t count) {
  tell_bulkhead([from = id, count](bulkhead_part& b) { b.core.give_back(from, count); });
}

void guard::tell_samples(const latency_samples& samples) {
  tell_bulkhead([samples](bulkhead_part& b) { b.core.on_samples(samples); });
}

void guard::start_attempt(attempt_id attempt) {
  auto& all = home.all;
  auto& c = calls[attempt.slot];
  const auto now = home.now();
  ++all.result.attempts;
  ++c.starts;
  c.attempt_ends = settings.limits.attempt_timeout
                       ? saturating_add(now, *settings.limits.attempt_timeout)
                       : end_of_time;
  c.wait_ends = end_of_time;
  if (!c.live)
    all.violated("an attempt for a call that has its answer", "call {}", c.number);
  if (now >= c.deadline)
    all.violated("an attempt begins after its deadline", "call {}", c.number);
  const auto most =
      (settings.limits.retry ? settings.limits.retry->max_attempts : 1) * (settings.hedge ? 2 : 1);
  if (c.starts > most)
    all.violated("more attempts than permitted", "call {}: {} of {}", c.number, c.starts, most);
  if (circuit) {
    const auto seen = circuit->view.read().state;
    if (seen == circuit_state::open || seen == circuit_state::forced_open)
      all.violated("an attempt goes out through an open circuit", "call {}", c.number);
  }
  auto counted = false;
  if (bulkhead) {
    if (bulkhead->share && bulkhead->view.until() <= now)
      all.violated("work begins on a lease that has run out", "call {}", c.number);
    if (!bulkhead->ended && core.permits_in_use() > bulkhead->core.leased(id))
      all.violated("work begins without a permit", "call {}", c.number);
    // Under a lease that the owner knows of, it counts against the limit of all nodes.
    if (const auto& share = bulkhead->share;
        share && share->state() == bulkhead_share::mode::leased && !c.granted_alone) {
      const auto* owner = all.owner();
      const auto heard = owner != nullptr
                             ? owner->sessions.find(home.incarnation)
                             : std::map<std::uint32_t, std::uint64_t>::const_iterator{};
      counted = owner != nullptr && heard != owner->sessions.end() && heard->second == home.session;
      if (!counted && owner != nullptr && !home.lost_by_word)
        all.violated("work begins on a lease that the owner has taken back", "call {}", c.number);
    }
  }
  all.say(home, "guard {}: call {} attempt {} goes out", id, c.number, c.starts);
  c.granted_alone = false;
  home.start_work(*this, attempt, settings.target, counted);
}

void guard::cut_attempt(attempt_id attempt, errc) {
  const auto& c = calls[attempt.slot];
  if (settings.target == 2 || (settings.stops_when_told && !c.keeps_worker))
    home.stop_work(*this, attempt);
  else if (!c.keeps_worker)
    home.stop_counting(*this, attempt);
}

/// Each copy is looked at like a call; only one of them may be answered.
void guard::copy_call(std::uint32_t from, std::uint32_t to) {
  if (to >= calls.size())
    calls.resize(to + 1);
  if (calls[to].live || !calls[from].live)
    home.all.violated("a copy of a call that is over, or in a slot that is not free",
                      "slots {}, {}", from, to);
  calls[to] = calls[from];
  calls[to].serial = 0;
  calls[to].starts = 0;
  calls[to].attempt_ends = calls[to].wait_ends = end_of_time;
  home.all.say(home, "guard {}: call {} gets a second copy", id, calls[to].number);
}

void guard::forget_copy(std::uint32_t slot, std::uint32_t heir) {
  if (!calls[slot].live || !calls[heir].live || calls[slot].number != calls[heir].number)
    home.all.violated("a copy ends that is none", "slots {}, {}", slot, heir);
  calls[slot].live = false;
  calls[heir].starts += calls[slot].starts;
}

void guard::answer(std::uint32_t slot, const call_end& end) {
  auto& all = home.all;
  auto& c = calls[slot];
  if (!c.live)
    all.violated("a second answer", "call {}", c.number);
  c.live = false;
  --live;
  const auto failed = end.error.has_value() || c.reply_failed;
  ++answers[!failed ? 0 : end.error == errc::timed_out ? 1 : 2];
  all.mix(c.number);
  all.mix(end.error ? static_cast<std::uint64_t>(*end.error) : 0);
  all.mix(static_cast<std::uint64_t>(all.now()));
  all.say(home, "guard {}: call {} is answered: {}, after {} attempts and {}", id, c.number,
          end.error        ? to_string(*end.error)
          : c.reply_failed ? "the target's error"
                           : "the reply",
          end.attempts, to_text(end.elapsed));
  if (end.attempts != c.starts)
    all.violated("attempts are counted wrong", "call {}: {}, there were {}", c.number, end.attempts,
                 c.starts);
  if (end.elapsed != home.now() - c.started)
    all.violated("elapsed is wrong", "call {}", c.number);
  check_time_of(c, end);
  if (c.from.remote)
    all.transmit(c.from.where.process, false, [w = &all, to = c.from, failed] {
      if (auto* p = w->there(to.where))
        if (auto* g = p->find(to.guard))
          g->reply(to.attempt, failed ? reply_class{error_class{}} : std::nullopt);
    });
}

/// Neither before its time, nor in silence after it.
void guard::check_time_of(const call_record& c, const call_end& end) {
  auto& all = home.all;
  const auto now = home.now();
  if (end.error == errc::timed_out && now < std::min({c.deadline, c.attempt_ends, c.wait_ends}))
    all.violated("timed out before its time", "call {}", c.number);
  if (c.deadline == end_of_time)
    return;
  // Clocks may run a hundredth too fast.
  const auto hindered = (home.slept - c.slept_before) + all.most_late + 4 * all.most_mail;
  const auto latest = saturating_add(c.deadline, wheels_late + hindered + hindered / 50);
  if (now > latest)
    all.violated("a deadline passed in silence", "call {}: {} late", c.number,
                 to_text(now - c.deadline));
}

void guard::wake_at(instant due) {
  home.post(me(), timeouts, [p = &home, whose = me(), due] { p->set_alarm(whose, due); });
}

error_class guard::classify(errc code) const {
  return {.counts = true, .retryable = !is_rejection(code) || settings.retries_rejections};
}

} // namespace bulwark_simulation
