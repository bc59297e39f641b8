#include "support/recording_supervisor.hpp"

/// @file How calls end that neither their target nor their time ends: taken back, shut down, a part
/// or the target lost; and functions, which can't be stopped.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

using outcome = wish_recorder::outcome;

constexpr permit probe_of_seven{.generation = 7, .probe = 3};

// A supervisor of all parts with one call in each state that a call can be in.
struct everywhere : recording_supervisor {
  std::uint32_t in_flight = 0;
  std::uint32_t backing_off = 0;
  std::uint32_t queued = 0;
  std::uint32_t awaiting_probe = 0;

  everywhere()
      : recording_supervisor(
          {.deadline = 60s, .retry = exactly(3, 10s), .breaker = true, .bulkhead = true}) {
    in_flight = call();
    grant();
    backing_off = call();
    grant();
    reply(transient_error);
    queued = call();
    let_probe({.generation = 1, .probe = 0}); // after a failure the breaker is asked
    wishes.probes.clear();
    show(circuit_state::half_open, 7);
    awaiting_probe = call();
    REQUIRE(core.live() == 4);
    REQUIRE(wishes.probes.size() == 1);
    wishes.outcomes.clear();
    wishes.returned = 0;
  }

  std::optional<call_end> end_of(std::uint32_t slot) const {
    std::optional<call_end> result;
    for (const auto& each : wishes.answers) {
      if (each.slot == slot) {
        CHECK_FALSE(result);
        result = each.end;
      }
    }
    return result;
  }
};

} // namespace

// -- cancelled --------------------------------------------------------------------------

TEST_CASE("a call can be taken back in each state and is answered once [G3 C14]", "[supervisor]") {
  everywhere s;
  for (auto slot : {s.in_flight, s.backing_off, s.queued, s.awaiting_probe}) {
    s.core.cancel(slot, s.now);
    s.core.cancel(slot, s.now);
    REQUIRE(s.end_of(slot));
    CHECK(s.end_of(slot)->error == errc::cancelled);
    CHECK(balanced(s.books()));
  }
  CHECK(s.core.live() == 0);
  CHECK(s.books().calls.cancelled == 4);
  CHECK(s.wishes.outcomes.empty()); // neither success nor failure
  CHECK(s.wishes.cuts.size() == 1);
  CHECK(s.wishes.cuts.back().second == errc::cancelled);
  CHECK(s.wishes.withdrawals.size() == 1);
  CHECK(s.wishes.returned == 1);
  CHECK(s.core.permits_in_use() == 0);
  s.pass(1h);
  CHECK(s.answers() == 4);
}

TEST_CASE("taking back what has been answered is nothing [G3]", "[supervisor]") {
  recording_supervisor s{{}};
  const auto slot = s.call();
  s.reply(good);
  s.core.cancel(slot, s.now);
  CHECK(s.answers() == 1);
  CHECK(s.books().calls.cancelled == 0);
}

// -- shut down --------------------------------------------------------------------------

TEST_CASE("shut down at once answers each call whatever it waits for [G5]", "[supervisor]") {
  everywhere s;
  s.core.shut_down(false, s.now);
  for (auto slot : {s.in_flight, s.backing_off, s.queued, s.awaiting_probe}) {
    REQUIRE(s.end_of(slot));
    CHECK(s.end_of(slot)->error == errc::shutting_down);
  }
  CHECK(s.core.shutting_down());
  CHECK(s.core.live() == 0);
  CHECK(balanced(s.books()));
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.wishes.returned == 1);
  CHECK(s.wishes.cuts.size() == 1);
  // What was under way when it shut down.
  s.let_probe(probe_of_seven);
  s.grant();
  s.reply(good);
  CHECK(s.answers() == 4);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.wishes.returned == 2);
  s.core.shut_down(false, s.now);
  s.core.shut_down(true, s.now);
  CHECK(s.answers() == 4);
}

TEST_CASE("shut down that waits lets calls finish and refuses new ones [G5]", "[supervisor]") {
  everywhere s;
  s.core.shut_down(true, s.now);
  CHECK(s.core.shutting_down());
  CHECK(s.answers() == 0);
  const auto late = s.call();
  REQUIRE(s.end_of(late));
  CHECK(s.end_of(late)->error == errc::shutting_down);
  CHECK(s.end_of(late)->attempts == 0);
  CHECK(s.books().calls.rejected == 1);
  s.let_probe(probe_of_seven); // now two wait for a permit
  for (auto question : std::vector(s.wishes.permit_questions))
    s.core.on_permit(question, 0, false, s.now);
  s.show(circuit_state::closed, 8);
  s.pass(10s);
  s.grant(); // the one that backed off
  for (auto attempt : std::vector(s.wishes.launched))
    s.core.on_reply(attempt, good, s.now);
  CHECK(s.core.live() == 0);
  CHECK(s.answers() == 5);
  CHECK(s.core.permits_in_use() == 0);
  CHECK(balanced(s.books()));
}

