#pragma once

#include "bulwark/circuit_breaker.hpp"

#include "models/must.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <variant>
#include <vector>

/// @file The circuit breaker against a model of it, on random histories.
///
/// The breaker keeps counts and a list of probes. The model keeps neither: it is a book that only
/// grows, a chapter for each generation, and everything is read out of it anew each time it is
/// asked.

namespace bulwark_tests::circuit_breaker_model {

using namespace bulwark;
using namespace std::chrono_literals;

// -- the model --------------------------------------------------------------------

enum class fact_kind { let_through, succeeded, failed, left, given_back, cleared };

struct fact {
  fact_kind kind;
  std::uint64_t probe = 0; // 0: not a probe's
  instant hold_until = end_of_time;
};

// All that happened in one generation, and counted.
struct chapter {
  circuit_state state;
  instant since;
  std::vector<fact> facts;
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
    result += each->kind == fact_kind::failed ? 1 : 0;
  }
  return result;
}

inline std::uint32_t successes(const chapter& now) {
  return now.state == circuit_state::half_open ? count_of(now, fact_kind::succeeded) : 0;
}

// The probes let through of which nothing else was written down.
inline std::map<std::uint64_t, instant> probes_in_flight(const chapter& now) {
  std::map<std::uint64_t, instant> result;
  for (const auto& each : now.facts) {
    if (each.kind == fact_kind::let_through)
      result[each.probe] = each.hold_until;
    else
      result.erase(each.probe);
  }
  return result;
}

struct model {
  circuit_breaker_limits policy;
  book chapters;
  std::vector<circuit_transition> told;
  // While another decides: when it lets probes through, as it said.
  std::optional<instant> follows_until = std::nullopt;

  chapter& now() { return chapters.back(); }
  bool is(circuit_state state) { return now().state == state; }
  std::uint64_t generation() const { return chapters.size(); }
  instant reopens() {
    return follows_until ? *follows_until : saturating_add(now().since, policy.open_for);
  }

  instant due() {
    auto result = is(circuit_state::open) && !follows_until ? reopens() : end_of_time;
    for (auto [number, hold_until] : probes_in_flight(now()))
      result = std::min(result, hold_until);
    return result;
  }

  void turn_page(circuit_state to, transition_cause why, instant when) {
    told.push_back(
        {now().state, to, why, when, generation() + 1, failures_in_a_row(now()), successes(now())});
    chapters.push_back({to, when, {}});
  }

  void tick(instant when) {
    if (is(circuit_state::open) && !follows_until && reopens() <= when)
      turn_page(circuit_state::half_open, transition_cause::open_elapsed, when);
    for (auto [number, hold_until] : probes_in_flight(now()))
      if (hold_until <= when)
        now().facts.push_back({fact_kind::given_back, number});
  }

  // Whether the next call is let through; if not, the answer is `refusal`.
  bool lets_through(instant when) {
    tick(when);
    return is(circuit_state::closed) || is(circuit_state::disabled)
           || (is(circuit_state::half_open) && !follows_until
               && probes_in_flight(now()).size() < policy.half_open_calls);
  }

  rejection refusal(instant when) {
    auto later = is(circuit_state::open) ? reopens() : due();
    return {errc::circuit_open, later == end_of_time ? 0s : std::max<timespan>(later - when, 0s)};
  }

  // Whether an outcome of this permit is written into the book at all.
  bool believes(const permit& held) {
    return held.generation == generation()
           && (!is(circuit_state::half_open) || probes_in_flight(now()).contains(held.probe));
  }

  void write(fact_kind kind, std::uint64_t probe, instant when) {
    if (is(circuit_state::open) || is(circuit_state::forced_open)
        || (is(circuit_state::half_open) && follows_until))
      return;
    now().facts.push_back({kind, probe});
    if (kind == fact_kind::failed && is(circuit_state::half_open))
      turn_page(circuit_state::open, transition_cause::probe_failed, when);
    else if (kind == fact_kind::failed && is(circuit_state::closed)
             && failures_in_a_row(now()) >= policy.failure_threshold)
      turn_page(circuit_state::open, transition_cause::failure_threshold, when);
    else if (kind == fact_kind::succeeded && is(circuit_state::half_open)
             && successes(now()) >= policy.success_threshold)
      turn_page(circuit_state::closed, transition_cause::probes_succeeded, when);
  }

