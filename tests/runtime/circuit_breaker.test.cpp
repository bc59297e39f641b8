#include "bulwark/circuit_breaker.hpp"

#include "support/catch.hpp"

#include <limits>
#include <variant>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct recorder final : circuit_observer {
  std::vector<circuit_transition> seen;
  void on_transition(const circuit_transition& change) override { seen.push_back(change); }
};

// A breaker, who listens to it, and the time. Opens at the third failure, probes two at once after
// ten seconds, closes at the second success.
struct fixture {
  instant now{1h};
  recorder observer;
  circuit_breaker breaker;

  explicit fixture(const circuit_breaker_limits& policy = {.failure_threshold = 3,
                                                           .success_threshold = 2,
                                                           .open_for = 10s,
                                                           .half_open_calls = 2})
      : breaker(policy, observer, now) {}

  bool admits(instant hold_until = end_of_time) {
    return std::holds_alternative<permit>(breaker.admit(now, hold_until));
  }

  permit enter(instant hold_until = end_of_time) {
    auto result = breaker.admit(now, hold_until);
    REQUIRE(std::holds_alternative<permit>(result));
    return std::get<permit>(result);
  }

  rejection refused() {
    auto result = breaker.admit(now);
    REQUIRE(std::holds_alternative<rejection>(result));
    return std::get<rejection>(result);
  }

  void succeed() { breaker.on_success(enter(), now); }
  void fail() { breaker.on_failure(enter(), now); }

  void fail(int times) {
    for (auto i = 0; i < times; ++i)
      fail();
  }

  void trip() {
    fail(static_cast<int>(breaker.policy().failure_threshold));
    REQUIRE(breaker.state() == circuit_state::open);
  }

  void trip_and_wait() {
    trip();
    now += breaker.policy().open_for;
    breaker.on_tick(now);
    REQUIRE(breaker.state() == circuit_state::half_open);
  }
};

constexpr auto largest = std::numeric_limits<std::uint32_t>::max();

} // namespace

// -- closed -----------------------------------------------------------------------

TEST_CASE("a new circuit is closed, in its first generation, and lets through",
          "[circuit_breaker]") {
  fixture f;
  CHECK(f.breaker.state() == circuit_state::closed);
  CHECK(f.breaker.generation() == 1);
  CHECK(f.breaker.since() == f.now);
  CHECK(f.breaker.due() == end_of_time);
  CHECK(f.enter() == permit{1, 0});
  CHECK(f.observer.seen.empty());
}

TEST_CASE("the defaults are 5 failures, 2 successes, 60 seconds, 2 probes", "[circuit_breaker]") {
  circuit_breaker_limits policy;
  CHECK(policy.failure_threshold == 5);
  CHECK(policy.success_threshold == 2);
  CHECK(policy.open_for == 60s);
  CHECK(policy.half_open_calls == 2);
  CHECK(find_mistakes(policy).empty());
}

TEST_CASE("the failure that reaches the threshold opens the circuit, and no failure before it",
          "[circuit_breaker]") {
  fixture f;
  f.fail(2);
  CHECK(f.breaker.state() == circuit_state::closed);
  CHECK(f.breaker.failures() == 2);
  f.now += 1s;
  f.fail();
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.breaker.since() == f.now);
  CHECK(f.breaker.failures() == 0);
  REQUIRE(f.observer.seen.size() == 1);
  CHECK(f.observer.seen[0]
        == circuit_transition{.from = circuit_state::closed,
                              .to = circuit_state::open,
                              .why = transition_cause::failure_threshold,
                              .when = f.now,
                              .generation = 2,
                              .failures = 3,
                              .successes = 0});
}

TEST_CASE("a success starts the count of failures again", "[circuit_breaker]") {
  fixture f;
  f.fail(2);
  f.succeed();
  CHECK(f.breaker.failures() == 0);
  f.fail(2);
  CHECK(f.breaker.state() == circuit_state::closed);
}

TEST_CASE("a cancelled call in closed neither counts nor clears", "[circuit_breaker]") {
  fixture f;
  f.fail(2);
  f.breaker.on_cancelled(f.enter(), f.now);
  CHECK(f.breaker.failures() == 2);
}

