#pragma once

#include "bulwark/supervisor.hpp"

#include "models/must.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

/// @file Several supervisors that share one circuit breaker and one bulkhead, on random histories.
///
/// The parts are the real ones. Between them go letters, in order from one to another, in any order
/// among different pairs, and up to ten milliseconds late. Beside each supervisor a clerk writes
/// down, of every call, only where it is and what was promised to its caller: exactly one answer,
/// for a reason that there was, not early, not late. Nobody is woken but when he asked for it. A call
/// with two copies is in his books twice, until one of them ends.

namespace bulwark_tests::supervisor_model {

using namespace bulwark;
using namespace std::chrono_literals;

inline constexpr timespan oldest_letter = 10ms;

// -- what can happen --------------------------------------------------------------

enum class action {
  call,
  reply,
  stale_reply,
  deliver,
  deliver_all,
  wait,
  tick,
  lose_attempt,
  lose_target,
  cancel,
  change_policy,
  operate_breaker,
  shut_down,
  shut_down_bulkhead,
  lose_part,
};

inline constexpr std::array names = {"call",          "reply",
                                     "stale_reply",   "deliver",
                                     "deliver_all",   "wait",
                                     "tick",          "lose_attempt",
                                     "lose_target",   "cancel",
                                     "change_policy", "operate_breaker",
                                     "shut_down",     "shut_down_bulkhead",
                                     "lose_part"};

struct command {
  action what;
  unsigned choice;
};

inline std::ostream& operator<<(std::ostream& out, const command& each) {
  return out << fmt::format("{}({})", names[static_cast<std::size_t>(each.what)], each.choice);
}

struct history {
  unsigned policy;
  std::vector<command> commands;
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  out << fmt::format("\npolicy {}:", all.policy);
  for (const auto& each : all.commands)
    out << "\n  " << each;
  return out;
}

// One choice is taken apart into several.
struct digits {
  unsigned left;
  unsigned operator()(std::size_t base) {
    const auto result = left % static_cast<unsigned>(base);
    left /= static_cast<unsigned>(base);
    return result;
  }
  std::optional<timespan> maybe(std::size_t base, timespan unit) {
    const auto times = (*this)(base);
    return times == 0 ? std::nullopt : std::optional{times * unit};
  }
};

struct station_policy {
  supervisor_limits limits;
  std::optional<retry_budget_policy> budget;
  std::optional<hedge_policy> hedge;
};

inline station_policy policy_of(unsigned choice, bool breaker, bool bulkhead) {
  auto digit = digits{choice};
  station_policy drawn;
  auto& result = drawn.limits;
  result.deadline = digit.maybe(5, 3'700us);
  result.attempt_timeout = digit.maybe(4, 1'300us);
  if (digit(3) != 0)
    result.retry = retry_limits{.max_attempts = 1 + digit(4),
                                .base_delay = digit(3) * 900us,
                                .exponential_base = 1.0 + digit(3),
                                .max_delay = 5ms,
                                .jitter = static_cast<jitter_kind>(digit(4))};
  result.breaker = breaker;
  result.bulkhead = bulkhead;
  result.queue_timeout = digit.maybe(4, 1'700us);
  if (result.retry) {
    auto more = digits{choice / 7 + choice % 7}; // the digits above are used up
    result.retry->max_retry_after = more(3) * 2ms;
    result.retry->idempotent = more(3) != 0;
    if (more(2) == 0)
      drawn.budget = retry_budget_policy{.ratio = more(4) * 0.25,
                                         .min_per_second = more(3) * 100.0,
                                         .window = 10ms + more(3) * 10ms};
  }
  if (auto more = digits{choice * 2'654'435'761U >> 5U}; more(3) == 0)
    drawn.hedge = hedge_policy{.delay = more(5) * 300us,
                               .minimum_calls = 1,
                               .ratio = (1 + more(2)) * 0.5,
                               .window = 10ms + more(3) * 10ms};
  return drawn;
}

// A budget that writes down what it is asked.
struct witnessed_budget final : retry_allowance {
  std::optional<retry_budget> real;
  std::uint64_t calls = 0;
  std::uint64_t given = 0;
  std::uint64_t refused = 0;

  void on_call(instant now) override {
    ++calls;
    real->on_call(now);
  }
  [[nodiscard]] bool try_spend(instant now) override {
    const auto result = real->try_spend(now);
    ++(result ? given : refused);
    return result;
  }
};

// What the histories of one run met.
struct coverage {
  std::uint64_t steps = 0;
  std::uint64_t calls = 0;
  std::uint64_t succeeded = 0;
  std::map<errc, std::uint64_t> errors;
  std::uint64_t probes = 0;
  std::uint64_t crossed = 0; // permits for calls that had ended
  std::uint64_t abandoned = 0;
  std::uint64_t late = 0;
  std::uint64_t reopened = 0;
  std::uint64_t budget_refused = 0;
  std::uint64_t left_to_others = 0;
  std::uint64_t not_idempotent = 0;
  std::uint64_t told_not_to = 0;
  std::uint64_t saved = 0;
  std::uint64_t batched = 0; // successes that were told together
  std::uint64_t slow = 0;    // that were told
  std::uint64_t copies = 0;
  std::uint64_t copies_refused = 0;
  std::uint64_t copies_won = 0;
  std::uint64_t left_to_copies = 0; // by the first, which had failed
};

// -- the clerk's books --------------------------------------------------------------

enum class place { between, asking, queued, in_flight };

struct promised {
  instant started;
  instant deadline;
  bool function = false;
  bool idempotent = true;
  bool is_retry = false;   // of somebody further out
  bool repeatable = false; // a policy could have it made again when it began
  place where = place::between;
  attempt_id attempt{};
  instant due = end_of_time; // of the place
  std::uint64_t number = 0;  // among the calls of its station
  std::uint32_t begun = 0;   // attempts
  std::uint32_t launches = 0;
  bool cut = false;
  std::uint64_t launched_in = 0; // the breaker's generation, as the view showed it
  instant launched_at{};
  bool may_have_begun = false; // an attempt, at the target
  instant not_before{};        // as the last error says
  // Of two copies each knows the other: its slot, plus 1; 0: there is none.
  std::uint32_t other = 0;
  bool second = false;            // of two, and it has not failed yet
  bool fresh = false;             // has begun no attempt of its own
  bool unlaunched = false;        // nor has any gone out
  instant copy_due = end_of_time; // it gets a second copy
  bool copy_is_sure = false;      // but for the budget
};

struct leave {
  permit held;
  bool bounded; // the breaker was told until when its place is to be held
  instant hold_until;
};

struct letter {
  instant sent;
  std::function<void()> content;
};

using channel = std::deque<letter>;

class world;

// A supervisor with its clerk.
class station final : public supervisor_effects {
public:
  station(world& all, std::size_t number, const station_policy& policy);

  world& all;
  std::uint64_t number; // as a holder
  supervisor_limits limits;
  channel to_breaker, from_breaker, to_bulkhead, from_bulkhead;
  supervisor core;
  instant wake = end_of_time;
  bool shut = false;
  bool part_lost = false;

  std::map<std::uint32_t, promised> live;
  std::vector<attempt_id> launched; // ever
  std::map<std::uint32_t, attempt_id> abandoned;
  std::map<std::uint32_t, leave> leaves; // by serial
  std::uint32_t most_attempts = 1;
  std::uint64_t retries = 0;
  witnessed_budget budget;
  std::optional<hedging> hedge;
  timespan hedge_delay{};
  std::uint64_t copies = 0;
  std::uint64_t copies_launched = 0;
  std::uint64_t without_copy = 0;   // though it was due
  std::uint64_t first_launches = 0; // of calls that are nobody's retry
  std::uint64_t further_attempts = 0;
  std::uint64_t free_attempts = 0; // that needed no budget, as there was none
  std::uint64_t told_no_more = 0;
  std::uint64_t cuts = 0;
  std::uint64_t last_call = 0;
  std::uint64_t last_in_order = 0;   // of those started at their first attempt
  std::uint32_t failures_on_way = 0; // told to the breaker, which has not heard of them
  std::uint64_t failed_in = 0;       // the generation of the last failure told, 0: a success since
  std::uint64_t successes_told = 0;
  std::uint64_t failures_seen = 0; // that count against the circuit
  std::uint64_t failures_told = 0;
  // Of the newest generation that had a success which was not told at once: how many, and how many
  // of them were told.
  std::uint64_t counted_in = 0;
  std::uint64_t counted = 0;
  std::uint64_t counted_told = 0;
  std::uint32_t coming = 0; // permits under way to here
  std::uint32_t going = 0;

  // What is being done to the core, that it may answer for it.
  action doing = action::tick;
  attempt_id done_to{};
  reply_class reply{};

  void use(const station_policy& next);
  void call(digits digit);
  void take_reply(attempt_id attempt, const reply_class& how);
  void lose(attempt_id attempt, bool begun);
  void tick();
  // The call goes from `from` to between attempts, if it still is there.
  void leave_place(attempt_id attempt, place from);
  void count_successes(std::uint64_t generation, std::uint64_t more);
  void check() const;
  void check_in_time();
  [[nodiscard]] std::vector<attempt_id> in_flight() const;
  // How many calls are in each place.
  [[nodiscard]] std::array<std::uint32_t, 4> counts() const;

  void ask_probe(attempt_id attempt, instant hold_until) override;
  void tell_breaker(const permit& held, const attempt_outcome& how) override;
  void tell_successes(const success_batch& batch) override;
  void ask_permit(attempt_id attempt) override;
  void withdraw(attempt_id attempt) override;
  void return_permits(std::uint32_t count) override;
  void start_attempt(attempt_id attempt) override;
  void cut_attempt(attempt_id attempt, errc why) override;
  void copy_call(std::uint32_t from, std::uint32_t to) override;
  void forget_copy(std::uint32_t slot, std::uint32_t heir) override;
  void answer(std::uint32_t slot, const call_end& end) override;
  void wake_at(instant due) override { wake = due; }
  [[nodiscard]] error_class classify(errc code) const override {
    const auto retryable = code == errc::timed_out || code == errc::target_lost;
    return {.counts = retryable, .retryable = retryable || code == errc::bulkhead_full};
  }

private:
  promised& record_of(attempt_id attempt);
  // The call's attempt is this one now.
  void begin(promised& call, attempt_id attempt);
  void note_attempt(promised& call, attempt_id attempt);
};

// -- all of them, and the parts they share ------------------------------------------

class world final : circuit_observer, bulkhead_effects {
public:
  world(unsigned policy, coverage& met);

  void step(const command& next);
  void finish();

  instant now{1h};
  coverage& met;
  circuit_view view;
  circuit_breaker breaker;
  bulkhead permits;
  bool breaker_alive = true;
  bool bulkhead_alive = true;
  std::vector<std::unique_ptr<station>> stations;

  void post(channel& to, std::function<void()> content) { to.push_back({now, std::move(content)}); }
  void publish() { breaker.publish(view); }

private:
  void on_transition(const circuit_transition& change) override {
    met.reopened += change.why == transition_cause::probe_failed ? 1 : 0;
  }
  void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) override;
  void refuse(holder_id holder, ticket_id ticket, errc why) override;
  void recall(holder_id holder, std::uint64_t round) override;

  [[nodiscard]] std::vector<channel*> channels();
  bool deliver_from(channel& from);
  void deliver_all();
  void advance(timespan length);
  void perform(const command& next);
  void operate(unsigned choice);
  void lose_part(bool the_breaker);
  void check();

  station& at(holder_id holder) { return *stations[holder - 1]; }
};

inline ticket_id ticket_of(attempt_id attempt) {
  return (ticket_id{attempt.slot} << 32U) | attempt.serial;
}

inline attempt_id attempt_of(ticket_id ticket) {
  return {.slot = static_cast<std::uint32_t>(ticket >> 32U),
          .serial = static_cast<std::uint32_t>(ticket)};
}

// -- a station ------------------------------------------------------------------------

inline station::station(world& all_of, std::size_t index, const station_policy& first)
    : all(all_of), number(index + 1), core(limits, &all_of.view, *this, all_of.now, index) {
  use(first);
}

inline void station::use(const station_policy& next) {
  limits = next.limits;
  if (next.budget && !budget.real) {
    budget.real.emplace(*next.budget);
    free_attempts = further_attempts + live.size();
  }
  limits.budget =
      budget.real ? &budget : nullptr; // it stays: what it has seen can be held against it
  if (auto how = batching_of(all.breaker.policy())) {
    how->size = 3;
    limits.outcomes = std::make_shared<const outcome_batching>(*how);
  }
  if (limits.retry)
    most_attempts = std::max(most_attempts, limits.retry->max_attempts);
  if (next.hedge) {
    hedge.emplace(*next.hedge, all.now);
    hedge_delay = *next.hedge->delay;
    limits.hedge = &*hedge;
  } else { // for now
    for (auto& [slot, each] : live)
      each.copy_is_sure = false;
  }
}

inline promised& station::record_of(attempt_id attempt) {
  const auto found = live.find(attempt.slot);
  MUST(found != live.end()); // else its call has been answered
  return found->second;
}

inline void station::begin(promised& call, attempt_id attempt) {
  // It goes on by what the view says: then the breaker has heard of all our failures.
  if (limits.breaker && call.attempt != attempt && all.view.read().state == circuit_state::closed)
    MUST(failures_on_way == 0U);
  note_attempt(call, attempt);
}

inline void station::note_attempt(promised& call, attempt_id attempt) {
  if (call.attempt == attempt)
    return;
  call.attempt = attempt;
  ++call.begun;
  if (std::exchange(call.fresh, false) || call.begun == 1)
    return;
  call.second = false;
  ++further_attempts;
  MUST(!call.is_retry);
  MUST((call.idempotent || !call.may_have_begun));
  MUST((all.now >= call.not_before));
}

inline void station::leave_place(attempt_id attempt, place from) {
  if (auto i = live.find(attempt.slot);
      i != live.end() && i->second.attempt == attempt && i->second.where == from)
    i->second.where = place::between;
}

inline std::vector<attempt_id> station::in_flight() const {
  std::vector<attempt_id> result;
  for (const auto& [slot, each] : live) {
    if (each.where == place::in_flight)
      result.push_back(each.attempt);
  }
  return result;
}

inline std::array<std::uint32_t, 4> station::counts() const {
  std::array<std::uint32_t, 4> result{};
  for (const auto& [slot, each] : live)
    ++result[static_cast<std::size_t>(each.where)];
  return result;
}

inline void station::call(digits digit) {
  ++all.met.calls;
  doing = action::call;
  const auto function = digit(8) == 0;
  const auto own = digit.maybe(6, 2'300us);
  const auto slot = core.open();
  MUST(live.count(slot) == 0U);
  const auto begun = core.books().attempts;
  // What the caller itself has left; now and then nothing.
  std::optional<timespan> remaining;
  if (digit(4) == 0)
    remaining = digit(9) * 1'100us - 1'100us;
  auto deadline = own ? own : limits.deadline;
  if (remaining)
    deadline = std::max(std::min(deadline.value_or(*remaining), *remaining), timespan{0});
  const auto says_idempotent = digit(5);
  const auto idempotent =
      says_idempotent < 2 ? std::optional{says_idempotent == 1} : std::optional<bool>{};
  const auto is_retry = digit(5) == 0;
  live[slot] = {.started = all.now,
                .deadline = deadline ? all.now + *deadline : end_of_time,
                .function = function,
                .idempotent = idempotent.value_or(!limits.retry || limits.retry->idempotent),
                .is_retry = is_retry,
                .repeatable = limits.retry || limits.hedge != nullptr,
                .number = ++last_call};
  core.start(slot,
             {.deadline = own,
              .remaining = remaining,
              .keeps_worker = function,
              .idempotent = idempotent,
              .attempt = is_retry ? 2U : 1U},
             all.now);
  const auto no_time = remaining && *remaining <= 0ns;
  MUST((!shut && !no_time) || (live.count(slot) == 0U && core.books().attempts == begun));
}

inline void station::take_reply(attempt_id attempt, const reply_class& how) {
  doing = action::reply;
  done_to = attempt;
  reply = how;
  auto i = live.find(attempt.slot);
  const auto expected =
      i != live.end() && i->second.attempt == attempt && i->second.where == place::in_flight;
  MUST(core.awaits_reply(attempt) == expected);
  abandoned.erase(attempt.serial);
  // A success that ends a row of failures has to be told, whoever has begun the row.
  const auto news = expected && !how && limits.breaker
                    && (i->second.launched_in == failed_in || all.view.read().failing);
  const auto told = successes_told;
  const auto launched_in = expected ? i->second.launched_in : 0;
  if (expected && how) {
    i->second.may_have_begun = how->begun;
    i->second.not_before = all.now + how->retry_after;
  }
  const auto no_chance =
      how && limits.retry
      && (how->forbids_retry || how->retry_after > limits.retry->max_retry_after);
  failures_seen += expected && how && how->counts ? 1 : 0;
  MUST(core.on_reply(attempt, how, all.now) == expected);
  MUST(!news || successes_told == told + 1);
  if (expected && !how && limits.breaker && limits.outcomes && successes_told == told)
    count_successes(launched_in, 1);
  MUST(counted_told <= counted);
  MUST(!limits.outcomes || counted - counted_told < limits.outcomes->size);
  all.met.late += expected ? 0 : 1;
  // What has no second chance has been answered by now.
  MUST(!expected || (how && how->retryable && limits.retry && !no_chance)
       || live.count(attempt.slot) == 0U);
  leave_place(attempt, place::in_flight);
}

inline void station::lose(attempt_id attempt, bool begun) {
  doing = action::lose_attempt;
  done_to = attempt;
  abandoned.erase(attempt.serial);
  if (const auto i = live.find(attempt.slot); i != live.end() && i->second.attempt == attempt)
    i->second.may_have_begun = begun;
  const auto open = in_flight();
  failures_seen += static_cast<std::uint64_t>(std::count(open.begin(), open.end(), attempt));
  core.on_lost(attempt, all.now, begun);
  leave_place(attempt, place::in_flight);
}

inline void station::tick() {
  doing = action::tick;
  wake = end_of_time;
  core.on_tick(all.now);
}

inline void station::ask_probe(attempt_id attempt, instant hold_until) {
  auto& call = record_of(attempt);
  MUST(limits.breaker);
  MUST(call.where == place::between);
  MUST((hold_until > all.now));
  call.where = place::asking;
  note_attempt(call, attempt);
  call.due = call.deadline;
  all.post(to_breaker, [this, attempt, hold_until] {
    if (!all.breaker_alive)
      return;
    const auto decision = all.breaker.admit(all.now, hold_until);
    all.publish();
    all.post(from_breaker, [this, attempt, hold_until, decision] {
      if (const auto* given = std::get_if<permit>(&decision)) {
        leaves[attempt.serial] = {*given, hold_until != end_of_time, hold_until};
        all.met.probes += given->probe != 0 ? 1 : 0;
      }
      doing = action::deliver;
      core.on_probe(attempt, decision, all.now);
      leave_place(attempt, place::asking);
    });
  });
}

// Of the newest generation, no more than came back, and they are few.
inline void station::tell_successes(const success_batch& batch) {
  MUST(limits.outcomes);
  MUST(batch.calls > 0);
  MUST(batch.calls <= limits.outcomes->size);
  MUST(batch.slow <= batch.calls);
  MUST((batch.at <= all.now));
  count_successes(batch.generation, 0);
  MUST(batch.generation == counted_in);
  counted_told += batch.calls;
  all.met.batched += batch.calls;
  all.post(to_breaker, [this, batch] {
    if (!all.breaker_alive)
      return;
    all.breaker.on_successes(batch, all.now);
    all.publish();
  });
}

inline void station::count_successes(std::uint64_t generation, std::uint64_t more) {
  if (generation > counted_in) {
    counted_in = generation;
    counted = counted_told = 0;
  }
  counted += generation == counted_in ? more : 0;
}

inline void station::tell_breaker(const permit& held, const attempt_outcome& how) {
  const auto failed = how.failed;
  // What went well before it was told before it.
  MUST(!limits.outcomes || !failed || !*failed || counted == counted_told);
  MUST(held.generation != 0U);
  MUST((held.probe != 0 || failed)); // a call that is no probe has nothing to give back
  // Only what came back from the target, or should have, says anything about it.
  const auto from_target = (doing == action::reply && (reply ? reply->counts : true))
                           || doing == action::lose_attempt || doing == action::lose_target
                           || doing == action::tick;
  MUST(!failed || from_target);
  MUST(!failed || doing != action::reply || *failed == reply.has_value());
  MUST(!failed || *failed || doing == action::reply);
  if (doing == action::reply || doing == action::lose_attempt)
    MUST((!failed || held.generation == record_of(done_to).launched_in));
  if (failed && limits.outcomes && limits.outcomes->slow_call_duration
      && doing != action::lose_target) {
    const auto timed_out = doing == action::tick;
    MUST(how.slow
         == (timed_out
             || all.now - record_of(done_to).launched_at >= *limits.outcomes->slow_call_duration));
    all.met.slow += how.slow && !timed_out ? 1 : 0;
  }
  failures_on_way += failed && *failed ? 1 : 0;
  successes_told += failed && !*failed ? 1 : 0;
  failures_told += failed && *failed ? 1 : 0;
  if (failed)
    failed_in = *failed ? held.generation : held.generation == failed_in ? 0 : failed_in;
  auto bounded = false;
  for (const auto& [serial, each] : leaves)
    bounded = bounded || (each.held == held && each.bounded);
  all.post(to_breaker, [this, held, failed, how, bounded] {
    failures_on_way -= failed && *failed ? 1 : 0;
    if (!all.breaker_alive)
      return;
    auto& breaker = all.breaker;
    const auto probes = breaker.probes();
    const auto generation = breaker.generation();
    breaker.on_outcome(held, how, all.now);
    // In time: its place had not been given back.
    if (held.probe != 0 && held.generation == generation && bounded)
      MUST((breaker.generation() != generation || breaker.probes() == probes - 1));
    all.publish();
  });
}

inline void station::ask_permit(attempt_id attempt) {
  auto& call = record_of(attempt);
  MUST(limits.bulkhead);
  MUST((core.permits_unused() == 0
        || counts()[static_cast<std::size_t>(place::queued)] > 0)); // else it would be taken
  MUST((call.where == place::between || (call.where == place::asking && call.attempt == attempt)));
  call.where = place::queued;
  begin(call, attempt);
  call.due =
      std::min(call.deadline, limits.queue_timeout ? all.now + *limits.queue_timeout : end_of_time);
  all.post(to_bulkhead, [this, attempt] {
    if (all.bulkhead_alive)
      all.permits.ask(number, ticket_of(attempt));
  });
}

inline void station::withdraw(attempt_id attempt) {
  auto& call = record_of(attempt);
  MUST(call.attempt == attempt);
  MUST((call.where == place::queued));
  if (doing == action::tick) {
    MUST((call.due <= all.now));
    call.where = place::between;
  }
  all.post(to_bulkhead, [this, attempt] {
    if (all.bulkhead_alive)
      all.permits.withdraw(number, ticket_of(attempt));
  });
}

inline void station::return_permits(std::uint32_t count) {
  MUST(count > 0U);
  going += count;
  all.post(to_bulkhead, [this, count] {
    going -= count;
    if (all.bulkhead_alive)
      all.permits.give_back(number, count);
  });
}

inline void station::start_attempt(attempt_id attempt) {
  auto& call = record_of(attempt);
  MUST((call.where != place::in_flight));
  MUST((call.where == place::between || call.attempt == attempt));
  MUST((all.now < call.deadline));
  MUST(!part_lost || !(limits.breaker || limits.bulkhead));
  ++call.launches;
  if (std::exchange(call.unlaunched, false)) {
    ++copies_launched;
  } else {
    retries += call.launches > 1 ? 1 : 0;
    first_launches += call.launches == 1 && !call.is_retry ? 1 : 0;
  }
  const auto launches = call.launches + (call.other != 0 ? live.at(call.other - 1).launches : 0);
  MUST(launches <= most_attempts * (copies > 0 ? 2 : 1));
  call.where = place::in_flight;
  begin(call, attempt);
  call.may_have_begun = true;
  call.not_before = {};
  MUST(core.attempts_of(attempt) == launches);
  if (call.begun == 1 && !call.second) { // messages that are not sent again keep their order
    MUST(call.number > last_in_order);
    last_in_order = call.number;
  }
  call.due = std::min(call.deadline,
                      limits.attempt_timeout ? all.now + *limits.attempt_timeout : end_of_time);
  launched.push_back(attempt);
  call.launched_at = all.now;
  const auto may_be_copied = limits.hedge != nullptr && call.repeatable && call.idempotent
                             && !call.is_retry && !call.function && !call.second && call.other == 0;
  call.copy_is_sure = may_be_copied;
  call.copy_due = may_be_copied ? all.now + hedge_delay : end_of_time;
  if (limits.breaker) {
    const auto seen = all.view.read();
    call.launched_in = seen.generation;
    const auto given = leaves.find(attempt.serial);
    const auto probes = given != leaves.end() && given->second.held.probe != 0
                        && given->second.held.generation == seen.generation;
    MUST((seen.state == circuit_state::closed || seen.state == circuit_state::disabled
          || (seen.state == circuit_state::half_open && probes)));
  }
}

inline void station::cut_attempt(attempt_id attempt, errc why) {
  auto& call = record_of(attempt);
  MUST(call.attempt == attempt);
  MUST((call.where == place::in_flight));
  MUST(!call.cut || !call.function);
  call.cut = true;
  ++cuts;
  if (why == errc::timed_out) {
    MUST((call.due <= all.now));
    ++failures_seen;
    if (!call.function)
      call.where = place::between;
  }
}

inline void station::copy_call(std::uint32_t from, std::uint32_t to) {
  auto& first = live.at(from);
  MUST(live.count(to) == 0U);
  MUST(limits.hedge != nullptr && !shut);
  MUST((first.where == place::in_flight));
  MUST(first.other == 0U);
  MUST((first.copy_due <= all.now && all.now < first.due));
  first.copy_due = end_of_time;
  first.copy_is_sure = false;
  auto copy = first;
  copy.where = place::between;
  copy.attempt = {};
  copy.due = end_of_time;
  copy.begun = first.begun - 1; // a copy is no further attempt
  copy.launches = 0;
  copy.cut = false;
  copy.may_have_begun = false;
  copy.not_before = {};
  copy.second = copy.fresh = copy.unlaunched = true;
  copy.other = from + 1;
  first.other = to + 1;
  live[to] = copy;
  ++copies;
  ++all.met.copies;
}

inline void station::forget_copy(std::uint32_t slot, std::uint32_t heir) {
  const auto gone = live.at(slot);
  auto& stays = live.at(heir);
  MUST((gone.other == heir + 1 && stays.other == slot + 1));
  all.met.left_to_copies += stays.second && done_to == gone.attempt ? 1 : 0;
  stays.other = 0;
  stays.launches += gone.launches;
  live.erase(slot);
}

inline void station::answer(std::uint32_t slot, const call_end& end) {
  const auto found = live.find(slot);
  MUST(found != live.end());
  const auto call = found->second;
  live.erase(found);
  MUST(call.other == 0U);
  MUST(end.attempts == call.launches);
  MUST((end.elapsed == all.now - call.started));
  // What the target has replied last is its own to say.
  if (doing == action::reply && done_to == call.attempt)
    MUST(!end.last_error.has_value());
  if (call.function && call.cut && call.where == place::in_flight) {
    abandoned[call.attempt.serial] = call.attempt;
    ++all.met.abandoned;
  }
  if (end.no_more) {
    ++told_no_more;
    MUST((limits.retry && limits.budget != nullptr && !call.is_retry));
  }
  if (!end.error) {
    MUST((doing == action::reply && done_to == call.attempt));
    // What could have been tried again wasn't for a reason.
    MUST((!reply || !limits.retry || !reply->retryable || end.no_more || call.is_retry
          || !call.repeatable || (reply->begun && !call.idempotent) || reply->forbids_retry
          || reply->retry_after > limits.retry->max_retry_after));
    ++all.met.succeeded;
    all.met.copies_won += call.second ? 1 : 0;
    return;
  }
  ++all.met.errors[*end.error];
  switch (*end.error) {
  case errc::timed_out: // never early
    MUST((all.now >= call.deadline || all.now >= call.due));
    return;
  case errc::retries_exhausted:
    MUST((limits.retry && (!call.is_retry || limits.retry->max_attempts == 1)));
    MUST((all.now < call.deadline || doing != action::tick));
    // All attempts are used up, or no other could begin in time. What the circuit refuses without a
    // question is an attempt that nobody sees here.
    MUST(limits.breaker || call.begun >= limits.retry->max_attempts
         || call.deadline - std::max(all.now, call.not_before) <= limits.retry->max_delay);
    return;
  case errc::cancelled:
    MUST((doing == action::cancel && done_to.slot == slot));
    return;
  case errc::shutting_down:
    MUST((shut || part_lost || all.permits.shutting_down()));
    return;
  case errc::target_lost:
    MUST((doing == action::lose_attempt || doing == action::lose_target));
    return;
  case errc::circuit_open:
    MUST(limits.breaker);
    return;
  case errc::bulkhead_full:
    MUST(limits.bulkhead);
    return;
  case errc::rate_limited:
  case errc::invalid_policy:
  case errc::duplicate_name:
  case errc::unknown_name:
  case errc::owner_lost:
    break_promise("such an answer is never given", __FILE__, __LINE__);
  }
}

inline void station::check() const {
  const auto& books = core.books();
  MUST(books.calls.balanced());
  MUST(books.breaker.balanced());
  MUST(books.bulkhead.balanced());
  const auto doubled = std::count_if(live.begin(), live.end(),
                                     [](const auto& each) { return each.second.other != 0; });
  MUST(core.live() + static_cast<std::size_t>(doubled) / 2 == live.size());
  MUST(books.hedges == copies_launched);
  MUST(core.abandoned_running() == abandoned.size());
  MUST(books.attempts == launched.size());
  MUST(books.retries == retries);
  MUST(books.cut == cuts);
  MUST(books.budget_refused == told_no_more);
  if (budget.real) {
    MUST(books.budget_refused == budget.refused);
    MUST(further_attempts <= free_attempts + budget.given); // spent before the wait
    MUST(budget.calls <= first_launches);
  }
  MUST(failures_told == (limits.breaker ? failures_seen : 0U));
  const auto [between, asking, queued, flying] = counts();
  // Who has not begun waits for the answers of others.
  MUST(asking > 0 || std::all_of(live.begin(), live.end(), [](const auto& each) {
         return each.second.begun > 0 || each.second.where != place::between;
       }));
  MUST(books.breaker.in_flight == (limits.breaker ? asking + queued + flying : 0U));
  MUST(books.bulkhead.in_flight == (limits.bulkhead ? queued + flying : 0U));
  MUST(core.permits_in_use()
       == (limits.bulkhead ? flying + static_cast<std::uint32_t>(abandoned.size()) : 0U));
  // No permit is lost, none is made.
  if (all.bulkhead_alive)
    MUST(all.permits.leased(number)
         == core.permits_in_use() + core.permits_unused() + coming + going);
}

// Whoever is to be told that his time is up has been told, at most a slot of the wheel later.
inline void station::check_in_time() {
  for (auto& [slot, each] : live) {
    if (each.where == place::in_flight && each.copy_is_sure && !shut
        && each.copy_due + 1ms <= all.now) {
      ++without_copy;
      each.copy_is_sure = false;
    }
    MUST((each.deadline == end_of_time || all.now < each.deadline + 1ms));
    MUST((each.where == place::between || each.due == end_of_time || all.now < each.due + 1ms));
  }
  MUST(without_copy <= core.books().hedges_refused);
}

// -- the world ------------------------------------------------------------------------

world::world(unsigned policy, coverage& to)
    : met(to),
      breaker(
          {.failure_threshold = 1 + policy % 3,
           .success_threshold = 1 + policy / 3 % 3,
           .open_for = (1 + policy / 9 % 4) * 3ms,
           .half_open_calls = 1 + policy / 36 % 3,
           .count_window = policy / 5 % 2 == 0
                               ? std::optional{count_window{.size = 6, .minimum_calls = 5}}
                               : std::nullopt,
           .time_window = policy / 11 % 2 == 0 ? std::optional{time_window{
                              .span = 20ms, .buckets = 5, .minimum_calls = 8}}
                                               : std::nullopt,
           .slow_call_duration = policy / 19 % 2 == 0 ? std::optional{timespan{4ms}} : std::nullopt,
           .open_growth = 1.0 + policy / 13 % 2,
           .max_open_for = 20ms,
           .ramp_for = policy / 17 % 2 == 0 ? std::optional{timespan{5ms}} : std::nullopt},
          *this, now),
      permits({.max_workers = 1 + policy / 108 % 5, .queue_size = policy / 540 % 5}, *this) {
  publish();
  auto digit = digits{policy / 2700};
  const auto many = 1 + digit(3);
  for (auto i = 0U; i < many; ++i) {
    const auto parts = digit(5); // mostly both
    stations.push_back(std::make_unique<station>(
        *this, i, policy_of(policy / (7 + i * 13), parts != 0, parts != 1)));
  }
}

inline void world::grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) {
  auto& to = at(holder);
  to.coming += 1 + extra;
  post(to.from_bulkhead, [this, &to, attempt = attempt_of(ticket), extra, keep] {
    to.coming -= 1 + extra;
    to.doing = action::deliver;
    const auto before = to.core.permits_in_use();
    const auto waits = to.live.count(attempt.slot) != 0 && to.live[attempt.slot].attempt == attempt
                       && to.live[attempt.slot].where == place::queued;
    to.core.on_permit(attempt, extra, keep, now);
    to.leave_place(attempt, place::queued);
    MUST((waits || to.core.permits_in_use() == before));
    met.crossed += waits ? 0 : 1;
  });
}

inline void world::refuse(holder_id holder, ticket_id ticket, errc why) {
  auto& to = at(holder);
  post(to.from_bulkhead, [this, &to, attempt = attempt_of(ticket), why] {
    to.doing = action::deliver;
    to.core.on_refused(attempt, why, now);
    to.leave_place(attempt, place::queued);
  });
}

inline void world::recall(holder_id holder, std::uint64_t round) {
  auto& to = at(holder);
  post(to.from_bulkhead, [this, &to, round] {
    const auto count = to.core.on_recall();
    to.going += count;
    post(to.to_bulkhead, [this, &to, round, count] {
      to.going -= count;
      if (bulkhead_alive)
        permits.on_recalled(to.number, round, count);
    });
  });
}

inline std::vector<channel*> world::channels() {
  std::vector<channel*> result;
  for (auto& each : stations) {
    for (auto* one :
         {&each->to_breaker, &each->from_breaker, &each->to_bulkhead, &each->from_bulkhead}) {
      if (!one->empty())
        result.push_back(one);
    }
  }
  return result;
}

inline bool world::deliver_from(channel& from) {
  if (from.empty())
    return false;
  auto next = std::move(from.front());
  from.pop_front();
  next.content();
  check();
  return true;
}

inline void world::deliver_all() {
  auto rounds = 0;
  for (auto open = channels(); !open.empty(); open = channels()) {
    MUST(++rounds < 10'000); // else they talk for ever
    for (auto* each : open)
      deliver_from(*each);
  }
}

// Time passes, and all that is due happens at its time.
inline void world::advance(timespan length) {
  const auto until = now + length;
  for (auto events = 0;; ++events) {
    MUST(events < 10'000); // else they wake each other for ever
    auto next = breaker_alive ? breaker.due() : end_of_time;
    for (const auto& each : stations)
      next = std::min(next, each->wake);
    for (auto* each : channels())
      next = std::min(next, each->front().sent + oldest_letter);
    if (next > until)
      break;
    now = std::max(now, next);
    if (breaker_alive && breaker.due() <= now) {
      breaker.on_tick(now);
      publish();
    }
    for (auto& each : stations) {
      if (each->wake <= now)
        each->tick();
    }
    for (auto* each : channels()) {
      if (!each->empty() && each->front().sent + oldest_letter <= now)
        deliver_from(*each);
    }
    check();
  }
  now = until;
  for (const auto& each : stations)
    each->check_in_time();
}

inline void world::operate(unsigned choice) {
  if (choice % 3 == 0)
    breaker.force_open(now);
  else if (choice % 3 == 1)
    breaker.disable(now);
  else
    breaker.reset(now);
  publish();
}

inline void world::lose_part(bool the_breaker) {
  auto& alive = the_breaker ? breaker_alive : bulkhead_alive;
  if (!std::exchange(alive, false))
    return;
  for (auto& each : stations) {
    if (!(the_breaker ? each->limits.breaker : each->limits.bulkhead))
      continue;
    post(the_breaker ? each->from_breaker : each->from_bulkhead, [this, to = each.get()] {
      to->doing = action::lose_part;
      to->part_lost = true;
      to->core.on_part_lost(now);
      MUST(to->core.permits_unused() == 0U);
    });
  }
}

inline void world::perform(const command& next) {
  auto digit = digits{next.choice};
  auto& to = *stations[digit(stations.size())];
  to.doing = next.what;
  switch (next.what) {
  case action::call:
    return to.call(digit);
  case action::reply:
  case action::lose_attempt: {
    const auto open = to.in_flight();
    if (open.empty())
      return;
    const auto attempt = open[digit(open.size())];
    if (next.what == action::lose_attempt)
      return to.lose(attempt, digit(2) == 0);
    const auto kind = digit(8);
    if (kind < 3)
      return to.take_reply(attempt, {});
    error_class error{.counts = kind != 7, .retryable = kind < 6};
    error.begun = digit(4) != 0;
    error.forbids_retry = digit(8) == 0;
    error.retry_after = digit(3) == 0 ? digit(5) * 1'100us : 0us;
    error.base_delay = digit.maybe(3, 400us);
    return to.take_reply(attempt, error);
  }
  case action::stale_reply:
    if (!to.launched.empty()) // any that ever was, mostly one that has ended
      to.take_reply(to.launched[digit(to.launched.size())], std::nullopt);
    return;
  case action::deliver:
    if (const auto open = channels(); !open.empty())
      deliver_from(*open[next.choice % open.size()]);
    return;
  case action::deliver_all:
    return deliver_all();
  case action::wait:
    return advance((1 + digit(12)) * 250us);
  case action::tick:
    return to.tick();
  case action::lose_target:
    to.abandoned.clear();
    {
      const auto gone = to.in_flight();
      to.failures_seen += gone.size();
      to.core.on_target_lost(now);
      for (auto each : gone)
        to.leave_place(each, place::in_flight);
    }
    return;
  case action::cancel: {
    auto slot = digit(to.live.size() + 3);
    const auto asking = std::find_if(to.live.begin(), to.live.end(), [](const auto& each) {
      return each.second.where == place::asking;
    });
    if (digit(2) == 0 && asking != to.live.end()) // on whom others may wait
      slot = asking->first;
    to.done_to = {.slot = slot, .serial = 0};
    const auto was_live = to.live.count(slot) != 0;
    const auto before = to.live.size();
    to.core.cancel(slot, now);
    // Perhaps others too: those that waited behind it have their turn, and may be refused.
    MUST(to.live.count(slot) == 0U);
    MUST(was_live || to.live.size() == before);
    return;
  }
  case action::change_policy:
    to.use(policy_of(digit(1U << 20U), to.limits.breaker, to.limits.bulkhead));
    return;
  case action::operate_breaker:
    return operate(digit(3));
  case action::shut_down:
    if (digit(4) == 0) {
      to.shut = true;
      const auto finish = digit(2) == 0;
      to.core.shut_down(finish, now);
      MUST((finish || to.live.empty()));
    }
    return;
  case action::shut_down_bulkhead:
    if (digit(4) == 0 && bulkhead_alive)
      permits.shut_down(digit(2) == 0);
    return;
  case action::lose_part:
    if (digit(4) == 0)
      lose_part(digit(2) == 0);
    return;
  }
}

inline void world::step(const command& next) {
  ++met.steps;
  perform(next);
  check();
}

inline void world::check() {
  auto in_use = 0U;
  auto probing = 0U;
  for (const auto& each : stations) {
    each->check();
    in_use += each->core.permits_in_use();
    for (auto attempt : each->in_flight()) {
      const auto given = each->leaves.find(attempt.serial);
      probing += given != each->leaves.end() && given->second.held.probe != 0
                         && given->second.held.generation == breaker.generation()
                         && given->second.bounded
                     ? 1U
                     : 0U;
    }
  }
  if (bulkhead_alive && channels().empty()) { // nobody waits in the queue who has gone
    auto waiting = 0U;
    for (const auto& each : stations)
      waiting += each->counts()[static_cast<std::size_t>(place::queued)];
    MUST(permits.queued() == waiting);
  }
  // End to end, whatever is under way.
  if (bulkhead_alive) {
    MUST(in_use <= permits.policy().max_workers);
    MUST((!permits.settled() || permits.queued() <= permits.policy().queue_size));
  }
  if (breaker_alive && breaker.state() == circuit_state::half_open) {
    MUST(probing <= breaker.policy().half_open_calls);
    MUST(probing <= breaker.probes());
  }
}

// All replies come, all letters, and time passes: nothing is left.
inline void world::finish() {
  const auto idle = [&] {
    return std::all_of(stations.begin(), stations.end(), [](const auto& each) {
      return each->live.empty() && each->abandoned.empty();
    });
  };
  deliver_all();
  for (auto round = 0; round < 1000 && !idle(); ++round) {
    for (auto& each : stations) {
      for (auto attempt : each->in_flight())
        each->take_reply(attempt, std::nullopt);
      for (auto [serial, attempt] : std::map(each->abandoned))
        each->take_reply(attempt, std::nullopt);
    }
    check();
    deliver_all();
    if (round % 4 == 3)
      advance(1ms);
  }
  MUST(idle());
  deliver_all();
  if (breaker_alive) // by word, not by time
    MUST(breaker.probes() == 0U);
  for (const auto& each : stations) {
    const auto& books = each->core.books();
    met.budget_refused += books.budget_refused;
    met.left_to_others += books.left_to_others;
    met.not_idempotent += books.not_idempotent;
    met.told_not_to += books.told_not_to;
    met.saved += books.saved;
    met.copies_refused += books.hedges_refused;
    MUST(each->core.books().calls.in_flight == 0U);
    MUST(each->core.permits_in_use() == 0U);
  }
  if (bulkhead_alive) {
    MUST(permits.queued() == 0U);
    permits.recall_all();
    deliver_all();
    MUST(permits.leased() == 0U);
  }
  advance(1h);
  for (const auto& each : stations)
    MUST((each->wake == end_of_time));
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  world both{all.policy, met};
  for (const auto& next : all.commands)
    both.step(next);
  both.finish();
}

} // namespace bulwark_tests::supervisor_model
