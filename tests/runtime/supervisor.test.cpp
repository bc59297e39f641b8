#include "support/recording_supervisor.hpp"

#include <limits>

/// @file The life of a call: accepted, tried, tried again, answered once; its deadlines.

using namespace bulwark;
using namespace bulwark::testing;

// -- one call ---------------------------------------------------------------------

TEST_CASE("a call without any limit is launched at once and ends with the target's reply [G3 G15]",
          "[supervisor]") {
  recording_supervisor s{{}};
  const auto slot = s.call();
  REQUIRE(s.wishes.launched.size() == 1);
  CHECK(s.attempt().slot == slot);
  CHECK(s.wishes.wake == end_of_time);
  CHECK(s.core.live() == 1);
  s.pass(1h);
  CHECK(s.reply(good));
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 1);
  CHECK(s.end().elapsed == 1h);
  CHECK(s.core.live() == 0);
  CHECK(s.books().calls.succeeded == 1);
  CHECK(s.wishes.probes.empty());
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.wishes.permit_questions.empty());
  CHECK(s.wishes.returned == 0);
}

TEST_CASE("without a retry policy an error comes back unchanged [G15]", "[supervisor]") {
  recording_supervisor s{{}};
  s.call();
  s.reply(transient_error);
  CHECK_FALSE(s.end().error); // the target's reply is the answer
  CHECK_FALSE(s.end().last_error);
  CHECK(s.books().calls.failed == 1);
}

TEST_CASE("a second reply is dropped and counted and answers nobody [G4 M6]", "[supervisor]") {
  recording_supervisor s{{}};
  s.call();
  CHECK(s.core.awaits_reply(s.attempt()));
  CHECK(s.reply(good));
  CHECK_FALSE(s.core.awaits_reply(s.attempt()));
  CHECK_FALSE(s.reply(good));
  CHECK(s.answers() == 1);
  CHECK(s.books().late_replies == 1);
}

TEST_CASE("an answer to what was never asked is dropped [G4]", "[supervisor]") {
  recording_supervisor s{{}};
  CHECK_FALSE(s.core.awaits_reply({.slot = 7, .serial = 0}));
  CHECK_FALSE(s.reply({.slot = 7, .serial = 0}, good));
  s.call();
  CHECK_FALSE(s.core.awaits_reply({.slot = 1'000'000, .serial = 1}));
  CHECK_FALSE(s.reply({.slot = 1'000'000, .serial = 1}, good));
  s.core.on_permit({.slot = 1'000'000, .serial = 1}, 0, false, s.now);
  s.core.on_refused({.slot = 1'000'000, .serial = 1}, errc::bulkhead_full, s.now);
  s.core.on_probe({.slot = 1'000'000, .serial = 1}, permit{}, s.now);
  s.core.on_lost({.slot = 1'000'000, .serial = 1}, s.now);
  s.core.cancel(1'000'000, s.now);
  CHECK(s.answers() == 0);
  CHECK(s.wishes.returned == 1); // whoever sends a permit that nobody wants gets it back
}

TEST_CASE("a slot is used again with a new serial so that a late reply hits nobody [G4]",
          "[supervisor]") {
  recording_supervisor s{{}};
  const auto slot = s.call();
  const auto first = s.attempt();
  s.reply(good);
  REQUIRE(s.call() == slot);
  CHECK(s.attempt() != first);
  CHECK_FALSE(s.reply(first, good));
  CHECK(s.core.live() == 1);
  CHECK(s.reply(good));
  CHECK(s.answers() == 2);
}

TEST_CASE("many calls have slots of their own and each its own answer [G3]", "[supervisor]") {
  recording_supervisor s{{}};
  std::set<std::uint32_t> slots;
  for (auto i = 0; i < 1000; ++i)
    slots.insert(s.call());
  CHECK(slots.size() == 1000);
  for (auto i = s.wishes.launched.size(); i-- > 0;)
    CHECK(s.reply(s.wishes.launched[i], good));
  CHECK(s.answers() == 1000);
  std::set<std::uint32_t> answered;
  for (const auto& each : s.wishes.answers)
    answered.insert(each.slot);
  CHECK(answered == slots);
}