  // Another decides from now on, or no longer: no probe of before is good in half-open.
  void follow(circuit_state state, instant probes_from, instant when) {
    const auto begins = !follows_until && state != circuit_state::closed;
    follows_until = state == circuit_state::closed ? std::nullopt : std::optional{probes_from};
    if (!is(state) || (begins && is(circuit_state::half_open)))
      turn_page(state, transition_cause::owner_said, when);
  }

  void stop_following(instant when) {
    if (!follows_until)
      return;
    if (is(circuit_state::open)) // goes on with the other's time
      now().since = *follows_until - policy.open_for;
    follows_until.reset();
    if (is(circuit_state::half_open))
      turn_page(circuit_state::half_open, transition_cause::owner_lost, when);
  }
};

// -- what can happen --------------------------------------------------------------

enum class action {
  admit,
  succeed,
  fail,
  cancel,
  see_success,
  see_failure,
  tick,
  sleep_until_due,
  force_open,
  disable,
  reset,
  trip,
  follow,
  stop_following,
  change_policy
};

inline const char* name_of(action what) {
  switch (what) {
  case action::admit:
    return "admit";
  case action::succeed:
    return "succeed";
  case action::fail:
    return "fail";
  case action::cancel:
    return "cancel";
  case action::see_success:
    return "see_success";
  case action::see_failure:
    return "see_failure";
  case action::tick:
    return "tick";
  case action::sleep_until_due:
    return "sleep_until_due";
  case action::force_open:
    return "force_open";
  case action::disable:
    return "disable";
  case action::reset:
    return "reset";
  case action::trip:
    return "trip";
  case action::follow:
    return "follow";
  case action::stop_following:
    return "stop_following";
  case action::change_policy:
    return "change_policy";
  }
  return "?";
}

struct command {
  action what;
  int wait;   // before it, in half milliseconds: times often meet to the nanosecond
  int choice; // which permit, counted from the newest; which hold; which policy
};

inline std::ostream& operator<<(std::ostream& out, const command& each) {
  return out << fmt::format("+{}us {}({})", each.wait * 500, name_of(each.what), each.choice);
}

// Small numbers, so that thresholds are met and changed often.
inline circuit_breaker_limits policy_of(int choice) {
  auto digit = [&choice](int base) {
    auto result = choice % base;
    choice /= base;
    return static_cast<std::uint32_t>(result);
  };
  return {.failure_threshold = 1 + digit(4),
          .success_threshold = 1 + digit(3),
          .open_for = std::chrono::milliseconds{1 + digit(4)},
          .half_open_calls = 1 + digit(3)};
}

// `end_of_time`, which stands for open_for, or up to 3.5 ms; 0: over before it began.
inline instant hold_of(int choice, instant now) {
  return choice % 2 == 0 ? end_of_time : saturating_add(now, choice / 2 % 8 * 500us);
}

struct history {
  int policy;
  instant start;
  std::vector<command> commands;
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  auto policy = policy_of(all.policy);
  out << fmt::format(
      "\nfailure_threshold {}, success_threshold {}, open_for {}, half_open_calls {}, "
      "start {}:",
      policy.failure_threshold, policy.success_threshold, to_text(policy.open_for),
      policy.half_open_calls, all.start.time_since_epoch().count());
  for (const auto& each : all.commands)
    out << "\n  " << each;
  return out;
}

// -- the two, step by step --------------------------------------------------------

struct recorder final : circuit_observer {
  std::vector<circuit_transition> told;
  void on_transition(const circuit_transition& change) override { told.push_back(change); }
};

// What the histories of one run met.
struct coverage {
  std::uint64_t steps = 0;
  std::uint64_t outdated = 0;   // outcomes of an earlier generation
  std::uint64_t late = 0;       // outcomes of probes whose place was given back, or told twice
  std::uint64_t given_back = 0; // probes that never answered
  std::uint64_t full = 0;       // refused by a full half-open
  std::map<transition_cause, std::uint64_t> causes;
};

