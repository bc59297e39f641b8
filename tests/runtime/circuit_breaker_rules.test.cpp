// What a circuit breaker does beside counting: growing times in open, a limit to half-open, ramps, a
// target's word, and showing without doing.
#include "support/ruled_breaker.hpp"

#include <optional>
#include <variant>

using namespace bulwark;
using namespace bulwark::testing;

// -- how long it is open ------------------------------------------------------------

TEST_CASE("each reopening is longer, up to the longest, until it has been well for as long [C22]",
          "[circuit_breaker]") {
  auto policy = quick(10s);
  policy.open_growth = 2.0;
  policy.max_open_for = 35s;
  ruled_breaker f{policy};
  for (auto expected : {10s, 20s, 35s, 35s}) {
    f.fail();
    REQUIRE(f.is(circuit_state::open));
    CHECK(f.open_time() == expected);
    f.pass(f.open_time());
  }
  SECTION("a moment too short") {
    f.succeed();
    f.pass(35s - 1ns);
    f.fail();
    CHECK(f.open_time() == 35s);
  }
  SECTION("as long as it was open") {
    f.succeed();
    f.pass(35s);
    f.fail();
    CHECK(f.open_time() == 10s);
  }
  SECTION("an operator's word starts it over") {
    f.breaker.reset(f.now);
    f.fail();
    CHECK(f.open_time() == 10s);
  }
}

TEST_CASE("by default it is open for open_for however often it opens [C5 C22]",
          "[circuit_breaker]") {
  auto policy = quick(10min);
  ruled_breaker f{policy};
  for (auto i = 0; i < 3; ++i) {
    f.fail();
    CHECK(f.open_time() == 10min); // longer than max_open_for, which nothing asks for
    f.pass(10min);
  }
}