// -- the deadline -------------------------------------------------------------------

TEST_CASE("a deadline answers timed_out not early and within a slot of the wheel [M4 M5]",
          "[supervisor]") {
  const auto deadline = GENERATE(as<timespan>{}, 1ns, 999'999ns, 1ms, 1'000'001ns, 5s, 24h);
  recording_supervisor s{{.deadline = deadline}};
  s.now += 300us;
  s.call();
  REQUIRE(s.wishes.launched.size() == 1);
  CHECK(s.wishes.wake >= s.now + deadline);
  CHECK(s.wishes.wake < s.now + deadline + 1ms);
  s.pass(deadline - 1ns);
  CHECK(s.answers() == 0);
  s.pass(1ms);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.end().elapsed >= deadline);
  CHECK(s.end().elapsed < deadline + 1ms);
  CHECK(s.books().calls.timed_out == 1);
  CHECK(s.wishes.cuts == std::vector{std::pair{s.attempt(), errc::timed_out}});
  CHECK_FALSE(s.reply(good));
  CHECK(s.books().late_replies == 1);
}

TEST_CASE("a deadline of a hundred years is kept and one beyond all time is none [M4]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 24h * 36'525}};
  s.call();
  CHECK(s.wishes.wake >= s.now + 24h * 36'525);
  CHECK(s.wishes.wake < s.now + 24h * 36'525 + 1ms);
  s.pass(24h * 36'525 + 1ms);
  CHECK(s.end().error == errc::timed_out);
  recording_supervisor t{{.deadline = timespan::max()}};
  t.call();
  CHECK(t.wishes.wake == end_of_time);
}

TEST_CASE("a deadline that has passed already starts nothing [M9 T8]", "[supervisor]") {
  const auto deadline = GENERATE(as<timespan>{}, 0ns, -5s);
  const auto bulkhead = GENERATE(false, true);
  recording_supervisor s{{.bulkhead = bulkhead}};
  s.call({.deadline = deadline});
  if (bulkhead)
    s.grant();
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.end().attempts == 0);
  CHECK(s.wishes.launched.empty());
  CHECK(s.core.permits_in_use() == 0);
  CHECK(s.books().attempts == 0);
}

TEST_CASE("a caller that has no time left is answered before any part is asked [D3]",
          "[supervisor]") {
  const auto remaining = GENERATE(as<timespan>{}, 0ns, -1ns, timespan::min());
  recording_supervisor s{{.deadline = 5s, .breaker = true, .bulkhead = true}};
  s.call({.remaining = remaining});
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.end().attempts == 0);
  CHECK(s.wishes.probes.empty());
  CHECK(s.wishes.permit_questions.empty());
  CHECK(s.books().calls.timed_out == 1);
}

TEST_CASE("the smaller of the deadline and what the caller has left counts [D3]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  s.call({.remaining = 1s});
  CHECK(s.core.time_left(s.attempt(), s.now) == 1s);
  s.call({.remaining = 10s});
  CHECK(s.core.time_left(s.attempt(), s.now) == 5s);
  s.call({.deadline = 2s, .remaining = timespan::max()});
  CHECK(s.core.time_left(s.attempt(), s.now) == 2s);
}

TEST_CASE("what an attempt has left is the lesser of deadline and attempt timeout [D3]",
          "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s}};
  s.call();
  const auto unlimited = s.attempt();
  CHECK(s.core.time_left(unlimited, s.now) == 1s);
  s.pass(400ms);
  CHECK(s.core.time_left(unlimited, s.now) == 600ms);
  s.reply(unlimited, good);
  CHECK(s.core.time_left(unlimited, s.now) == std::nullopt); // it has ended
  s.call({.deadline = 300ms});
  CHECK(s.core.time_left(s.attempt(), s.now) == 300ms);
  recording_supervisor t{{}};
  t.call();
  CHECK(t.core.time_left(t.attempt(), t.now) == std::nullopt);
}

TEST_CASE("a call's own deadline goes before the policy's [M1]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  s.call({.deadline = 1s});
  s.call({.deadline = 10s});
  s.call();
  s.pass(1s);
  CHECK(s.answers() == 1);
  s.pass(4s);
  CHECK(s.answers() == 2);
  s.pass(5s);
  CHECK(s.answers() == 3);
}

TEST_CASE("each of many calls times out at its own time [M1]", "[supervisor]") {
  recording_supervisor s{{}};
  for (auto i = 1; i <= 500; ++i)
    s.call({.deadline = i * 7ms});
  for (auto i = 1U; i <= 500; ++i) {
    s.pass(7ms);
    REQUIRE(s.answers() == i);
    REQUIRE(s.wishes.answers.back().end.elapsed == i * 7ms);
  }
  CHECK(s.wishes.wake == end_of_time);
}

TEST_CASE("a supervisor whose calls have all been answered asks for no more wake-ups than one [M7]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  for (auto i = 0; i < 100; ++i) {
    s.call();
    s.reply(good);
  }
  REQUIRE(s.wishes.wake != end_of_time);
  s.now = std::exchange(s.wishes.wake, end_of_time);
  s.core.on_tick(s.now);
  CHECK(s.wishes.wake == end_of_time);
  CHECK(s.answers() == 100);
}