TEST_CASE("outcomes seen outside count in closed like those of permits", "[circuit_breaker]") {
  fixture f;
  f.breaker.record_failure(f.now);
  f.breaker.record_success(f.now);
  f.breaker.record_failure(f.now);
  f.breaker.record_failure(f.now);
  CHECK(f.breaker.state() == circuit_state::closed);
  f.breaker.record_failure(f.now);
  CHECK(f.breaker.state() == circuit_state::open);
}

// -- open -------------------------------------------------------------------------

TEST_CASE("an open circuit refuses at once and says how long until it probes",
          "[circuit_breaker]") {
  fixture f;
  f.trip();
  CHECK(f.refused() == rejection{errc::circuit_open, 10s});
  f.now += 4s;
  CHECK(f.refused() == rejection{errc::circuit_open, 6s});
  f.now += 6s - 1ns;
  CHECK(f.refused() == rejection{errc::circuit_open, 1ns});
  CHECK(f.breaker.due() == f.now + 1ns);
}

TEST_CASE("the first call at the end of open_for makes the transition itself and is a probe",
          "[circuit_breaker]") {
  fixture f;
  f.trip();
  f.now += 10s;
  auto held = f.enter();
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(held.generation == 3);
  CHECK(held.probe != 0);
  REQUIRE(f.observer.seen.size() == 2);
  CHECK(f.observer.seen[1]
        == circuit_transition{.from = circuit_state::open,
                              .to = circuit_state::half_open,
                              .why = transition_cause::open_elapsed,
                              .when = f.now,
                              .generation = 3,
                              .failures = 0,
                              .successes = 0});
}

TEST_CASE("a tick at the end of open_for tells of the transition though no call comes",
          "[circuit_breaker]") {
  fixture f;
  f.trip();
  CHECK(f.breaker.due() == f.now + 10s);
  f.now += 10s - 1ns;
  f.breaker.on_tick(f.now);
  CHECK(f.breaker.state() == circuit_state::open);
  f.now += 1ns;
  f.breaker.on_tick(f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.observer.seen.back().why == transition_cause::open_elapsed);
  CHECK(f.breaker.due() == end_of_time);
}

TEST_CASE("outcomes seen outside change nothing in open", "[circuit_breaker]") {
  fixture f;
  f.trip();
  f.now += 1s;
  f.breaker.record_failure(f.now);
  f.breaker.record_success(f.now);
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.breaker.generation() == 2);
  CHECK(f.breaker.failures() == 0);
  CHECK(f.breaker.successes() == 0);
  CHECK(f.breaker.due() == f.now + 9s);
}

TEST_CASE("an open_for beyond the end of time keeps the circuit open and doesn't wrap",
          "[circuit_breaker]") {
  fixture f{{.failure_threshold = 1, .open_for = longest_timespan}};
  f.now = end_of_time - 1h;
  f.trip();
  CHECK(f.breaker.due() == end_of_time);
  CHECK(f.refused() == rejection{errc::circuit_open, 0s});
  f.now += 1h - 1ns;
  f.breaker.on_tick(f.now);
  CHECK(f.breaker.state() == circuit_state::open);
}

// -- half-open --------------------------------------------------------------------

TEST_CASE("half-open lets half_open_calls probes through, each with its own number",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto first = f.enter();
  auto second = f.enter();
  CHECK(first.probe != second.probe);
  CHECK(f.breaker.probes() == 2);
  CHECK(!f.admits());
  CHECK(f.breaker.probes() == 2);
}

TEST_CASE("a full half-open says when the earliest probe gives its place back",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.enter(f.now + 7s);
  f.enter(f.now + 5s);
  f.now += 1s;
  CHECK(f.refused() == rejection{errc::circuit_open, 4s});
  CHECK(f.breaker.due() == f.now + 4s);
}

TEST_CASE("a full half-open doesn't know when, where its probes are held beyond all time",
          "[circuit_breaker]") {
  fixture f{{.failure_threshold = 1, .open_for = 1s, .half_open_calls = 1}};
  f.now = end_of_time - 2s;
  f.trip_and_wait();
  f.enter();
  CHECK(f.breaker.due() == end_of_time);
  CHECK(f.refused() == rejection{errc::circuit_open, 0s});
}

