#include "linearizability/checker.hpp"
#include "linearizability/clients.hpp"
#include "support/catch.hpp"
#include "support/real_system.hpp"

#include "bulwark/all.hpp"
#include "bulwark/circuit_breaker_actor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/// @file The breaker's actor among clients that ask it all at once, on real threads: what they are
/// answered, and what they see in its published view, is what one sequential breaker would say.
///
/// A client is a supervisor, for it asks for probes and tells outcomes, and a user, for it records,
/// reads and operates, in turn. In the model time passes as it may: the breaker's clock is read some
/// time between a message's sending and its answer.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// -- what clients do ----------------------------------------------------------------------

enum class deed { admit, tell, record, operate, read_state, read_view };

struct breaker_use {
  deed what = deed::admit;
  timespan hold_for{0};      // admit
  probe_decision decision{}; // admit
  permit held{};             // tell
  // tell: nullopt says nothing. record: whether it failed.
  std::optional<bool> failed{};
  circuit_state state{}; // operate: what was wished for; read_state, read_view
  bool failing = false;  // read_view
  std::uint64_t generation = 0;
};

std::string to_text(const breaker_use& use) {
  const auto end = !use.failed ? "nothing" : *use.failed ? "failed" : "succeeded";
  switch (use.what) {
  case deed::admit:
    return use.decision.granted
               ? fmt::format("admit, hold for {}: permit {}/{}", bulwark::to_text(use.hold_for),
                             use.decision.given.generation, use.decision.given.probe)
               : fmt::format("admit: refused for {}",
                             bulwark::to_text(use.decision.refused.retry_after));
  case deed::tell:
    return fmt::format("tell {}/{}: {}", use.held.generation, use.held.probe, end);
  case deed::record:
    return fmt::format("record: {}", end);
  case deed::operate:
    return fmt::format("operate: {}", to_string(use.state));
  case deed::read_state:
    return fmt::format("state: {}", to_string(use.state));
  case deed::read_view:
    return fmt::format("view: {}{} {}", to_string(use.state), use.failing ? ", failing" : "",
                       use.generation);
  }
  return "?";
}

// -- the sequential model -----------------------------------------------------------------

// A time that is known to lie between two others.
struct span {
  moment from = 0;
  moment to = 0;

  friend auto operator<=>(const span&, const span&) = default;
};

span later(const operation<breaker_use>& by, timespan length) {
  return {by.invoked + length.count(),
          by.returned == no_end ? no_end : by.returned + length.count()};
}

// What makes a model wrong on purpose.
enum class flaw { none, trips_late, closes_late, one_probe_more, counts_stale, no_view_of_failing };

class modelled_breaker {
public:
  modelled_breaker(const circuit_breaker_limits& policy, flaw wrong)
      : policy_(&policy), wrong_(wrong) {}

  [[nodiscard]] std::vector<modelled_breaker> after(const operation<breaker_use>& next) const {
    std::vector<modelled_breaker> result;
    for (auto& each : as_time_passes(next)) {
      if (each.does(next))
        result.push_back(std::move(each));
    }
    return result;
  }

  [[nodiscard]] bool complete() const { return true; }
  static bool only_reads(const breaker_use&) { return false; } // what is read may change

  friend bool operator<(const modelled_breaker& a, const modelled_breaker& b) {
    const auto all = [](const modelled_breaker& of) {
      return std::tie(of.state_, of.generation_, of.last_probe_, of.failures_, of.successes_,
                      of.probes_from_, of.probes_);
    };
    return all(a) < all(b);
  }

private:
  struct probe {
    std::uint64_t number;
    span until;
    friend auto operator<=>(const probe&, const probe&) = default;
  };

  const circuit_breaker_limits* policy_;
  flaw wrong_;
  circuit_state state_ = circuit_state::closed;
  std::uint64_t generation_ = 1;
  std::uint64_t last_probe_ = 0;
  std::uint32_t failures_ = 0;
  std::uint32_t successes_ = 0;
  span probes_from_; // in open
  std::vector<probe> probes_;