TEST_CASE("shut down that waits can be followed by one that does not [G5]", "[supervisor]") {
  everywhere s;
  s.core.shut_down(true, s.now);
  s.core.shut_down(false, s.now);
  CHECK(s.core.live() == 0);
  CHECK(s.answers() == 4);
}

TEST_CASE("shut down with a thousand calls in flight gives a thousand answers [G5]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  for (auto i = 0; i < 1000; ++i)
    s.call();
  s.core.shut_down(false, s.now);
  CHECK(s.answers() == 1000);
  CHECK(s.core.live() == 0);
  CHECK(s.books().calls.cancelled == 1000);
}

// -- the target is lost -------------------------------------------------------------------

TEST_CASE("a lost target ends attempts in flight and leaves the others [G4]", "[supervisor]") {
  everywhere s;
  s.core.on_target_lost(s.now);
  CHECK(s.answers() == 0); // it is tried again
  CHECK(s.wishes.outcomes.size() == 1);
  CHECK(s.wishes.outcomes[0].failed == true);
  CHECK(s.wishes.returned == 1);
  CHECK(s.books().breaker.failed == 2);
  CHECK(s.wishes.cuts.empty()); // nobody is there to be told
  CHECK(s.core.live() == 4);
  CHECK(balanced(s.books()));
}

TEST_CASE("a target that is lost before during and after the call gives one answer [G4]",
          "[supervisor]") {
  recording_supervisor s{{}};
  SECTION("before") {
    s.core.on_target_lost(s.now);
    s.call();
    s.core.on_lost(s.attempt(), s.now); // the request bounces
  }
  SECTION("during") {
    s.call();
    s.core.on_target_lost(s.now);
  }
  CHECK(s.end().error == errc::target_lost);
  CHECK(s.end().attempts == 1);
  s.core.on_target_lost(s.now);
  s.core.on_lost(s.attempt(), s.now);
  s.reply(good);
  CHECK(s.answers() == 1);
  CHECK(s.books().late_replies == 1); // a loss is no reply
}

// -- a part is lost -----------------------------------------------------------------------

TEST_CASE("when a part is lost what waits for it is refused and what runs goes on [G3]",
          "[supervisor]") {
  everywhere s;
  s.core.on_part_lost(s.now);
  CHECK(s.answers() == 2);
  REQUIRE(s.end_of(s.queued));
  CHECK(s.end_of(s.queued)->error == errc::shutting_down);
  REQUIRE(s.end_of(s.awaiting_probe));
  CHECK(s.end_of(s.awaiting_probe)->error == errc::shutting_down);
  CHECK(s.books().calls.rejected == 2);
  CHECK(balanced(s.books()));
  s.reply(s.wishes.launched.front(), good);
  REQUIRE(s.end_of(s.in_flight));
  CHECK_FALSE(s.end_of(s.in_flight)->error);
  s.pass(10s); // the one that backed off
  REQUIRE(s.end_of(s.backing_off));
  CHECK(s.end_of(s.backing_off)->error == errc::shutting_down);
  s.call();
  REQUIRE(s.answers() == 5);
  CHECK(s.wishes.answers.back().end.error == errc::shutting_down);
  CHECK(s.core.live() == 0);
}

TEST_CASE(
    "when the breaker is lost new calls are refused at once though others waited behind one that "
    "had asked it [G3]",
    "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::half_open, 3);
  s.call(); // asks
  s.show(circuit_state::closed, 4);
  s.call(); // behind it
  REQUIRE(s.answers() == 0);
  s.core.on_part_lost(s.now);
  REQUIRE(s.answers() == 2);
  s.call(); // without a deadline, it would wait for ever
  REQUIRE(s.answers() == 3);
  CHECK(s.wishes.answers.back().end.error == errc::shutting_down);
  CHECK(s.core.live() == 0);
}

TEST_CASE("when the bulkhead is lost new calls are refused though permits lie here [G3]",
          "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.grant(3, true);
  s.core.on_part_lost(s.now);
  s.call();
  CHECK(s.end().error == errc::shutting_down);
  CHECK(s.wishes.launched.size() == 1);
}

TEST_CASE("when the breaker is lost the bulkhead gets all its permits back [B10]", "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.call();
  s.grant(3, true);
  s.call();
  s.call();
  s.call();
  s.call(); // waits
  s.reply(s.wishes.launched[0], good);
  REQUIRE(s.core.permits_unused() == 1);
  s.core.on_part_lost(s.now);
  CHECK(s.wishes.returned == 1);
  s.grant(2, true); // crossed
  CHECK(s.wishes.returned == 4);
  for (auto attempt : std::vector(s.wishes.launched))
    s.core.on_reply(attempt, good, s.now);
  CHECK(s.wishes.returned == 7); // 4 of the first grant, 3 of the second
  CHECK(s.core.permits_in_use() == 0);
  CHECK(s.core.permits_unused() == 0);
}

// -- functions, which can't be stopped ------------------------------------------------------