TEST_CASE("a tick that comes too early ends nothing and asks again [M4]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  s.call();
  s.now += 1s;
  s.wishes.wake = end_of_time;
  s.core.on_tick(s.now);
  CHECK(s.answers() == 0);
  CHECK(s.wishes.wake == s.now + 4s);
}

TEST_CASE("a wake-up that is long overdue does all that was due [M5]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s, .attempt_timeout = 1s, .retry = exactly(10, 1ms)}};
  s.call();
  s.now += 1h;
  s.core.on_tick(s.now);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.launched.size() == 1);
}

// -- the attempt's timeout ------------------------------------------------------------

TEST_CASE("attempt_timeout ends an attempt and the deadline the call [G8]", "[supervisor]") {
  recording_supervisor s{{.deadline = 10s, .attempt_timeout = 1s}};
  s.call();
  s.pass(1s - 1ns);
  CHECK(s.answers() == 0);
  s.pass(1ns);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.end().elapsed == 1s);
}

TEST_CASE("trap 10: attempt_timeout starts at the launch and queueing does not eat it [G8]",
          "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .bulkhead = true}};
  s.call();
  s.pass(30s);
  CHECK(s.answers() == 0);
  s.grant();
  REQUIRE(s.wishes.launched.size() == 1);
  s.pass(1s - 1ns);
  CHECK(s.answers() == 0);
  s.pass(1ns);
  CHECK(s.end().error == errc::timed_out);
}

TEST_CASE("attempt_timeout starts anew with each attempt [G8 T6]", "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .retry = exactly(2, 5s)}};
  s.call();
  s.pass(1s);
  CHECK(s.wishes.cuts.size() == 1);
  s.pass(5s);
  REQUIRE(s.wishes.launched.size() == 2);
  s.pass(1s - 1ns);
  CHECK(s.answers() == 0);
  CHECK(s.reply(good));
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 2);
}

// -- retry ----------------------------------------------------------------------------