  /// Itself, and what it may have become by then without anybody's word: open turns half-open, probes
  /// give their places back.
  [[nodiscard]] std::vector<modelled_breaker>
  as_time_passes(const operation<breaker_use>& until) const {
    std::vector<modelled_breaker> result{*this};
    if (state_ == circuit_state::open && probes_from_.from <= until.returned) {
      result.push_back(*this);
      result.back().enter(circuit_state::half_open, until);
    }
    for (std::size_t i = 0; i < probes_.size(); ++i) {
      if (probes_[i].until.from > until.returned)
        continue;
      for (auto j = result.size(); j-- > 0;) {
        auto without = result[j];
        std::erase(without.probes_, probes_[i]);
        result.push_back(std::move(without));
      }
    }
    return result;
  }

  /// Whether it may have answered so; then it is what it was afterwards.
  bool does(const operation<breaker_use>& next) {
    const auto& use = next.what;
    switch (use.what) {
    case deed::admit:
      return admits(next);
    case deed::tell:
      if (is_believed(use.held) && use.failed)
        record(*use.failed, next);
      return true;
    case deed::record:
      record(*use.failed, next);
      return true;
    case deed::operate:
      if (use.state == circuit_state::closed && state_ == circuit_state::closed)
        failures_ = 0;
      else if (use.state != state_)
        enter(use.state, next);
      return true;
    case deed::read_state:
      return use.state == state_;
    case deed::read_view:
      return use.state == state_ && use.generation == generation_
             && use.failing
                    == (state_ == circuit_state::closed && failures_ > 0
                        && wrong_ != flaw::no_view_of_failing);
    }
    return false;
  }

  bool admits(const operation<breaker_use>& next) {
    const auto& decision = next.what.decision;
    const auto refused_until = [&](const span& then) {
      const auto wait = decision.refused.retry_after.count();
      return !decision.granted && decision.refused.why == errc::circuit_open
             && wait >= then.from - next.returned && wait <= then.to - next.invoked && wait >= 0;
    };
    switch (state_) {
    case circuit_state::closed:
    case circuit_state::disabled:
    case circuit_state::metrics_only:
      return decision.granted && decision.given == permit{generation_, 0};
    case circuit_state::forced_open:
      return !decision.granted && decision.refused == rejection{errc::circuit_open, 0ns};
    case circuit_state::open: // it has looked at its clock: still open only where it isn't time
      return next.invoked < probes_from_.to && refused_until(probes_from_);
    case circuit_state::half_open:
      break;
    }
    auto earliest = span{no_end, no_end};
    for (const auto& each : probes_) {
      if (each.until.to <= next.invoked)
        return false; // its place would have been given back
      earliest = {std::min(earliest.from, each.until.from), std::min(earliest.to, each.until.to)};
    }
    if (probes_.size() >= policy_->half_open_calls + (wrong_ == flaw::one_probe_more ? 1 : 0))
      return refused_until(earliest);
    const auto hold_for = next.what.hold_for == unbounded ? policy_->open_for : next.what.hold_for;
    probes_.push_back({++last_probe_, later(next, hold_for)});
    return decision.granted && decision.given == permit{generation_, last_probe_};
  }

  bool is_believed(const permit& held) {
    if (held.generation != generation_ && wrong_ != flaw::counts_stale)
      return false;
    return state_ != circuit_state::half_open || std::erase_if(probes_, [&](const auto& each) {
                                                   return each.number == held.probe;
                                                 }) > 0;
  }

  void record(bool failed, const operation<breaker_use>& by) {
    if (state_ == circuit_state::half_open) {
      if (failed)
        enter(circuit_state::open, by);
      else if (++successes_ >= policy_->success_threshold + (wrong_ == flaw::closes_late ? 1 : 0))
        enter(circuit_state::closed, by);
    } else if (state_ == circuit_state::closed || state_ == circuit_state::disabled) {
      failures_ = failed ? failures_ + 1 : 0;
      if (state_ == circuit_state::closed
          && failures_ >= policy_->failure_threshold + (wrong_ == flaw::trips_late ? 1 : 0))
        enter(circuit_state::open, by);
    }
  }

