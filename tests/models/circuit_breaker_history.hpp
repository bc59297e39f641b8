#pragma once

#include "models/circuit_breaker_model.hpp"
#include "models/must.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <utility>
#include <variant>
#include <vector>

/// @file The circuit breaker against the model of it, on random histories.

namespace bulwark_tests::circuit_breaker_model {

// -- what can happen --------------------------------------------------------------

enum class action {
  admit,
  succeed,
  fail,
  cancel,
  see_success,
  see_failure,
  tell_batch,
  tick,
  sleep_until_due,
  force_open,
  disable,
  show,
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
  case action::tell_batch:
    return "tell_batch";
  case action::tick:
    return "tick";
  case action::sleep_until_due:
    return "sleep_until_due";
  case action::force_open:
    return "force_open";
  case action::disable:
    return "disable";
  case action::show:
    return "show";
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
  int wait;       // before it, in half milliseconds: times often meet to the nanosecond
  int choice;     // which permit, counted from the newest; which hold; which policy
  int manner = 0; // what else there is to say of it: slow, retry_after; the policy's later fields
};

inline std::ostream& operator<<(std::ostream& out, const command& each) {
  return out << fmt::format("+{}us {}({}, {})", each.wait * 500, name_of(each.what), each.choice,
                            each.manner);
}

// Small numbers, so that thresholds are met and changed often. Manner 0: what came later is off.
// Longer than 40 lines: a field each.
inline circuit_breaker_limits policy_of(int choice, int manner = 0) {
  auto digit_of = [](int& number, int base) {
    auto result = number % base;
    number /= base;
    return static_cast<std::uint32_t>(result);
  };
  auto old = [&](int base) { return digit_of(choice, base); };
  circuit_breaker_limits result{.failure_threshold = 1 + old(4),
                                .success_threshold = 1 + old(3),
                                .open_for = std::chrono::milliseconds{1 + old(4)},
                                .half_open_calls = 1 + old(3)};
  auto digit = [&](int base) { return digit_of(manner, base); };
  if (const auto window = digit(3))
    result.count_window = {.size = 2 + 2 * window,
                           .failure_ratio = window == 1 ? 0.5 : 0.4,
                           .minimum_calls = 1 + 2 * window,
                           .slow_ratio = 0.5};
  if (const auto window = digit(3))
    result.time_window = {.span = std::chrono::milliseconds{4 * window},
                          .buckets = 2 * window,
                          .failure_ratio = 0.5,
                          .minimum_calls = 2 + window,
                          .slow_ratio = 0.75};
  const auto windows = result.count_window || result.time_window;
  if (windows && digit(2) == 1)
    result.failure_threshold = 0;
  if (windows && manner % 5 != 0)
    result.slow_call_duration = 1ms;
  result.open_growth = 1.0 + digit(2);
  result.max_open_for = 8ms;
  result.open_jitter = digit(4) == 1 ? 0.5 : 0.0;
  result.open_on_retry_after = digit(2) == 1;
  if (digit(2) == 1)
    result.max_half_open_for = 2ms;
  if (digit(2) == 1)
    result.ramp_for = 3ms;
  return result;
}

// `end_of_time`, which stands for open_for, or up to 3.5 ms; 0: over before it began.
inline instant hold_of(int choice, instant now) {
  return choice % 2 == 0 ? end_of_time : saturating_add(now, choice / 2 % 8 * 500us);
}

struct history {
  int policy;
  instant start;
  std::vector<command> commands;
  int manner = 0; // of the policy
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  out << fmt::format("\npolicy {}, {}, start {}:", all.policy, all.manner,
                     all.start.time_since_epoch().count());
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
  std::uint64_t ramped = 0;     // refused by a ramp
  double ramps_refuse = 0;      // so many of those that came to one, by its share, on average
  double ramps_variance = 0;
  std::map<transition_cause, std::uint64_t> causes;
};

class comparison {
public:
  comparison(const circuit_breaker_limits& policy, instant start, coverage& met)
      : now_(start),
        breaker_(policy, recorder_, start, 0x9e3779b97f4a7c15U * (met.steps + 1)), // no two alike
        model_{policy, {{.state = circuit_state::closed, .since = start}}, {}},
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
  void settle(fact_kind outcome, const command& next);
  void tell_batch(const command& next);
  void learn_chance();
  void by_hand(action what);
  void compare();
  void check_books();
};

// Longer than 40 lines: what can happen, each in a few.
inline void comparison::perform(const command& next) {
  const auto took = next.manner % 2 == 1 ? timespan{1ms} : timespan{1ms} - 1ns;
  const auto slow = model_.policy.slow_call_duration && next.manner % 2 == 1;
  switch (next.what) {
  case action::admit:
    return admit(hold_of(next.choice, now_));
  case action::succeed:
    return settle(fact_kind::succeeded, next);
  case action::fail:
    return settle(fact_kind::failed, next);
  case action::cancel:
    return settle(fact_kind::left, next);
  case action::see_success:
    breaker_.record_success(now_, took);
    return model_.write({fact_kind::succeeded, 0, now_, slow}, now_);
  case action::see_failure:
    breaker_.record_failure(now_, took);
    return model_.write({fact_kind::failed, 0, now_, slow}, now_);
  case action::tell_batch:
    return tell_batch(next);
  case action::sleep_until_due:
    if (auto due = breaker_.due(); due != end_of_time)
      now_ = std::max(now_, due);
    [[fallthrough]];
  case action::tick:
    breaker_.on_tick(now_);
    return model_.tick(now_);
  case action::change_policy:
    breaker_.change_policy(policy_of(next.choice, next.manner), now_);
    return model_.change(policy_of(next.choice, next.manner), now_);
  case action::trip:
    breaker_.trip(transition_cause::nodes_tripped, now_);
    if (model_.is(circuit_state::closed))
      model_.open(transition_cause::nodes_tripped, now_);
    return;
  case action::follow: {
    const auto state = static_cast<circuit_state>(next.choice % 6);
    const auto probes_in = next.choice / 6 % 8 * 500us;
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
  case action::show:
  case action::reset:
    return by_hand(next.what);
  }
}

inline void comparison::admit(instant hold_until) {
  auto answer = breaker_.admit(now_, hold_until);
  model_.tick(now_);
  learn_chance();
  if (!model_.lets_through()) {
    MUST(std::holds_alternative<rejection>(answer));
    MUST(std::get<rejection>(answer) == model_.refusal(now_));
    met_.full += model_.is(circuit_state::half_open) ? 1 : 0;
    return;
  }
  if (model_.now().ramping) {
    const auto passes = model_.ramp_share(now_);
    met_.ramps_refuse += 1 - passes;
    met_.ramps_variance += passes * (1 - passes);
    if (std::holds_alternative<rejection>(answer)) {
      MUST(std::get<rejection>(answer) == model_.refusal(now_));
      ++met_.ramped;
      return;
    }
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
    if (!model_.now().first_probe)
      model_.now().first_probe = now_;
  }
  given_.push_back(held);
}

inline void comparison::settle(fact_kind outcome, const command& next) {
  if (given_.empty())
    return;
  // Mostly one of the newest few; the greater choices are what is late.
  const auto choice = next.choice;
  auto back = static_cast<std::size_t>(choice < 100 ? choice % 4 : choice) % given_.size();
  auto held = given_[given_.size() - 1 - back];
  auto counts = model_.believes(held);
  met_.outdated += held.generation != model_.generation() ? 1 : 0;
  met_.late += held.generation == model_.generation() && !counts ? 1 : 0;
  attempt_outcome how;
  how.slow = next.manner % 2 == 1;
  if (outcome != fact_kind::left)
    how.failed = outcome == fact_kind::failed;
  if (outcome != fact_kind::succeeded && next.manner % 10 == 3)
    how.retry_after = next.manner % 7 * 2ms;
  breaker_.on_outcome(held, how, now_);
  if (counts)
    model_.write({outcome, held.probe, now_, how.slow}, now_, how.retry_after);
}

inline void comparison::tell_batch(const command& next) {
  const auto calls = static_cast<std::uint32_t>(next.choice % 7);
  const success_batch batch{.generation = model_.generation() - (next.choice % 8 == 0 ? 1 : 0),
                            .calls = calls,
                            .slow = next.manner % 3 == 0 ? calls / 2 : 0,
                            .at = std::max(now_ - next.manner % 5 * 1ms, instant{})};
  breaker_.on_successes(batch, now_);
  model_.write(batch, now_);
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
  } else if (what == action::show) {
    breaker_.metrics_only(now_);
    if (!model_.is(circuit_state::metrics_only))
      model_.turn_page(circuit_state::metrics_only, transition_cause::metrics_only, now_);
  } else {
    breaker_.reset(now_);
    model_.openings = 0;
    if (model_.is(circuit_state::closed))
      model_.clear();
    else
      model_.turn_page(circuit_state::closed, transition_cause::reset, now_);
  }
}

// How much shorter than the longest it is, is chance's to say.
inline void comparison::learn_chance() {
  if (!std::exchange(model_.length_is_new, false))
    return;
  const auto longest = model_.longest_open();
  const auto shortest = (1.0 - model_.policy.open_jitter) * double(longest.count());
  MUST(breaker_.open_length() <= longest);
  MUST((breaker_.open_length() >= 1ms));
  MUST((double(breaker_.open_length().count()) >= shortest - 1.0));
  model_.length = breaker_.open_length();
}

inline void comparison::compare() {
  learn_chance();
  auto half_open = model_.is(circuit_state::half_open);
  MUST(to_string(breaker_.state()) == to_string(model_.now().state));
  MUST(breaker_.generation() == model_.generation());
  MUST(breaker_.since().time_since_epoch() == model_.now().since.time_since_epoch());
  MUST(breaker_.failures() == failures_in_a_row(model_.now()));
  MUST(breaker_.successes() == successes(model_.now()));
  MUST(breaker_.probes() == (half_open ? probes_in_flight(model_.now()).size() : 0));
  MUST(breaker_.due().time_since_epoch() == model_.due().time_since_epoch());
  MUST(breaker_.policy() == model_.policy);
  MUST((breaker_.window() == model_.window()));
  MUST((breaker_.open_length() == model_.length));
  MUST(recorder_.told.size() == model_.told.size());
  for (; compared_ < model_.told.size(); ++compared_)
    MUST(recorder_.told[compared_] == model_.told[compared_]);
  circuit_view view;
  breaker_.publish(view);
  MUST(view.read().state == model_.now().state);
  MUST(view.read().generation == model_.generation());
  MUST(view.read().failing
       == ((model_.is(circuit_state::closed) || model_.is(circuit_state::metrics_only))
           && failures_in_a_row(model_.now()) > 0));
  MUST(view.read().ramping == model_.now().ramping);
  if (model_.now().ramping)
    MUST((view.ramp().end() == model_.ramp_ends()));
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
       || state == circuit_state::disabled || state == circuit_state::metrics_only);
  MUST(followed_ || breaker_.since() <= now_);
  MUST(state != circuit_state::open || breaker_.following()
       || breaker_.due() == saturating_add(breaker_.since(), breaker_.open_length()));
  MUST(state == circuit_state::open || state == circuit_state::half_open || model_.now().ramping
       || breaker_.due() == end_of_time);
  MUST(state != circuit_state::half_open || breaker_.probes() > 0 || policy.max_half_open_for
       || breaker_.due() == end_of_time);
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  comparison both{policy_of(all.policy, all.manner), all.start, met};
  for (const auto& next : all.commands)
    both.step(next);
  both.finish();
}

} // namespace bulwark_tests::circuit_breaker_model