TEST_CASE("a transient error is tried again after the delays of the policy [T1 T2 G9]",
          "[supervisor]") {
  recording_supervisor s{{.retry = exactly(4, 100ms)}};
  s.call();
  for (auto delay : {100ms, 200ms, 400ms}) {
    const auto made = s.wishes.launched.size();
    s.reply(transient_error);
    s.pass(delay - 1ns);
    CHECK(s.wishes.launched.size() == made);
    s.pass(1ns);
    CHECK(s.wishes.launched.size() == made + 1);
  }
  s.pass(1s);
  CHECK(s.answers() == 0);
  s.reply(transient_error);
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.wishes.launched.size() == 4);
}

TEST_CASE(
    "retries_exhausted carries attempts and elapsed time and leaves the last reply whole [T7]",
    "[supervisor]") {
  recording_supervisor s{{.retry = exactly(2, 100ms)}};
  s.call();
  s.reply(transient_error);
  s.pass(100ms);
  s.reply(transient_error);
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().attempts == 2);
  CHECK(s.end().elapsed == 100ms);
  CHECK_FALSE(s.end().last_error); // it was a reply: the owner has it
  CHECK(s.books().calls.failed == 1);
}

TEST_CASE("retries_exhausted says that the last attempt timed out or lost its target [T7]",
          "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .retry = exactly(2, 1ms)}};
  s.call();
  s.reply(transient_error);
  s.pass(1ms);
  SECTION("timed out") {
    s.pass(1s);
    CHECK(s.end().last_error == errc::timed_out);
  }
  SECTION("lost") {
    s.core.on_lost(s.attempt(), s.now);
    CHECK(s.end().last_error == errc::target_lost);
  }
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().attempts == 2);
}

TEST_CASE("an attempt that succeeds ends the call and counts retries apart from calls [G11 K5]",
          "[supervisor]") {
  recording_supervisor s{{.retry = exactly(5, 10ms)}};
  s.call();
  s.reply(transient_error);
  s.pass(10ms);
  s.reply(transient_error);
  s.pass(20ms);
  s.reply(good);
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 3);
  CHECK(s.books().calls.calls == 1);
  CHECK(s.books().calls.succeeded == 1);
  CHECK(s.books().attempts == 3);
  CHECK(s.books().retries == 2);
}

TEST_CASE("what is not retryable comes back unchanged at once [T6]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(5, 10ms)}};
  s.call();
  s.reply(GENERATE(permanent_error, client_error));
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 1);
  CHECK(s.books().calls.failed == 1);
}

TEST_CASE("which of the guard's own errors are retried is the policy's [T5 T6]", "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .retry = exactly(5, 10ms)}};
  SECTION("a timeout is by default") {
    s.call();
    s.pass(1s + 10ms);
    CHECK(s.wishes.launched.size() == 2);
  }
  SECTION("or not") {
    s.wishes.retried.clear();
    s.call();
    s.pass(1s);
    CHECK(s.end().error == errc::timed_out);
  }
  SECTION("a lost target is by default") {
    s.call();
    s.core.on_lost(s.attempt(), s.now);
    s.pass(10ms);
    CHECK(s.wishes.launched.size() == 2);
  }
  SECTION("nor that") {
    s.wishes.retried.clear();
    s.call();
    s.core.on_lost(s.attempt(), s.now);
    CHECK(s.end().error == errc::target_lost);
    CHECK(s.books().calls.failed == 1);
  }
}

TEST_CASE("one attempt is one attempt [T1]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(1, 10ms)}};
  s.call();
  s.reply(transient_error);
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().attempts == 1);
}

TEST_CASE("no attempt starts that can't end before the total deadline and it is said at once [T8]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 250ms, .retry = exactly(10, 100ms)}};
  s.call();
  s.pass(50ms);
  s.reply(transient_error); // again at 150 ms
  s.pass(100ms);
  REQUIRE(s.wishes.launched.size() == 2);
  s.reply(transient_error); // would be again at 350 ms
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().elapsed == 150ms);
  CHECK(s.end().attempts == 2);
}