TEST_CASE("success_threshold successes in half-open close the circuit", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.succeed();
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.successes() == 1);
  CHECK(f.breaker.probes() == 0);
  f.now += 1s;
  f.succeed();
  CHECK(f.breaker.state() == circuit_state::closed);
  CHECK(f.breaker.since() == f.now);
  CHECK(f.breaker.successes() == 0);
  CHECK(f.observer.seen.back()
        == circuit_transition{.from = circuit_state::half_open,
                              .to = circuit_state::closed,
                              .why = transition_cause::probes_succeeded,
                              .when = f.now,
                              .generation = 4,
                              .failures = 0,
                              .successes = 2});
}

TEST_CASE("one failed probe opens the circuit again, for the whole of open_for",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.succeed();
  f.now += 3s;
  f.fail();
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.breaker.probes() == 0);
  CHECK(f.breaker.due() == f.now + 10s);
  CHECK(f.observer.seen.back()
        == circuit_transition{.from = circuit_state::half_open,
                              .to = circuit_state::open,
                              .why = transition_cause::probe_failed,
                              .when = f.now,
                              .generation = 4,
                              .failures = 1,
                              .successes = 1});
}

TEST_CASE("closed counts failures from nothing after it was open", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.succeed();
  f.succeed();
  f.fail(2);
  CHECK(f.breaker.state() == circuit_state::closed);
  f.fail();
  CHECK(f.breaker.state() == circuit_state::open);
}

TEST_CASE("half-open counts successes from nothing each time", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.succeed();
  f.fail();
  f.now += 10s;
  f.succeed();
  CHECK(f.breaker.state() == circuit_state::half_open);
}

TEST_CASE("successes seen outside count in half-open, and take no place", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.breaker.record_success(f.now);
  CHECK(f.breaker.successes() == 1);
  CHECK(f.breaker.probes() == 0);
  f.breaker.record_success(f.now);
  CHECK(f.breaker.state() == circuit_state::closed);
}

TEST_CASE("a failure seen outside opens a half-open circuit", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.breaker.record_failure(f.now);
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.observer.seen.back().why == transition_cause::probe_failed);
}

TEST_CASE("a probe's second outcome is dropped", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto held = f.enter();
  f.breaker.on_success(held, f.now);
  f.breaker.on_success(held, f.now);
  f.breaker.on_failure(held, f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.successes() == 1);
}

TEST_CASE("a permit of the right generation that is no probe counts for nothing in half-open",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.breaker.on_failure(permit{f.breaker.generation(), 0}, f.now);
  f.breaker.on_success(permit{f.breaker.generation(), 0}, f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.successes() == 0);
}

TEST_CASE("a place is held until hold_until and not a nanosecond longer", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.enter(f.now + 5s);
  f.enter(f.now + 6s);
  f.now += 5s - 1ns;
  f.breaker.on_tick(f.now);
  CHECK(f.breaker.probes() == 2);
  f.now += 1ns;
  f.breaker.on_tick(f.now);
  CHECK(f.breaker.probes() == 1);
  CHECK(f.breaker.due() == f.now + 1s);
}

TEST_CASE("an outcome told at the very deadline counts, as long as no place was given back",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto held = f.enter(f.now + 5s);
  f.now += 5s;
  f.breaker.on_failure(held, f.now);
  CHECK(f.breaker.state() == circuit_state::open);
}

// -- the operator -----------------------------------------------------------------

TEST_CASE("forced_open refuses for ever and doesn't know how long", "[circuit_breaker]") {
  fixture f;
  f.breaker.force_open(f.now);
  CHECK(f.breaker.state() == circuit_state::forced_open);
  CHECK(f.breaker.due() == end_of_time);
  f.now += 1000h;
  f.breaker.on_tick(f.now);
  f.breaker.record_success(f.now);
  f.breaker.record_failure(f.now);
  CHECK(f.refused() == rejection{errc::circuit_open, 0s});
  CHECK(f.breaker.state() == circuit_state::forced_open);
  CHECK(f.breaker.failures() == 0);
  CHECK(f.breaker.successes() == 0);
}