TEST_CASE("a function that was timed out keeps its worker until it returns [B11]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .retry = exactly(3, 1ms), .bulkhead = true}};
  s.call({.keeps_worker = true});
  s.grant();
  s.pass(1s);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.core.live() == 0);
  CHECK(s.core.abandoned_running() == 1);
  CHECK(s.core.permits_in_use() == 1);
  CHECK(s.wishes.returned == 0);
  CHECK(s.books().abandoned == 1);
  CHECK(s.books().bulkhead.timed_out == 1);
  s.pass(1h);
  CHECK_FALSE(s.reply(good));
  CHECK(s.core.abandoned_running() == 0);
  CHECK(s.core.permits_in_use() == 0);
  CHECK(s.wishes.returned == 1);
  CHECK(s.answers() == 1);
  CHECK(s.books().late_replies == 1);
  CHECK_FALSE(s.reply(good));
  CHECK(s.wishes.returned == 1);
}

TEST_CASE("a function that is cancelled or shut down keeps its worker too [B11 C14]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.show(circuit_state::half_open, 7);
  const auto slot = s.call({.keeps_worker = true});
  s.let_probe(probe_of_seven);
  s.grant(0, true);
  SECTION("cancelled") {
    s.core.cancel(slot, s.now);
    CHECK(s.end().error == errc::cancelled);
  }
  SECTION("shut down") {
    s.core.shut_down(false, s.now);
    CHECK(s.end().error == errc::shutting_down);
  }
  CHECK(s.books().calls.cancelled == 1);
  CHECK(s.books().bulkhead.cancelled == 1);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.core.permits_in_use() == 1);
  s.core.cancel(slot, s.now); // again
  s.core.shut_down(false, s.now);
  CHECK(s.answers() == 1);
  CHECK(s.books().abandoned == 1);
  s.reply(good);
  CHECK(s.core.permits_in_use() == 0);
  CHECK(s.core.permits_unused() == 1);
}

TEST_CASE("an abandoned function whose pool is lost gives its worker back [B10 B11]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .bulkhead = true}};
  s.call({.keeps_worker = true});
  s.grant();
  s.pass(1s);
  REQUIRE(s.core.abandoned_running() == 1);
  SECTION("told of the one") {
    s.core.on_lost(s.attempt(), s.now);
  }
  SECTION("told of all") {
    s.core.on_target_lost(s.now);
  }
  CHECK(s.core.abandoned_running() == 0);
  CHECK(s.wishes.returned == 1);
  CHECK(s.answers() == 1);
}

TEST_CASE("a slot is not used again while its abandoned function runs [B11 G4]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s}};
  const auto slot = s.call({.keeps_worker = true});
  const auto attempt = s.attempt();
  s.pass(1s);
  for (auto i = 0; i < 100; ++i)
    CHECK(s.call() != slot);
  CHECK_FALSE(s.reply(attempt, good));
  CHECK(s.core.live() == 100);
  CHECK(s.call() == slot);
}

TEST_CASE("a function that returns in time is as any call [B4 B11]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .bulkhead = true}};
  s.call({.keeps_worker = true});
  s.grant();
  s.reply(good);
  CHECK_FALSE(s.end().error);
  CHECK(s.books().abandoned == 0);
  CHECK(s.wishes.returned == 1);
}

// -- refused by the guard itself ----------------------------------------------------------

TEST_CASE(
    "a call that can't be carried on is refused, and one that never had a slot is counted [G3]",
    "[supervisor]") {
  everywhere s;
  s.core.give_up(s.queued, errc::bulkhead_full, s.now);
  const auto end = s.end_of(s.queued);
  REQUIRE(end);
  CHECK(end->error == errc::bulkhead_full);
  const auto before = s.core.books().calls;
  s.core.count_refused();
  const auto& after = s.core.books().calls;
  CHECK(after.calls == before.calls + 1);
  CHECK(after.rejected == before.rejected + 1);
  CHECK(after.balanced());
}

// -- what an end says of the target -----------------------------------------------------------

TEST_CASE("a lost target counts against the circuit only where the policy says so [G4]",
          "[supervisor]") {
  const auto counts = GENERATE(true, false);
  recording_supervisor s{{.breaker = true}};
  s.wishes.counted.clear();
  if (counts)
    s.wishes.counted.insert(errc::target_lost);
  s.call();
  s.core.on_target_lost(s.now);
  CHECK(s.wishes.outcomes.size() == (counts ? 1 : 0));
  CHECK(s.core.books().breaker.failed == (counts ? 1 : 0));
  CHECK(s.core.books().breaker.cancelled == (counts ? 0 : 1));
}

TEST_CASE(
    "a call that comes out of the queue after its circuit has opened is refused with the time "
    "that is left and that is never less than none [G10]",
    "[supervisor]") {
  const auto passed = GENERATE(1s, 4s);
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.show(circuit_state::closed, 1);
  s.call();
  s.show(circuit_state::open, 2, s.now + 3s);
  s.now += passed;
  s.grant();
  REQUIRE(s.wishes.answers.size() == 1);
  CHECK(s.wishes.answers[0].end.error == errc::circuit_open);
  CHECK(s.wishes.answers[0].end.retry_after == std::max<timespan>(3s - passed, 0s));
}