TEST_CASE("a delay that ends just at the deadline is too long and one before it is not [T8]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 100ms, .retry = exactly(10, 50ms)}};
  s.call();
  SECTION("at the deadline") {
    s.pass(50ms);
    s.reply(transient_error);
    CHECK(s.end().error == errc::retries_exhausted);
  }
  SECTION("a slot before it") {
    s.pass(48ms);
    s.reply(transient_error);
    s.pass(50ms);
    CHECK(s.wishes.launched.size() == 2);
    s.pass(2ms);
    CHECK(s.end().error == errc::timed_out);
  }
  SECTION("in the very slot of the deadline nothing starts") {
    s.pass(50ms - 1ns);
    s.reply(transient_error);
    s.pass(60ms);
    CHECK(s.wishes.launched.size() == 1);
    CHECK(s.end().error == errc::timed_out);
    CHECK(s.end().elapsed >= 100ms);
    CHECK(s.end().elapsed < 101ms);
  }
}

TEST_CASE("a timeout at the deadline is not tried again [T8 M4]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .attempt_timeout = 1s, .retry = exactly(10, 0ns)}};
  s.call();
  s.pass(1s);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.launched.size() == 1);
}

TEST_CASE("zero delays make all attempts and no more [T1 T9]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(1000, 0ns)}};
  s.now += GENERATE(as<timespan>{}, 0ns, 1ns, 999'999ns);
  s.call();
  for (auto i = 1U; i < 1000; ++i) {
    s.reply(transient_error);
    s.pass(1ms);
    REQUIRE(s.wishes.launched.size() == i + 1);
  }
  s.reply(transient_error);
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().attempts == 1000);
}

TEST_CASE("the largest policies overflow nothing [T9]", "[supervisor]") {
  recording_supervisor s{
      {.retry = retry_limits{.max_attempts = 1'000'000,
                             .base_delay = longest_timespan,
                             .exponential_base = std::numeric_limits<double>::max(),
                             .max_delay = longest_timespan,
                             .jitter = jitter_kind::none}}};
  s.call();
  s.reply(transient_error);
  CHECK(s.wishes.wake == s.now + longest_timespan);
  s.pass(longest_timespan);
  REQUIRE(s.wishes.launched.size() == 2);
  s.reply(transient_error);
  s.pass(end_of_time - s.now);
  CHECK(s.core.live() == 1);
}

TEST_CASE("a late reply to an earlier attempt is not the answer to a later one [M6 G4]",
          "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .retry = exactly(2, 10ms)}};
  s.call();
  const auto first = s.attempt();
  s.pass(1s);
  CHECK_FALSE(s.reply(first, good)); // while it backs off
  s.pass(10ms);
  CHECK_FALSE(s.reply(first, good)); // while the second is in flight
  CHECK(s.books().late_replies == 2);
  CHECK(s.answers() == 0);
  CHECK(s.reply(good));
  CHECK(s.answers() == 1);
}

TEST_CASE("new limits are for what begins from then on [P4]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s, .attempt_timeout = 1s, .retry = exactly(2, 10ms)}};
  s.call();
  s.limits = {.deadline = 100ms, .attempt_timeout = 10ms};
  s.pass(1s - 1ns);
  CHECK(s.answers() == 0);
  s.pass(1ns);
  CHECK(s.end().error == errc::timed_out); // there is no retry any more
  s.call();
  s.pass(10ms);
  CHECK(s.answers() == 2);
}

TEST_CASE("the latency of what was answered is recorded and that of rejections is not [Y8]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  s.call();
  s.pass(10ms);
  s.reply(good);
  s.call();
  s.pass(5s);
  s.core.shut_down(true, s.now);
  s.call();
  CHECK(s.answers() == 3);
  CHECK(s.books().latency.count() == 2);
  CHECK(s.books().latency.min() == 10ms);
  CHECK(s.books().latency.max() == 5s);
  CHECK(s.books().calls.rejected == 1);
}