TEST_CASE("disabled lets all through, counts, and never trips", "[circuit_breaker]") {
  fixture f;
  f.breaker.disable(f.now);
  f.fail(100);
  CHECK(f.breaker.state() == circuit_state::disabled);
  CHECK(f.breaker.failures() == 100);
  CHECK(f.admits());
  CHECK(f.breaker.due() == end_of_time);
  f.succeed();
  CHECK(f.breaker.failures() == 0);
  f.breaker.record_failure(f.now);
  CHECK(f.breaker.failures() == 1);
}

TEST_CASE("reset closes the circuit out of every other state", "[circuit_breaker]") {
  auto to_open = [](fixture& f) { f.trip(); };
  auto to_half_open = [](fixture& f) { f.trip_and_wait(); };
  auto to_forced = [](fixture& f) { f.breaker.force_open(f.now); };
  auto to_disabled = [](fixture& f) { f.breaker.disable(f.now); };
  for (void (*go)(fixture&) : {+to_open, +to_half_open, +to_forced, +to_disabled}) {
    fixture f;
    go(f);
    auto before = f.breaker.generation();
    f.breaker.reset(f.now);
    CHECK(f.breaker.state() == circuit_state::closed);
    CHECK(f.breaker.generation() == before + 1);
    CHECK(f.observer.seen.back().why == transition_cause::reset);
    CHECK(f.admits());
  }
}

TEST_CASE("a transition by hand tells the counts it ended", "[circuit_breaker]") {
  fixture f;
  f.fail(2);
  f.breaker.disable(f.now);
  CHECK(f.observer.seen.back()
        == circuit_transition{.from = circuit_state::closed,
                              .to = circuit_state::disabled,
                              .why = transition_cause::disabled,
                              .when = f.now,
                              .generation = 2,
                              .failures = 2,
                              .successes = 0});
  f.breaker.force_open(f.now);
  CHECK(f.observer.seen.back().from == circuit_state::disabled);
  CHECK(f.observer.seen.back().why == transition_cause::forced_open);
  f.breaker.disable(f.now);
  CHECK(f.observer.seen.back().from == circuit_state::forced_open);
}

TEST_CASE("what is forced open or disabled already is left as it is", "[circuit_breaker]") {
  fixture f;
  f.breaker.force_open(f.now);
  auto forced_at = f.now;
  f.now += 1s;
  f.breaker.force_open(f.now);
  CHECK(f.breaker.generation() == 2);
  CHECK(f.breaker.since() == forced_at);
  f.breaker.disable(f.now);
  f.fail();
  f.breaker.disable(f.now);
  CHECK(f.breaker.generation() == 3);
  CHECK(f.breaker.failures() == 1);
  CHECK(f.observer.seen.size() == 2);
}

TEST_CASE("reset in closed clears the failures, in the same generation", "[circuit_breaker]") {
  fixture f;
  auto held = f.enter();
  f.fail(2);
  f.breaker.reset(f.now);
  CHECK(f.breaker.failures() == 0);
  CHECK(f.breaker.generation() == 1);
  CHECK(f.observer.seen.empty());
  f.breaker.on_failure(held, f.now);
  CHECK(f.breaker.failures() == 1);
}

// -- changing the policy ----------------------------------------------------------

TEST_CASE("a lowered failure_threshold trips at the next failure and not before",
          "[circuit_breaker]") {
  fixture f{{.failure_threshold = 10}};
  f.fail(5);
  f.breaker.change_policy({.failure_threshold = 2}, f.now);
  CHECK(f.breaker.state() == circuit_state::closed);
  CHECK(f.breaker.failures() == 5);
  f.fail();
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.observer.seen.back().failures == 6);
}