class comparison {
public:
  comparison(const circuit_breaker_limits& policy, instant start, coverage& met)
      : now_(start),
        breaker_(policy, recorder_, start),
        model_{policy, {{circuit_state::closed, start, {}}}, {}},
        met_(met) {}

  void step(const command& next) {
    ++met_.steps;
    before_ = {breaker_.generation(), breaker_.probes()};
    now_ = saturating_add(now_, next.wait * 500us);
    perform(next);
    compare();
    check_books();
  }

  void finish() {
    for (const auto& change : model_.told)
      ++met_.causes[change.why];
    for (const auto& each : model_.chapters)
      met_.given_back += count_of(each, fact_kind::given_back);
  }

private:
  struct snapshot {
    std::uint64_t generation;
    std::uint32_t probes;
  };

  instant now_;
  recorder recorder_;
  circuit_breaker breaker_;
  model model_;
  coverage& met_;
  std::vector<permit> given_; // all that ever were: also answered, outdated, overdue ones
  std::set<std::uint64_t> numbers_;
  std::size_t compared_ = 0; // transitions
  snapshot before_{1, 0};
  bool followed_ = false; // ever: then a state may have begun by another's clock

  void perform(const command& next);
  void admit(instant hold_until);
  void settle(fact_kind outcome, int choice);
  void by_hand(action what);
  void compare();
  void check_books();
};

inline void comparison::perform(const command& next) {
  switch (next.what) {
  case action::admit:
    return admit(hold_of(next.choice, now_));
  case action::succeed:
    return settle(fact_kind::succeeded, next.choice);
  case action::fail:
    return settle(fact_kind::failed, next.choice);
  case action::cancel:
    return settle(fact_kind::left, next.choice);
  case action::see_success:
    breaker_.record_success(now_);
    return model_.write(fact_kind::succeeded, 0, now_);
  case action::see_failure:
    breaker_.record_failure(now_);
    return model_.write(fact_kind::failed, 0, now_);
  case action::sleep_until_due:
    if (auto due = breaker_.due(); due != end_of_time)
      now_ = std::max(now_, due);
    [[fallthrough]];
  case action::tick:
    breaker_.on_tick(now_);
    return model_.tick(now_);
  case action::change_policy:
    breaker_.change_policy(policy_of(next.choice), now_);
    model_.policy = policy_of(next.choice);
    return;
  case action::trip:
    breaker_.trip(transition_cause::nodes_tripped, now_);
    if (model_.is(circuit_state::closed))
      model_.turn_page(circuit_state::open, transition_cause::nodes_tripped, now_);
    return;
  case action::follow: {
    const auto state = static_cast<circuit_state>(next.choice % 5);
    const auto probes_in = next.choice / 5 % 8 * 500us;
    followed_ = true;
    breaker_.follow(state, probes_in, transition_cause::owner_said, now_);
    MUST(breaker_.following() == (state != circuit_state::closed));
    return model_.follow(state, saturating_add(now_, probes_in), now_);
  }
  case action::stop_following:
    breaker_.stop_following(transition_cause::owner_lost, now_);
    MUST(!breaker_.following());
    return model_.stop_following(now_);
  case action::force_open:
  case action::disable:
  case action::reset:
    return by_hand(next.what);
  }
}

inline void comparison::admit(instant hold_until) {
  auto answer = breaker_.admit(now_, hold_until);
  if (!model_.lets_through(now_)) {
    MUST(std::holds_alternative<rejection>(answer));
    MUST(std::get<rejection>(answer) == model_.refusal(now_));
    met_.full += model_.is(circuit_state::half_open) ? 1 : 0;
    return;
  }
  MUST(std::holds_alternative<permit>(answer));
  auto held = std::get<permit>(answer);
  MUST(held.generation == model_.generation());
  MUST((held.probe != 0) == model_.is(circuit_state::half_open));
  if (held.probe != 0) {
    MUST(numbers_.insert(held.probe).second); // never the number of another probe
    if (hold_until == end_of_time)
      hold_until = saturating_add(now_, model_.policy.open_for);
    model_.now().facts.push_back({fact_kind::let_through, held.probe, hold_until});
  }
  given_.push_back(held);
}