  void enter(circuit_state next, const operation<breaker_use>& by) {
    ++generation_;
    state_ = next;
    failures_ = 0;
    successes_ = 0;
    probes_.clear();
    probes_from_ = next == circuit_state::open ? later(by, policy_->open_for) : span{};
  }
};

// -- the real one -------------------------------------------------------------------------

class breaker_client {
public:
  breaker_client(caf::actor_system& sys, const caf::actor& breaker, const circuit_view& view,
                 std::vector<operation<breaker_use>>& messages,
                 std::vector<operation<breaker_use>>& readings)
      : self_(sys), breaker_(breaker), view_(view), notes_(messages), readings_(readings) {}

  void act(dice& chance) {
    switch (chance.below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return admit(std::array{unbounded, timespan{30us}, timespan{1h}}.at(chance.below(3)));
    case 5:
    case 6:
    case 7:
    case 8:
      return tell(chance);
    case 9:
    case 10:
      return record(chance.below(3) > 0);
    case 11:
      return chance.below(3) == 0 ? operate(chance) : read_state();
    case 12:
      return read_state();
    default:
      return read_view();
    }
  }

  // Answered after all that this client has sent: so all of it has happened.
  void read_state() {
    breaker_use use{.what = deed::read_state};
    const auto began = clock_now();
    compat::request(self_, breaker_, state_atom_v)
        .receive([&](circuit_state state) { use.state = state; }, fail);
    notes_.answered(use, began);
  }

private:
  caf::scoped_actor self_;
  const caf::actor& breaker_;
  const circuit_view& view_;
  notebook<breaker_use> notes_;
  // In a list of their own: what is read isn't kept waiting by what was sent.
  std::vector<operation<breaker_use>>& readings_;
  std::vector<permit> held_; // the old ones are told, too, and some twice

  static void fail(const caf::error& error) { throw std::runtime_error{caf::to_string(error)}; }

  template <class T>
  void say(const T& content) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(breaker_),
                    caf::actor_cast<caf::strong_actor_ptr>(self_.ptr()), caf::make_message_id(),
                    caf::make_message(content), nullptr);
  }

  void admit(timespan hold_for) {
    breaker_use use{.what = deed::admit, .hold_for = hold_for};
    const auto began = clock_now();
    say(probe_request{.attempt = {}, .hold_for = hold_for});
    self_->receive([&](const probe_decision& decision) { use.decision = decision; });
    notes_.answered(use, began);
    if (use.decision.granted)
      held_.push_back(use.decision.given);
  }

  void tell(dice& chance) {
    if (held_.empty())
      return admit(1h);
    const auto which = held_.end() - 1 - chance.below(static_cast<std::uint32_t>(held_.size()));
    breaker_use use{.what = deed::tell, .held = *which};
    if (const auto end = chance.below(5); end > 0)
      use.failed = end > 2;
    if (chance.below(8) > 0)
      held_.erase(which);
    notes_.sent(use);
    say(outcome_report{.held = use.held, .failed = use.failed});
  }

  void record(bool failed) {
    const auto began = clock_now();
    if (failed)
      compat::request(self_, breaker_, record_failure_atom_v).receive([] {}, fail);
    else
      compat::request(self_, breaker_, record_success_atom_v).receive([] {}, fail);
    notes_.answered({.what = deed::record, .failed = failed}, began);
  }

  void operate(dice& chance) {
    const auto began = clock_now();
    const auto wish =
        std::array{circuit_state::closed, circuit_state::forced_open, circuit_state::disabled}.at(
            chance.below(3));
    if (wish == circuit_state::closed)
      compat::request(self_, breaker_, reset_atom_v).receive([] {}, fail);
    else if (wish == circuit_state::forced_open)
      compat::request(self_, breaker_, force_open_atom_v).receive([] {}, fail);
    else
      compat::request(self_, breaker_, disable_atom_v).receive([] {}, fail);
    notes_.answered({.what = deed::operate, .state = wish}, began);
  }

  void read_view() {
    const auto began = clock_now();
    const auto seen = view_.read();
    readings_.push_back({{.what = deed::read_view,
                          .state = seen.state,
                          .failing = seen.failing,
                          .generation = seen.generation},
                         began,
                         clock_now()});
  }
};