TEST_CASE("no growth overflows [C22]", "[circuit_breaker]") {
  circuit_breaker_limits policy{
      .open_for = longest_timespan, .open_growth = 1'000.0, .max_open_for = longest_timespan};
  CHECK(length_in_open(policy, 1, 0.0) == longest_timespan);
  CHECK(length_in_open(policy, 4'000'000'000U, 0.0) == longest_timespan);
}

TEST_CASE("jitter takes off up to its share and never adds, after the cap [C23]",
          "[circuit_breaker]") {
  auto policy = quick(10s);
  policy.open_growth = 10.0;
  policy.max_open_for = 20s;
  policy.open_jitter = 0.5;
  CHECK(length_in_open(policy, 1, 0.0) == 10s);
  CHECK(length_in_open(policy, 9, 0.0) == 20s);
  CHECK(length_in_open(policy, 9, 0.5) == 15s);
  // Circuits of other seeds come back at other times.
  ruled_breaker one{policy, 1};
  ruled_breaker another{policy, 2};
  one.fail();
  another.fail();
  CHECK(one.open_time() != another.open_time());
  for (auto* each : {&one, &another}) {
    CHECK(each->open_time() > 5s);
    CHECK(each->open_time() <= 10s);
    CHECK(each->refused().retry_after == each->open_time());
  }
}

TEST_CASE("a policy changed while it is open holds for the time in open too [C32]",
          "[circuit_breaker]") {
  auto policy = quick(10s);
  ruled_breaker f{policy};
  f.fail();
  policy.open_for = 30s;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.open_time() == 30s);
}

// -- half-open ----------------------------------------------------------------------

TEST_CASE("half-open that comes to no end opens again, from its first probe on [C24]",
          "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.success_threshold = 2;
  policy.half_open_calls = 3;
  policy.max_half_open_for = 5s;
  ruled_breaker f{policy};
  f.fail();
  f.pass(1s);
  f.pass(1h); // nobody has called: nothing was tried
  REQUIRE(f.is(circuit_state::half_open));
  CHECK(f.breaker.due() == end_of_time);
  f.succeed();
  const auto held = f.enter();
  f.pass(5s - 1ns);
  CHECK(f.is(circuit_state::half_open));
  f.pass(1ns);
  CHECK(f.is(circuit_state::open));
  CHECK(f.why() == transition_cause::half_open_elapsed);
  f.breaker.on_success(held, f.now); // of an earlier generation
  CHECK(f.is(circuit_state::open));
}

TEST_CASE("a probe with no end pins half-open no longer than it may last [C11 C24]",
          "[circuit_breaker]") {
  auto policy = quick(60s);
  policy.max_half_open_for = 2s;
  ruled_breaker f{policy};
  f.fail();
  f.pass(60s);
  static_cast<void>(f.enter());
  CHECK(f.refused().retry_after == 2s); // not when its place would be given back
  CHECK(f.breaker.due() == f.now + 2s);
}

// -- after it has closed ------------------------------------------------------------

TEST_CASE("after it has closed a share of the calls is let through that rises to all [C25]",
          "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.failure_threshold = 100;
  policy.ramp_for = 10s;
  policy.ramp_from = 0.1;
  ruled_breaker f{policy};
  const auto share = [&] {
    auto passed = 0;
    for (auto i = 0; i < 10'000; ++i)
      passed += std::holds_alternative<permit>(f.breaker.admit(f.now)) ? 1 : 0;
    return passed / 10'000.0;
  };
  CHECK(share() == 1.0); // it has never been open
  f.fail(100);
  f.pass(1s);
  f.succeed();
  REQUIRE(f.is(circuit_state::closed));
  CHECK(share() == Approx(0.1).margin(0.02));
  f.pass(5s);
  CHECK(share() == Approx(0.55).margin(0.03));
  f.pass(5s - 1ns);
  CHECK(share() == Approx(1.0).margin(0.01));
  CHECK(f.breaker.due() == f.now + 1ns);
  f.pass(1ns);
  CHECK(share() == 1.0);
  CHECK(f.breaker.due() == end_of_time);
}

TEST_CASE("who is refused by a ramp is told when it ends, and supervisors see the same [C25 C26]",
          "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.ramp_for = 10s;
  policy.ramp_from = 0.01;
  ruled_breaker f{policy};
  circuit_view view;
  f.breaker.publish(view);
  CHECK_FALSE(view.read().ramping);
  f.fail();
  f.pass(1s);
  f.succeed();
  f.pass(4s);
  std::optional<rejection> refusal;
  while (!refusal) {
    auto answer = f.breaker.admit(f.now);
    if (const auto* no = std::get_if<rejection>(&answer))
      refusal = *no;
  }
  CHECK(*refusal == rejection{errc::circuit_open, 6s});
  f.breaker.publish(view);
  CHECK(view.read().ramping);
  CHECK(view.ramp().end() == f.now + 6s);
  CHECK(view.ramp().share(f.now) == Approx(0.01 + 0.99 * 0.4));
  f.pass(6s);
  f.breaker.publish(view);
  CHECK_FALSE(view.read().ramping);
}

TEST_CASE("an operator's reset lets all through at once, and a trip ends a ramp [C25]",
          "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.ramp_for = 10s;
  ruled_breaker f{policy};
  circuit_view view;
  const auto ramping = [&] {
    f.breaker.publish(view);
    return view.read().ramping;
  };
  f.fail();
  f.breaker.reset(f.now);
  CHECK_FALSE(ramping());
  f.fail();
  f.pass(1s);
  f.succeed();
  CHECK(ramping());
  SECTION("reset") {
    f.breaker.reset(f.now);
    CHECK_FALSE(ramping());
  }
  SECTION("trip") {
    f.breaker.record_failure(f.now);
    CHECK(f.is(circuit_state::open));
    CHECK_FALSE(ramping());
  }
}

// -- a target's word ------------------------------------------------------------------

TEST_CASE("an error with a retry_after opens for that long, at most for max_open_for [C27]",
          "[circuit_breaker]") {
  circuit_breaker_limits policy{
      .open_for = 1s, .max_open_for = 60s, .open_jitter = 0.5, .open_on_retry_after = true};
  ruled_breaker f{policy};
  const auto said = GENERATE(timespan{20s}, timespan{1h});
  const auto failed = GENERATE(std::optional{true}, std::optional<bool>{});
  f.breaker.on_outcome(f.enter(), {.failed = failed, .retry_after = said}, f.now);
  CHECK(f.is(circuit_state::open));
  CHECK(f.why() == transition_cause::target_said);
  CHECK(f.seen.back().failures == (failed ? 1U : 0U));
  CHECK(f.open_time() == std::min(said, timespan{60s})); // without jitter
}

TEST_CASE("a probe's retry_after opens for that long too [C27]", "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.open_on_retry_after = true;
  ruled_breaker f{policy};
  f.fail();
  f.pass(1s);
  f.breaker.on_outcome(f.enter(), {.failed = true, .retry_after = 7s}, f.now);
  CHECK(f.open_time() == 7s);
}

TEST_CASE("a retry_after is only a failure where the policy doesn't say otherwise [C27]",
          "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 2}};
  f.breaker.on_outcome(f.enter(), {.failed = true, .retry_after = 7s}, f.now);
  CHECK(f.is(circuit_state::closed));
  CHECK(f.breaker.failures() == 1);
}

TEST_CASE("a disabled circuit stays disabled whatever the target says [C6 C27]",
          "[circuit_breaker]") {
  ruled_breaker f{{.open_on_retry_after = true}};
  f.breaker.disable(f.now);
  f.breaker.on_outcome(f.enter(), {.failed = true, .retry_after = 7s}, f.now);
  CHECK(f.is(circuit_state::disabled));
  CHECK(f.breaker.failures() == 1);
}

TEST_CASE("late failures neither lengthen nor restart the time in open [C27]",
          "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 1, .open_for = 10s, .open_on_retry_after = true}};
  const auto late = f.enter();
  f.fail();
  f.now += 4s;
  f.breaker.on_outcome(late, {.failed = true, .retry_after = 1h}, f.now);
  CHECK(f.open_time() == 6s);
}

// -- showing without doing --------------------------------------------------------------

TEST_CASE(
    "metrics_only lets all through and tells what would have opened it, once in open_for [C28]",
    "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 2, .open_for = 10s}};
  f.breaker.metrics_only(f.now);
  CHECK(f.why() == transition_cause::metrics_only);
  f.fail(2);
  REQUIRE(f.seen.size() == 2);
  CHECK(f.seen[1].from == circuit_state::metrics_only);
  CHECK(f.seen[1].to == circuit_state::metrics_only);
  CHECK(f.seen[1].why == transition_cause::failure_threshold);
  CHECK(f.seen[1].failures == 2);
  CHECK(is_trip(f.seen[1]));
  CHECK_FALSE(is_trip(f.seen[0]));
  f.now += 10s - 1ns;
  f.fail(5); // an open circuit would not have let them through
  CHECK(f.seen.size() == 2);
  f.now += 1ns;
  f.fail(2);
  CHECK(f.seen.size() == 3);
  f.breaker.reset(f.now);
  CHECK(f.is(circuit_state::closed));
}

TEST_CASE("metrics_only shows windows and a target's word as well [C28]", "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 0,
                   .count_window = count_window{.size = 2, .minimum_calls = 2},
                   .open_on_retry_after = true}};
  f.breaker.metrics_only(f.now);
  f.fail(2);
  CHECK(f.why() == transition_cause::failure_ratio);
  f.pass(60s);
  f.breaker.on_outcome(f.enter(), {.failed = true, .retry_after = 1s}, f.now);
  CHECK(f.why() == transition_cause::target_said);
  CHECK(f.is(circuit_state::metrics_only));
}

TEST_CASE("a policy says how the circuit begins [C29]", "[circuit_breaker]") {
  const auto first = GENERATE(circuit_state::closed, circuit_state::forced_open,
                              circuit_state::disabled, circuit_state::metrics_only);
  ruled_breaker f{{.initial_state = first}};
  CHECK(f.is(first));
  CHECK(f.breaker.generation() == 1);
  CHECK(f.seen.empty());
  circuit_view view;
  f.breaker.publish(view);
  CHECK(view.read().state == first);
}

// -- policy -----------------------------------------------------------------------------

TEST_CASE("what came later is off by default [C31]", "[circuit_breaker]") {
  const circuit_breaker_limits policy;
  CHECK_FALSE(policy.count_window);
  CHECK_FALSE(policy.time_window);
  CHECK_FALSE(policy.slow_call_duration);
  CHECK(policy.open_growth == 1.0);
  CHECK(policy.open_jitter == 0.0);
  CHECK_FALSE(policy.open_on_retry_after);
  CHECK_FALSE(policy.max_half_open_for);
  CHECK_FALSE(policy.ramp_for);
  CHECK(policy.initial_state == circuit_state::closed);
}

TEST_CASE("a field out of range, or one that nothing would look at, is a mistake [P4 C31]",
          "[circuit_breaker]") {
  const auto text = [](const circuit_breaker_limits& policy) {
    return to_string(find_mistakes(policy));
  };
  CHECK(text({.failure_threshold = 0})
        == "circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000");
  CHECK(text({.failure_threshold = 1'000'001, .time_window = time_window{}})
        == "circuit_breaker.failure_threshold is 1000001, permitted: 1 .. 1000000");
  CHECK(text({.slow_call_duration = 1s})
        == "circuit_breaker.slow_call_duration is 1s, permitted: off where there is neither a "
           "count_window nor a time_window");
  CHECK(text({.time_window = time_window{}, .slow_call_duration = 0s})
        == "circuit_breaker.slow_call_duration is 0s, permitted: 1ns .. 36500d");
  CHECK(text({.open_growth = 0.5}) == "circuit_breaker.open_growth is 0.5, permitted: 1 .. 1000");
  CHECK(text({.open_for = 10min, .open_growth = 2.0})
        == "circuit_breaker.max_open_for is 5m, permitted: 10m .. 36500d");
  CHECK(text({.open_jitter = 1.0}) == "circuit_breaker.open_jitter is 1, permitted: 0 .. 0.9");
  CHECK(text({.max_half_open_for = 0s})
        == "circuit_breaker.max_half_open_for is 0s, permitted: 1ms .. 36500d");
  CHECK(text({.ramp_for = 0s}) == "circuit_breaker.ramp_for is 0s, permitted: 1ms .. 1d");
  CHECK(text({.ramp_from = 0.0}) == "circuit_breaker.ramp_from is 0, permitted: 0.01 .. 1");
  CHECK(text({.initial_state = circuit_state::open})
        == "circuit_breaker.initial_state is open, permitted: closed, forced_open, disabled, "
           "metrics_only");
}

TEST_CASE("another predicate leaves all numbers as they are [N3]", "[circuit_breaker]") {
  const circuit_breaker_limits policy{.failure_threshold = 0,
                                      .count_window = count_window{.size = 7, .minimum_calls = 6},
                                      .time_window = time_window{.span = 5s},
                                      .slow_call_duration = 3s,
                                      .open_growth = 2.0,
                                      .max_open_for = 70s,
                                      .open_jitter = 0.3,
                                      .open_on_retry_after = true,
                                      .max_half_open_for = 4s,
                                      .ramp_for = 6s,
                                      .ramp_from = 0.2,
                                      .initial_state = circuit_state::disabled};
  CHECK(limits_of(with_predicate(policy, 5)) == policy);
}
