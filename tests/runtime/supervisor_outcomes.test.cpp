// What a supervisor tells a breaker that keeps windows, and what it does while one ramps.
#include "support/recording_supervisor.hpp"

#include <optional>

using namespace bulwark;
using namespace bulwark::testing;

namespace {

using outcome = wish_recorder::outcome;

supervisor_limits with_window(std::optional<timespan> slow = std::nullopt) {
  return {.breaker = true,
          .outcomes = std::make_shared<const outcome_batching>(
              outcome_batching{.size = 4, .slot = 10s, .slow_call_duration = slow})};
}

void succeed(recording_supervisor& s, int times = 1) {
  for (auto i = 0; i < times; ++i) {
    s.call();
    s.reply(good);
  }
}

} // namespace

TEST_CASE("without a window a healthy call tells its breaker nothing at all [C20]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  succeed(s, 1'000);
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.wishes.batches.empty());
}

TEST_CASE("with a window successes are told when they are enough [C20]", "[supervisor]") {
  recording_supervisor s{with_window()};
  s.show(circuit_state::closed, 6);
  succeed(s, 3);
  CHECK(s.wishes.batches.empty());
  succeed(s);
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.wishes.batches
        == std::vector{success_batch{.generation = 6, .calls = 4, .slow = 0, .at = s.now}});
}

TEST_CASE("a failure is told behind the successes before it [C20]", "[supervisor]") {
  recording_supervisor s{with_window()};
  succeed(s, 2);
  s.call();
  s.reply(permanent_error);
  REQUIRE(s.wishes.batches.size() == 1);
  CHECK(s.wishes.batches[0].calls == 2);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 1, .probe = 0}, true}});
}

TEST_CASE("once a slot of time is over the next success has those of it told [C20]",
          "[supervisor]") {
  recording_supervisor s{with_window()};
  succeed(s, 2);
  const auto before = s.now;
  s.pass(10s);
  CHECK(s.wishes.batches.empty()); // no timer
  succeed(s);
  CHECK(s.wishes.batches
        == std::vector{success_batch{.generation = 1, .calls = 2, .slow = 0, .at = before}});
  s.core.tell_successes(); // whoever asks for statistics has all
  CHECK(s.wishes.batches.size() == 2);
  s.core.tell_successes();
  CHECK(s.wishes.batches.size() == 2);
}

TEST_CASE("successes of before a trip are never told after it [C10 C20]", "[supervisor]") {
  recording_supervisor s{with_window()};
  s.show(circuit_state::closed, 1);
  succeed(s, 3);
  s.show(circuit_state::closed, 4);
  succeed(s);
  s.core.tell_successes();
  REQUIRE(s.wishes.batches.size() == 1);
  CHECK(s.wishes.batches[0].generation == 4);
  CHECK(s.wishes.batches[0].calls == 1);
}

TEST_CASE("a policy that loses its window has no more successes told [C32]", "[supervisor]") {
  recording_supervisor s{with_window()};
  s.limits.outcomes.reset();
  succeed(s, 100);
  CHECK(s.wishes.batches.empty());
  s.limits.outcomes = with_window().outcomes;
  succeed(s, 4);
  CHECK(s.wishes.batches.size() == 1);
}

TEST_CASE(
    "an attempt is slow by its own time: waiting for a permit is not the target's fault [C19]",
    "[supervisor]") {
  auto limits = with_window(2s);
  limits.bulkhead = true;
  recording_supervisor s{limits};
  s.call();
  s.pass(1h); // in the queue
  s.grant();
  s.pass(2s - 1ns);
  s.reply(good);
  s.call();
  s.grant();
  s.pass(2s);
  s.reply(good);
  s.core.tell_successes();
  std::uint32_t slow = 0;
  for (const auto& each : s.wishes.batches)
    slow += each.slow;
  CHECK(slow == 1);
}

TEST_CASE("a slow success is told at once, and the successes before it by their own time [C19 C20]",
          "[supervisor]") {
  recording_supervisor s{with_window(2s)};
  s.call();
  s.reply(good);
  const auto first = s.now;
  s.pass(20s);
  s.call();
  s.pass(2s);
  s.reply(good);
  CHECK(s.wishes.batches
        == std::vector{success_batch{.generation = 1, .calls = 1, .slow = 0, .at = first},
                       success_batch{.generation = 1, .calls = 1, .slow = 1, .at = s.now}});
}