// Many breakers, one after another, each among clients of its own.
class breaker_runs {
public:
  explicit breaker_runs(std::size_t clients) : threads_(clients) {}

  history<breaker_use> run(const circuit_breaker_limits& policy, std::uint64_t seed) {
    const auto breaker = sys_->spawn<circuit_breaker_actor>(circuit_breaker_actor::settings{
        .name = "db",
        .policy = {.failure_threshold = policy.failure_threshold,
                   .success_threshold = policy.success_threshold,
                   .open_for = policy.open_for,
                   .half_open_calls = policy.half_open_calls},
        .timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(node_.timeout_manager()),
        .registry = {}});
    const auto view = caf::actor_cast<circuit_breaker_actor*>(breaker)->view();
    history<breaker_use> result(2 * threads_.count());
    threads_.run([&](std::size_t i) {
      dice chance{seed + i};
      breaker_client client{sys_, breaker, *view, result[2 * i], result[2 * i + 1]};
      threads_.meet();
      for (auto left = 4 + chance.below(4); left > 0; --left)
        client.act(chance);
      client.read_state();
    });
    caf::anon_send_exit(breaker, caf::exit_reason::kill);
    return result;
  }

private:
  real_system sys_;
  bulwark::node node_{*sys_};
  client_threads threads_;
};

// Small numbers, so that thresholds are met; times in which a client gets on a few messages.
circuit_breaker_limits any_policy(dice& chance) {
  return {.failure_threshold = 1 + chance.below(3),
          .success_threshold = 1 + chance.below(2),
          .open_for = std::array{timespan{40us}, timespan{200us}, timespan{1h}}.at(chance.below(3)),
          .half_open_calls = 1 + chance.below(2)};
}

} // namespace

TEST_CASE("what a breaker answers to many at once and shows in its view is what one after another "
          "would be answered [L1]",
          "[linearizability]") {
  const auto wanted = histories_wanted(10'000);
  std::map<std::size_t, breaker_runs> runs; // by number of clients
  runs.try_emplace(3, 3);
  runs.try_emplace(4, 4);
  std::map<circuit_state, std::uint64_t> met;
  std::map<flaw, std::uint64_t> noticed;
  std::uint64_t operations = 0, states = 0;
  for (std::uint64_t number = 1; number <= wanted; ++number) {
    dice chance{number};
    const auto policy = any_policy(chance);
    const auto seen = runs.at(3 + number % 2).run(policy, chance.seed());
    const auto result = check_linearizable(seen, modelled_breaker{policy, flaw::none});
    if (!result.linearizable)
      FAIL("history " << number << " of " << to_text(policy.open_for) << " open, thresholds "
                      << policy.failure_threshold << ", " << policy.success_threshold << ", "
                      << policy.half_open_calls << " probes"
                      << (result.gave_up ? ": too many states" : ": no order explains it")
                      << to_text(seen, result));
    states += result.states;
    for (const auto& client : seen) {
      operations += client.size();
      for (const auto& each : client)
        met[each.what.what == deed::read_view ? each.what.state : circuit_state::closed] += 1;
    }
    // A model that is wrong is noticed, or this test shows nothing.
    for (auto wrong : {flaw::trips_late, flaw::closes_late, flaw::one_probe_more,
                       flaw::counts_stale, flaw::no_view_of_failing}) {
      if (noticed[wrong] >= 20)
        continue;
      const auto told = check_linearizable(seen, modelled_breaker{policy, wrong}, 10'000);
      noticed[wrong] += told.linearizable || told.gave_up ? 0 : 1;
    }
  }
  CAPTURE(operations, states);
  CHECK(operations >= 15 * wanted);
  if (wanted >= 5'000) {
    for (auto state : {circuit_state::closed, circuit_state::open, circuit_state::half_open,
                       circuit_state::forced_open, circuit_state::disabled}) {
      CAPTURE(to_string(state));
      CHECK(met[state] >= 20);
    }
    for (auto [wrong, times] : noticed) {
      CAPTURE(static_cast<int>(wrong));
      CHECK(times >= 5);
    }
  }
}
