// What opens a circuit breaker beside failures in a row: shares of failures and slow calls.
#include "support/ruled_breaker.hpp"

using namespace bulwark;
using namespace bulwark::testing;

TEST_CASE("a target that fails every other call trips a window, though never twice in a row [C16]",
          "[circuit_breaker]") {
  ruled_breaker f{
      {.failure_threshold = 2, .count_window = count_window{.size = 20, .minimum_calls = 10}}};
  for (auto i = 0; i < 4; ++i) {
    f.fail();
    f.succeed();
  }
  f.fail();
  CHECK(f.is(circuit_state::closed));
  f.succeed(); // the tenth: it is a success that makes them enough to judge
  CHECK(f.is(circuit_state::open));
  CHECK(f.why() == transition_cause::failure_ratio);
  CHECK(f.seen.back().window == outcome_counts{.calls = 10, .failed = 5, .slow = 0});
}

TEST_CASE("a window of time trips by what is recent and not by what is long over [C17]",
          "[circuit_breaker]") {
  ruled_breaker f{
      {.failure_threshold = 0,
       .time_window = time_window{.span = 10s, .failure_ratio = 0.5, .minimum_calls = 4}}};
  f.fail(3);
  f.now += 11s;
  f.succeed(2);
  f.fail();
  CHECK(f.is(circuit_state::closed)); // one of three
  CHECK(f.breaker.window() == outcome_counts{.calls = 3, .failed = 1, .slow = 0});
  f.fail();
  CHECK(f.why() == transition_cause::failure_ratio);
}

TEST_CASE("with a window the rule of failures in a row holds too, unless its threshold is 0 [C18]",
          "[circuit_breaker]") {
  const auto window = count_window{.size = 100, .minimum_calls = 100};
  ruled_breaker both{{.failure_threshold = 3, .count_window = window}};
  both.fail(3);
  CHECK(both.why() == transition_cause::failure_threshold);
  ruled_breaker alone{{.failure_threshold = 0, .count_window = window}};
  alone.fail(99);
  CHECK(alone.is(circuit_state::closed));
  alone.fail();
  CHECK(alone.why() == transition_cause::failure_ratio);
}

TEST_CASE("slow successes trip, and what fails slowly is one failure and one slow call [C19]",
          "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 0,
                   .count_window = count_window{.size = 4, .minimum_calls = 4, .slow_ratio = 0.5},
                   .slow_call_duration = 1s}};
  f.fail(1, true);
  CHECK(f.breaker.window() == outcome_counts{.calls = 1, .failed = 1, .slow = 1});
  f.succeed(2);
  f.succeed(1, true);
  CHECK(f.why() == transition_cause::slow_ratio);
  CHECK(f.seen.back().window == outcome_counts{.calls = 4, .failed = 1, .slow = 2});
}

TEST_CASE("without a duration that is slow nothing is slow [C19]", "[circuit_breaker]") {
  ruled_breaker f{
      {.failure_threshold = 0, .count_window = count_window{.size = 2, .minimum_calls = 2}}};
  f.succeed(5, true);
  CHECK(f.is(circuit_state::closed));
  CHECK(f.breaker.window().slow == 0);
}

TEST_CASE("an outcome seen outside is slow by how long it took [C19]", "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 0,
                   .count_window = count_window{.size = 2, .minimum_calls = 2},
                   .slow_call_duration = 1s}};
  f.breaker.record_success(f.now, 1s - 1ns);
  CHECK(f.breaker.window().slow == 0);
  f.breaker.record_success(f.now, 1s);
  CHECK(f.breaker.window().slow == 1);
}

TEST_CASE("successes told together count in the window and end no row of failures [C20]",
          "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 3, .count_window = count_window{}}};
  f.fail(2);
  f.breaker.on_successes({.generation = 1, .calls = 10, .slow = 0, .at = f.now}, f.now);
  CHECK(f.breaker.window() == outcome_counts{.calls = 12, .failed = 2, .slow = 0});
  CHECK(f.breaker.failures() == 2);
}

TEST_CASE("successes of an earlier generation are in nobody's window [C10 C20]",
          "[circuit_breaker]") {
  ruled_breaker f{{.failure_threshold = 1, .open_for = 1s, .count_window = count_window{}}};
  f.fail();
  f.breaker.reset(f.now);
  f.breaker.on_successes({.generation = 1, .calls = 10, .slow = 0, .at = f.now}, f.now);
  CHECK(f.breaker.window().calls == 0);
}

TEST_CASE(
    "each generation has a window of its own: what was before the trip can't trip again [C16]",
    "[circuit_breaker]") {
  auto policy = quick(1s);
  policy.failure_threshold = 0;
  policy.count_window = count_window{.size = 4, .minimum_calls = 4};
  ruled_breaker f{policy};
  f.fail(4);
  f.pass(1s);
  f.succeed();
  REQUIRE(f.is(circuit_state::closed));
  CHECK(f.breaker.window().calls == 0);
  f.fail(3);
  CHECK(f.is(circuit_state::closed));
}

TEST_CASE("a changed policy keeps what a window has seen as far as it fits [C32]",
          "[circuit_breaker]") {
  circuit_breaker_limits policy{.failure_threshold = 0,
                                .count_window = count_window{.size = 10, .minimum_calls = 10}};
  ruled_breaker f{policy};
  f.fail(5);
  policy.count_window->minimum_calls = 6;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window().calls == 5);
  f.fail();
  CHECK(f.is(circuit_state::open));
  policy.count_window->size = 20; // all of it
  f.breaker.reset(f.now);
  f.fail(3);
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window() == outcome_counts{.calls = 3, .failed = 3});
  f.succeed();
  policy.count_window->size = 2; // the last ones
  policy.count_window->minimum_calls = 2;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window() == outcome_counts{.calls = 2, .failed = 1});
}

TEST_CASE("a window of time that is changed keeps what is within its new span [C32]",
          "[circuit_breaker]") {
  circuit_breaker_limits policy{.failure_threshold = 0,
                                .time_window =
                                    time_window{.span = 10s, .buckets = 10, .minimum_calls = 100}};
  ruled_breaker f{policy};
  f.fail(3);
  f.pass(6s);
  f.fail(2);
  policy.time_window->span = 60s;
  policy.time_window->buckets = 60;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window().calls == 5);
  policy.time_window->span = 5s;
  policy.time_window->buckets = 5;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window().calls == 2);
  policy.time_window->span = 10s; // with longer buckets: as of the beginning of the old one
  policy.time_window->buckets = 2;
  f.breaker.change_policy(policy, f.now);
  CHECK(f.breaker.window().calls == 2);
  f.pass(10s);
  f.succeed();
  CHECK(f.breaker.window().calls == 1);
}