TEST_CASE("a lowered success_threshold closes at the next success and not before",
          "[circuit_breaker]") {
  fixture f{{.failure_threshold = 1, .success_threshold = 10, .open_for = 1s}};
  f.trip_and_wait();
  f.succeed();
  f.succeed();
  f.breaker.change_policy({.success_threshold = 1, .open_for = 1s}, f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  f.succeed();
  CHECK(f.breaker.state() == circuit_state::closed);
}

TEST_CASE("an open circuit probes at since + the new open_for", "[circuit_breaker]") {
  fixture f;
  f.trip();
  auto opened = f.now;
  f.now += 1s;
  f.breaker.change_policy({.open_for = 30s}, f.now);
  CHECK(f.breaker.due() == opened + 30s);
  f.breaker.change_policy({.open_for = 1s}, f.now);
  CHECK(f.breaker.state() == circuit_state::open);
  CHECK(f.breaker.due() == f.now);
  CHECK(f.admits());
}

TEST_CASE("fewer half_open_calls wait for the probes that are in flight", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto first = f.enter();
  auto second = f.enter();
  f.breaker.change_policy({.success_threshold = 5, .open_for = 10s, .half_open_calls = 1}, f.now);
  CHECK(!f.admits());
  f.breaker.on_success(first, f.now);
  CHECK(!f.admits());
  f.breaker.on_success(second, f.now);
  CHECK(f.admits());
  CHECK(!f.admits());
}

TEST_CASE("a change of policy outdates no permit", "[circuit_breaker]") {
  fixture f;
  auto held = f.enter();
  f.breaker.change_policy({.failure_threshold = 1}, f.now);
  CHECK(f.breaker.policy().failure_threshold == 1);
  f.breaker.on_failure(held, f.now);
  CHECK(f.breaker.state() == circuit_state::open);
}

// -- traps others fell into (FIELD.md, section 4) ---------------------------------

TEST_CASE("trap 1: probes that never answer can't pin half-open for ever", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  SECTION("with a deadline of their own, seen by the next call") {
    f.enter(f.now + 2s);
    f.enter(f.now + 2s);
    f.now += 2s;
    CHECK(f.admits());
  }
  SECTION("without a deadline, after open_for once more") {
    f.enter();
    f.enter();
    f.now += 10s - 1ns;
    CHECK(!f.admits());
    f.now += 1ns;
    CHECK(f.admits());
  }
  SECTION("and a tick suffices") {
    f.enter();
    f.now += 10s;
    CHECK(f.breaker.due() == f.now);
    f.breaker.on_tick(f.now);
    CHECK(f.breaker.probes() == 0);
  }
}

TEST_CASE("trap 1: a probe refused further in gives its place back", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  for (auto i = 0; i < 100; ++i)
    f.breaker.on_cancelled(f.enter(), f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.probes() == 0);
}

TEST_CASE("trap 2: a cancelled probe doesn't close the circuit", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.breaker.on_cancelled(f.enter(), f.now);
  f.breaker.on_cancelled(f.enter(), f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.successes() == 0);
}

TEST_CASE("trap 3: a cancellation is no failure, neither in closed nor of a probe",
          "[circuit_breaker]") {
  fixture f;
  for (auto i = 0; i < 100; ++i)
    f.breaker.on_cancelled(f.enter(), f.now);
  CHECK(f.breaker.state() == circuit_state::closed);
  CHECK(f.breaker.failures() == 0);
  f.trip_and_wait();
  f.breaker.on_cancelled(f.enter(), f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
}

TEST_CASE("trap 4: a result from before the trip says nothing about the state after it",
          "[circuit_breaker]") {
  fixture f;
  auto slow = f.enter();
  f.trip_and_wait();
  SECTION("a slow failure doesn't reopen half-open") {
    f.breaker.on_failure(slow, f.now);
    CHECK(f.breaker.state() == circuit_state::half_open);
  }
  SECTION("slow successes don't close half-open") {
    f.breaker.on_success(slow, f.now);
    f.breaker.on_success(slow, f.now);
    CHECK(f.breaker.state() == circuit_state::half_open);
    CHECK(f.breaker.successes() == 0);
  }
  SECTION("nor do they count in the closed state that follows") {
    f.succeed();
    f.succeed();
    f.fail(2);
    f.breaker.on_success(slow, f.now);
    CHECK(f.breaker.failures() == 2);
    f.breaker.on_failure(slow, f.now);
    CHECK(f.breaker.state() == circuit_state::closed);
  }
  SECTION("nor in open, whose time they don't start again") {
    f.fail();
    f.now += 1s;
    f.breaker.on_failure(slow, f.now);
    CHECK(f.breaker.due() == f.now + 9s);
  }
}

TEST_CASE("trap 4: an operator's action outdates what is under way, too", "[circuit_breaker]") {
  fixture f;
  auto slow = f.enter();
  f.breaker.disable(f.now);
  f.breaker.reset(f.now);
  f.breaker.on_failure(slow, f.now);
  CHECK(f.breaker.failures() == 0);
}

TEST_CASE("trap 5: an old probe gives no place back in a later half-open", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto old_probe = f.enter();
  f.fail();
  f.now += 10s;
  f.enter();
  f.enter();
  f.breaker.on_cancelled(old_probe, f.now);
  CHECK(f.breaker.probes() == 2);
  f.breaker.on_success(old_probe, f.now);
  CHECK(f.breaker.probes() == 2);
  CHECK(f.breaker.successes() == 0);
  CHECK(!f.admits());
}

TEST_CASE("trap 5: a probe given back can't give its place back twice", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto late = f.enter(f.now + 1s);
  f.now += 1s;
  f.enter();
  f.enter();
  f.breaker.on_cancelled(late, f.now);
  f.breaker.on_success(late, f.now);
  f.breaker.on_failure(late, f.now);
  CHECK(f.breaker.state() == circuit_state::half_open);
  CHECK(f.breaker.probes() == 2);
  CHECK(f.breaker.successes() == 0);
}

TEST_CASE("trap 6: of a thousand calls at the end of open_for, half_open_calls go through",
          "[circuit_breaker]") {
  fixture f;
  f.trip();
  f.now += 10s;
  auto through = 0;
  for (auto i = 0; i < 1000; ++i)
    through += f.admits() ? 1 : 0;
  CHECK(through == 2);
}

TEST_CASE("trap 7: each reopening starts its own open_for, and late failures don't restart it",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  for (auto round = 0; round < 5; ++round) {
    auto other = f.enter();
    f.fail();
    auto reopened = f.now;
    CHECK(f.breaker.due() == reopened + 10s);
    f.now += 9s;
    f.breaker.on_failure(other, f.now);
    CHECK(f.breaker.due() == reopened + 10s);
    f.now += 1s;
    f.breaker.on_tick(f.now);
    REQUIRE(f.breaker.state() == circuit_state::half_open);
  }
}

// -- what others see --------------------------------------------------------------

TEST_CASE("the view shows state, generation and when an open circuit probes", "[circuit_breaker]") {
  fixture f;
  circuit_view view;
  CHECK(view.read().state == circuit_state::closed);
  CHECK(view.read().generation == f.breaker.generation());
  f.trip();
  f.breaker.publish(view);
  CHECK(view.read().state == circuit_state::open);
  CHECK(view.read().generation == 2);
  CHECK(!view.read().failing);
  CHECK(view.probes_from() == f.now + 10s);
  f.breaker.disable(f.now);
  f.breaker.publish(view);
  CHECK(view.read().state == circuit_state::disabled);
  CHECK(view.read().generation == 3);
}

TEST_CASE("who saw the view open still finds when it probes after it was closed by hand [L3]",
          "[circuit_breaker]") {
  fixture f;
  circuit_view view;
  f.trip();
  f.breaker.publish(view);
  const auto probes_from = f.now + 10s;
  REQUIRE(view.probes_from() == probes_from);
  f.breaker.reset(f.now + 1s);
  f.breaker.publish(view);
  CHECK(view.probes_from() == probes_from);
}

TEST_CASE("the view says that it is failing while a closed circuit counts failures",
          "[circuit_breaker]") {
  fixture f;
  circuit_view view;
  f.breaker.publish(view);
  CHECK(!view.read().failing);
  f.fail();
  f.breaker.publish(view);
  CHECK(view.read().failing);
  f.succeed();
  f.breaker.publish(view);
  CHECK(!view.read().failing);
  f.breaker.disable(f.now);
  f.fail();
  f.breaker.publish(view);
  CHECK(!view.read().failing);
}

TEST_CASE("generations follow each other without a gap, and each transition from the last's end",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.fail();
  f.now += 10s;
  f.succeed();
  f.succeed();
  f.breaker.force_open(f.now);
  f.breaker.disable(f.now);
  f.breaker.reset(f.now);
  auto state = circuit_state::closed;
  auto generation = std::uint64_t{1};
  for (const auto& change : f.observer.seen) {
    CHECK(change.from == state);
    CHECK(change.generation == generation + 1);
    state = change.to;
    generation = change.generation;
  }
  CHECK(state == f.breaker.state());
  CHECK(generation == f.breaker.generation());
}

// -- the policy -------------------------------------------------------------------

TEST_CASE("a policy at the ends of its ranges is accepted", "[circuit_breaker]") {
  CHECK(find_mistakes(circuit_breaker_limits{1, 1, 1ms, 1, {}}).empty());
  CHECK(find_mistakes(circuit_breaker_limits{1'000'000, 1'000'000, longest_timespan, 10'000, {}})
            .empty());
}

TEST_CASE("a refusal names the field, the value and the range", "[circuit_breaker]") {
  auto text = [](const circuit_breaker_limits& policy) { return to_string(find_mistakes(policy)); };
  CHECK(text({.failure_threshold = 0})
        == "circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000");
  CHECK(text({.failure_threshold = 1'000'001})
        == "circuit_breaker.failure_threshold is 1000001, permitted: 1 .. 1000000");
  CHECK(text({.success_threshold = 0})
        == "circuit_breaker.success_threshold is 0, permitted: 1 .. 1000000");
  CHECK(text({.success_threshold = largest})
        == "circuit_breaker.success_threshold is 4294967295, permitted: 1 .. 1000000");
  CHECK(text({.open_for = 999us}) == "circuit_breaker.open_for is 999us, permitted: 1ms .. 36500d");
  CHECK(text({.open_for = -1s}) == "circuit_breaker.open_for is -1s, permitted: 1ms .. 36500d");
  CHECK(text({.half_open_calls = 0})
        == "circuit_breaker.half_open_calls is 0, permitted: 1 .. 10000");
  CHECK(text({.half_open_calls = 10'001})
        == "circuit_breaker.half_open_calls is 10001, permitted: 1 .. 10000");
}

TEST_CASE("all mistakes of a policy are found at once, in the order of its fields",
          "[circuit_breaker]") {
  auto mistakes = find_mistakes(circuit_breaker_limits{0, 0, 0s, 0, {}});
  REQUIRE(mistakes.size() == 4);
  CHECK(mistakes[0].field == "circuit_breaker.failure_threshold");
  CHECK(mistakes[1].field == "circuit_breaker.success_threshold");
  CHECK(mistakes[2].field == "circuit_breaker.open_for");
  CHECK(mistakes[3].field == "circuit_breaker.half_open_calls");
}

TEST_CASE("a policy's numbers are taken over whole", "[circuit_breaker]") {
  struct picky {
    bool operator==(const picky&) const = default;
  };
  auto policy = basic_circuit_breaker_policy<picky>{7, 8, 9s, 10, {}};
  CHECK(limits_of(policy) == circuit_breaker_limits{7, 8, 9s, 10, {}});
}

TEST_CASE("states and causes have the names of their enumerators", "[circuit_breaker]") {
  CHECK(to_string(circuit_state::closed) == "closed");
  CHECK(to_string(circuit_state::open) == "open");
  CHECK(to_string(circuit_state::half_open) == "half_open");
  CHECK(to_string(circuit_state::forced_open) == "forced_open");
  CHECK(to_string(circuit_state::disabled) == "disabled");
  CHECK(to_string(static_cast<circuit_state>(9)) == "circuit_state(9)");
  CHECK(to_string(transition_cause::failure_threshold) == "failure_threshold");
  CHECK(to_string(transition_cause::open_elapsed) == "open_elapsed");
  CHECK(to_string(transition_cause::probe_failed) == "probe_failed");
  CHECK(to_string(transition_cause::probes_succeeded) == "probes_succeeded");
  CHECK(to_string(transition_cause::forced_open) == "forced_open");
  CHECK(to_string(transition_cause::disabled) == "disabled");
  CHECK(to_string(transition_cause::reset) == "reset");
  CHECK(to_string(transition_cause::nodes_tripped) == "nodes_tripped");
  CHECK(to_string(transition_cause::owner_said) == "owner_said");
  CHECK(to_string(transition_cause::owner_lost) == "owner_lost");
  CHECK(to_string(static_cast<transition_cause>(0)) == "transition_cause(0)");
}