TEST_CASE("what timed out is a failure and slow, however soon it did [C19]", "[supervisor]") {
  auto limits = with_window(1h);
  limits.attempt_timeout = 1s;
  recording_supervisor s{limits};
  s.call();
  s.pass(2s);
  REQUIRE(s.wishes.outcomes.size() == 1);
  CHECK(s.wishes.outcomes[0].failed == true);
  CHECK(s.wishes.outcomes[0].slow);
  s.show(circuit_state::closed, 1);
}

TEST_CASE("a probe's slowness is told with it [C19]", "[supervisor]") {
  recording_supervisor s{with_window(2s)};
  s.show(circuit_state::half_open, 3);
  s.call();
  s.let_probe({.generation = 3, .probe = 1});
  s.pass(3s);
  s.reply(good);
  CHECK(s.wishes.outcomes
        == std::vector{outcome{{.generation = 3, .probe = 1}, false, true, timespan{0}}});
}

TEST_CASE("a retry_after is told where the breaker wants to hear of it, failure or not [C27]",
          "[supervisor]") {
  const auto wants = GENERATE(false, true);
  const auto counts = GENERATE(false, true);
  recording_supervisor s{{.breaker = true, .tells_retry_after = wants}};
  s.call();
  s.reply(error_class{.counts = counts, .retryable = false, .retry_after = 5s});
  REQUIRE(s.wishes.outcomes.size() == (wants || counts ? 1U : 0U));
  if (!s.wishes.outcomes.empty()) {
    CHECK(s.wishes.outcomes[0].retry_after == (wants ? timespan{5s} : timespan{0}));
    CHECK(s.wishes.outcomes[0].failed == (counts ? std::optional{true} : std::nullopt));
    s.call(); // it may have opened the circuit: so the breaker is asked
    CHECK(s.wishes.probes.size() == 1);
  }
}

TEST_CASE("metrics_only lets all through without a message [C28]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::metrics_only, 5);
  succeed(s, 10);
  CHECK(s.wishes.launched.size() == 10);
  CHECK(s.wishes.probes.empty());
  s.call();
  s.reply(permanent_error);
  CHECK(s.wishes.outcomes.back() == outcome{{.generation = 5, .probe = 0}, true});
  succeed(s);
  CHECK(s.wishes.launched.size() == 12);
  CHECK(s.wishes.probes.empty());
}

TEST_CASE(
    "while the circuit ramps a share of the calls is let through, without a message [C25 C26]",
    "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  const circuit_ramp ramp{.begin = s.now, .length = 10s, .from = 0.2};
  s.view.publish(
      {.state = circuit_state::closed, .failing = false, .generation = 3, .ramping = true}, {},
      ramp);
  const auto share = [&] {
    const auto before = s.wishes.launched.size();
    for (auto i = 0; i < 5'000; ++i) {
      s.call();
      if (s.core.live() > 0)
        s.reply(good);
    }
    return static_cast<double>(s.wishes.launched.size() - before) / 5'000.0;
  };
  CHECK(share() == Approx(0.2).margin(0.03));
  for (const auto& each : s.wishes.answers) {
    if (each.end.error) {
      CHECK(each.end.error == errc::circuit_open);
      CHECK(each.end.retry_after == 10s);
    }
  }
  s.now += 5s;
  CHECK(share() == Approx(0.6).margin(0.03));
  s.now += 5s;
  CHECK(share() == 1.0);
  CHECK(s.wishes.probes.empty());
  CHECK(s.books().breaker.rejected == s.books().calls.rejected);
}

// -- results that are failures ----------------------------------------------------------

TEST_CASE("a result that is a failure is told, tried again, and the last one is the answer [C30]",
          "[supervisor]") {
  recording_supervisor s{{.retry = exactly(2, 1s), .breaker = true}};
  const reply_class bad = error_class{.counts = true, .retryable = true, .is_result = true};
  s.call();
  s.reply(bad);
  CHECK(s.answers() == 0);
  s.pass(2s);
  s.let_probe({.generation = 1, .probe = 0});
  s.reply(bad);
  CHECK(s.end().error == std::nullopt); // the target's own reply goes to the caller
  CHECK(s.end().attempts == 2);
  CHECK(s.wishes.outcomes.size() == 2);
  CHECK(s.books().calls.failed == 1);
}