inline void comparison::settle(fact_kind outcome, int choice) {
  if (given_.empty())
    return;
  // Mostly one of the newest few; the greater choices are what is late.
  auto back = static_cast<std::size_t>(choice < 100 ? choice % 4 : choice) % given_.size();
  auto held = given_[given_.size() - 1 - back];
  auto counts = model_.believes(held);
  met_.outdated += held.generation != model_.generation() ? 1 : 0;
  met_.late += held.generation == model_.generation() && !counts ? 1 : 0;
  if (outcome == fact_kind::succeeded)
    breaker_.on_success(held, now_);
  else if (outcome == fact_kind::failed)
    breaker_.on_failure(held, now_);
  else
    breaker_.on_cancelled(held, now_);
  if (counts)
    model_.write(outcome, held.probe, now_);
}

inline void comparison::by_hand(action what) {
  if (what == action::force_open) {
    breaker_.force_open(now_);
    if (!model_.is(circuit_state::forced_open))
      model_.turn_page(circuit_state::forced_open, transition_cause::forced_open, now_);
  } else if (what == action::disable) {
    breaker_.disable(now_);
    if (!model_.is(circuit_state::disabled))
      model_.turn_page(circuit_state::disabled, transition_cause::disabled, now_);
  } else {
    breaker_.reset(now_);
    if (model_.is(circuit_state::closed))
      model_.now().facts.push_back({fact_kind::cleared});
    else
      model_.turn_page(circuit_state::closed, transition_cause::reset, now_);
  }
}

inline void comparison::compare() {
  auto half_open = model_.is(circuit_state::half_open);
  MUST(to_string(breaker_.state()) == to_string(model_.now().state));
  MUST(breaker_.generation() == model_.generation());
  MUST(breaker_.since().time_since_epoch() == model_.now().since.time_since_epoch());
  MUST(breaker_.failures() == failures_in_a_row(model_.now()));
  MUST(breaker_.successes() == successes(model_.now()));
  MUST(breaker_.probes() == (half_open ? probes_in_flight(model_.now()).size() : 0));
  MUST(breaker_.due().time_since_epoch() == model_.due().time_since_epoch());
  MUST(breaker_.policy() == model_.policy);
  MUST(recorder_.told.size() == model_.told.size());
  for (; compared_ < model_.told.size(); ++compared_)
    MUST(recorder_.told[compared_] == model_.told[compared_]);
  circuit_view view;
  breaker_.publish(view);
  MUST(view.read().state == model_.now().state);
  MUST(view.read().generation == model_.generation());
  MUST(view.read().failing
       == (model_.is(circuit_state::closed) && failures_in_a_row(model_.now()) > 0));
  if (model_.is(circuit_state::open))
    MUST(view.probes_from() == model_.reopens());
}

// What must hold whatever the model says.
inline void comparison::check_books() {
  auto state = breaker_.state();
  auto& policy = breaker_.policy();
  MUST(breaker_.generation() >= before_.generation);
  MUST(breaker_.generation() <= before_.generation + 1);
  MUST(breaker_.generation() == recorder_.told.size() + 1);
  // Only a lowered limit leaves more in flight than it permits, and then they only get fewer.
  MUST(breaker_.probes() <= std::max(policy.half_open_calls, before_.probes));
  MUST(breaker_.probes() == 0 || state == circuit_state::half_open);
  MUST(breaker_.successes() == 0 || state == circuit_state::half_open);
  MUST(breaker_.failures() == 0 || state == circuit_state::closed
       || state == circuit_state::disabled);
  MUST(followed_ || breaker_.since() <= now_);
  MUST(state != circuit_state::open || breaker_.following()
       || breaker_.due() == saturating_add(breaker_.since(), policy.open_for));
  MUST(state == circuit_state::open || state == circuit_state::half_open
       || breaker_.due() == end_of_time);
  MUST(state != circuit_state::half_open || breaker_.probes() > 0 || breaker_.due() == end_of_time);
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  comparison both{policy_of(all.policy), all.start, met};
  for (const auto& next : all.commands)
    both.step(next);
  both.finish();
}

} // namespace bulwark_tests::circuit_breaker_model
