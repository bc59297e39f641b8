#include "support/recording_supervisor.hpp"

/// @file What an attempt needs on its way inwards, and what becomes of it on the way back: the
/// breaker's leave and the bulkhead's permit.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

using outcome = wish_recorder::outcome;

constexpr permit probe_of_seven{.generation = 7, .probe = 3};

// A call that the breaker let probe, in half-open, generation 7.
struct probing : recording_supervisor {
  explicit probing(const supervisor_limits& first) : recording_supervisor(first) {
    show(circuit_state::half_open, 7);
    call();
    REQUIRE(wishes.probes.size() == 1);
    let_probe(probe_of_seven);
  }
};

} // namespace

// -- the breaker ------------------------------------------------------------------------

TEST_CASE("a closed circuit costs no message [G8]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.call();
  s.reply(good);
  CHECK(s.wishes.probes.empty());
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.books().breaker.succeeded == 1);
}

TEST_CASE("a failure is told at once with the generation that let the attempt in [C1 C10]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::closed, 4);
  s.call();
  s.show(circuit_state::open, 5, s.now + 10s);
  s.reply(transient_error);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 4, .probe = 0}, true}});
  CHECK(s.books().breaker.failed == 1);
}

TEST_CASE("no call goes past one that awaits the breaker's answer [G17]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .breaker = true}};
  s.show(circuit_state::half_open, 7);
  const auto first = s.call();
  s.show(circuit_state::closed, 8); // somebody else's probe has closed it
  const auto second = s.call();
  const auto third = s.call();
  CHECK(s.wishes.launched.empty());
  SECTION("they go as soon as it has come, and without asking") {
    s.let_probe({.generation = 8, .probe = 0});
    REQUIRE(s.wishes.launched.size() == 3);
    CHECK(s.wishes.launched[0].slot == first);
    CHECK(s.wishes.launched[1].slot == second);
    CHECK(s.wishes.launched[2].slot == third);
    CHECK(s.wishes.probes.size() == 1);
  }
  SECTION("also when that one's deadline passes, and theirs is not yet due") {
    s.pass(500ms);
    s.call();
    s.pass(501ms);
    CHECK(s.answers() == 3);
    CHECK(s.wishes.launched.size() == 1);
  }
  SECTION("also when that one is cancelled") {
    s.core.cancel(first, s.now);
    CHECK(s.wishes.launched.size() == 2);
  }
  SECTION("one of them is cancelled and not missed") {
    s.core.cancel(second, s.now);
    s.let_probe({.generation = 8, .probe = 0});
    CHECK(s.wishes.launched.size() == 2);
  }
  SECTION("if the circuit has opened meanwhile they are refused") {
    s.show(circuit_state::open, 9, s.now + 10s);
    s.refuse_probe(10s);
    CHECK(s.answers() == 3);
  }
  SECTION("if it is half open again they ask, one after the other") {
    s.show(circuit_state::half_open, 9);
    s.refuse_probe(0s);
    CHECK(s.wishes.probes.size() == 3);
  }
  SECTION("a shutdown answers them all") {
    s.core.shut_down(false, s.now);
    CHECK(s.answers() == 3);
  }
  SECTION("a breaker that ends refuses them all") {
    s.core.on_part_lost(s.now);
    CHECK(s.answers() == 3);
  }
  CHECK(balanced(s.books()));
}

TEST_CASE(
    "after a failure the breaker is asked until it has seen it: the view may be from before [C1]",
    "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::closed, 4);
  s.call();
  s.call();
  s.reply(s.wishes.launched[0], transient_error);
  s.call();
  REQUIRE(s.wishes.probes.size() == 1);
  CHECK(s.wishes.launched.size() == 2);
  SECTION("it was not the last that it takes: calls go on without asking") {
    s.let_probe({.generation = 4, .probe = 0});
    CHECK(s.wishes.launched.size() == 3);
    s.call();
    CHECK(s.wishes.launched.size() == 4);
    CHECK(s.wishes.probes.size() == 1);
  }
  SECTION("it was: the call is refused") {
    s.show(circuit_state::open, 5, s.now + 10s);
    s.refuse_probe(10s);
    REQUIRE(s.wishes.answers.size() == 2);
    CHECK(s.wishes.answers.back().end.error == errc::circuit_open);
    CHECK(s.books().breaker.rejected == 1);
  }
  SECTION("an answer to a question from before another failure says nothing of that one") {
    s.reply(s.wishes.launched[1], transient_error);
    s.let_probe({.generation = 4, .probe = 0});
    s.call();
    CHECK(s.wishes.probes.size() == 2);
  }
}

TEST_CASE("trap 4: a late success carries the generation that let it in [C10]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::closed, 4, {}, true);
  s.call();
  s.show(circuit_state::closed, 6, {}, true);
  s.reply(good);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 4, .probe = 0}, false}});
}

TEST_CASE("a success is told where failures stand in the row and else not [C1]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  SECTION("others have failed") {
    s.show(circuit_state::closed, 1, {}, true);
    s.call();
    s.reply(good);
    CHECK(s.wishes.outcomes.size() == 1);
  }
  SECTION("we have and the breaker has not seen it yet") {
    s.call();
    s.reply(transient_error);
    s.call();
    s.let_probe({.generation = 1, .probe = 0});
    s.reply(good);
    REQUIRE(s.wishes.outcomes.size() == 2);
    CHECK(s.wishes.outcomes[1].failed == false);
    s.call();
    s.reply(good);
    CHECK(s.wishes.outcomes.size() == 2);
  }
  SECTION("a success of an earlier generation ends no row of this one") {
    s.call();
    const auto old = s.attempt();
    s.show(circuit_state::closed, 3);
    s.call();
    s.reply(transient_error);
    s.reply(old, good);
    s.call();
    s.let_probe({.generation = 3, .probe = 0});
    s.reply(good);
    REQUIRE_FALSE(s.wishes.outcomes.empty());
    CHECK(s.wishes.outcomes.back() == outcome{{.generation = 3, .probe = 0}, false});
  }
}

TEST_CASE("an open circuit fails at once and says until when [C9 G10]", "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.show(circuit_state::open, 2, s.now + 10s);
  s.now += 3s;
  s.call();
  CHECK(s.end().error == errc::circuit_open);
  CHECK(s.end().retry_after == 7s);
  CHECK(s.end().attempts == 0);
  CHECK(s.wishes.permit_questions.empty()); // the breaker is further out
  CHECK(s.wishes.outcomes.empty());         // no failure in its books
  CHECK(s.books().calls.rejected == 1);
  CHECK(s.books().breaker.rejected == 1);
  CHECK(s.books().bulkhead.calls == 0);
}

TEST_CASE("a circuit that an operator opened fails at once and says nothing of when [C6 C9]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::forced_open, 2);
  s.call();
  CHECK(s.end().error == errc::circuit_open);
  CHECK(s.end().retry_after == 0s);
  CHECK(s.wishes.probes.empty());
}

TEST_CASE("a disabled circuit lets through and is told of failures [C6]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::disabled, 9);
  s.call();
  s.reply(transient_error);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 9, .probe = 0}, true}});
}

TEST_CASE("a circuit whose time has come is asked for a probe [C12]", "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::open, 2, s.now + 10s);
  s.now += 10s;
  s.call();
  REQUIRE(s.wishes.probes.size() == 1);
  CHECK(s.wishes.launched.empty());
  s.show(circuit_state::half_open, 3);
  s.let_probe({.generation = 3, .probe = 1});
  REQUIRE(s.wishes.launched.size() == 1);
  s.reply(good);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 3, .probe = 1}, false}});
}

TEST_CASE("a probe that the breaker refuses ends the call with its reason [C4 C9]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::half_open, 2);
  s.call();
  s.refuse_probe(2s);
  CHECK(s.end().error == errc::circuit_open);
  CHECK(s.end().retry_after == 2s);
  CHECK(s.books().breaker.rejected == 1);
  CHECK(s.wishes.outcomes.empty());
}

TEST_CASE("each attempt asks for leave of its own [G9]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms), .breaker = true, .bulkhead = true}};
  s.show(circuit_state::half_open, 7);
  s.call();
  s.let_probe({.generation = 7, .probe = 1});
  s.grant();
  s.reply(transient_error);
  CHECK(s.wishes.returned == 1);
  s.show(circuit_state::half_open, 9);
  s.pass(10ms);
  CHECK(s.wishes.probes.size() == 2);
  s.let_probe({.generation = 9, .probe = 2});
  CHECK(s.wishes.permit_questions.size() == 2);
  s.grant();
  s.reply(good);
  CHECK(s.wishes.outcomes
        == std::vector{outcome{{.generation = 7, .probe = 1}, true},
                       outcome{{.generation = 9, .probe = 2}, false}});
  CHECK(s.books().breaker.calls == 2);
  CHECK(s.books().bulkhead.calls == 2);
  CHECK(s.books().calls.calls == 1);
}

TEST_CASE("trap 1: a probe that is refused further in gives its place back [C11 G10]",
          "[supervisor]") {
  probing s{{.breaker = true, .bulkhead = true}};
  s.refuse(errc::bulkhead_full);
  CHECK(s.end().error == errc::bulkhead_full);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.books().calls.rejected == 1);
  CHECK(s.books().bulkhead.rejected == 1);
  CHECK(s.books().breaker.cancelled == 1);
  CHECK(s.books().breaker.failed == 0);
}

TEST_CASE("trap 1: a probe that waits too long for its permit gives its place back [C11 B3]",
          "[supervisor]") {
  probing s{{.breaker = true, .bulkhead = true, .queue_timeout = 1s}};
  s.pass(1s);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.withdrawals.size() == 1);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
}

TEST_CASE("trap 1: a probe that comes after the deadline gives its place back [C11 M9]",
          "[supervisor]") {
  const auto bulkhead = GENERATE(false, true);
  recording_supervisor s{{.deadline = 1s, .breaker = true, .bulkhead = bulkhead}};
  if (bulkhead) { // a permit lies ready, so that nothing is asked
    s.call();
    s.grant(5, true);
    s.reply(good);
    s.wishes.answers.clear();
    s.wishes.launched.clear();
  }
  s.show(circuit_state::half_open, 7);
  s.call();
  s.now += 2s;
  s.let_probe(probe_of_seven); // before the tick
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.launched.empty());
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.core.permits_in_use() == 0);
}

TEST_CASE("trap 1: a probe whose call has ended meanwhile gives its place back [C11]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .breaker = true}};
  s.show(circuit_state::half_open, 7);
  s.call();
  SECTION("by its deadline") {
    s.pass(1s);
    CHECK(s.end().error == errc::timed_out);
  }
  SECTION("by the caller") {
    s.core.cancel(s.wishes.answers.empty() ? s.wishes.probes.back().attempt.slot : 0, s.now);
    CHECK(s.end().error == errc::cancelled);
  }
  CHECK(s.wishes.outcomes.empty());
  s.let_probe(probe_of_seven);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.wishes.launched.empty());
}

TEST_CASE(
    "trap 1: a probe that hangs is a failure told before its place would be given back [C5 C11]",
    "[supervisor]") {
  recording_supervisor s{
      {.deadline = GENERATE(std::optional<timespan>{}, std::optional<timespan>{3s}),
       .attempt_timeout = 1s,
       .breaker = true}};
  s.show(circuit_state::half_open, 7);
  s.call();
  s.pass(700us); // that the question and its answer take
  s.let_probe(probe_of_seven);
  s.pass(1s + 2ms);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, true}});
  CHECK(s.wishes.probes.back().hold_until > s.now);
}

TEST_CASE("a probe's place is held while its call may wait for a permit [C4 G8]", "[supervisor]") {
  SECTION("as long as the queue may last and the attempt after it") {
    recording_supervisor s{
        {.attempt_timeout = 1s, .breaker = true, .bulkhead = true, .queue_timeout = 5s}};
    s.show(circuit_state::half_open, 7);
    s.call();
    CHECK(s.wishes.probes.back().hold_until > s.now + 6s);
    CHECK(s.wishes.probes.back().hold_until < s.now + 7s);
  }
  SECTION("at most until the deadline") {
    recording_supervisor s{
        {.deadline = 3s, .attempt_timeout = 1s, .breaker = true, .bulkhead = true}};
    s.show(circuit_state::half_open, 7);
    s.call();
    CHECK(s.wishes.probes.back().hold_until > s.now + 3s);
    CHECK(s.wishes.probes.back().hold_until < s.now + 4s);
  }
  SECTION("without any limit the breaker says how long") {
    recording_supervisor s{{.attempt_timeout = 1s, .breaker = true, .bulkhead = true}};
    s.show(circuit_state::half_open, 7);
    s.call();
    CHECK(s.wishes.probes.back().hold_until == end_of_time);
  }
}

TEST_CASE("trap 2: a probe that its caller takes back is neither success nor failure [C14]",
          "[supervisor]") {
  probing s{{.breaker = true}};
  s.core.cancel(s.attempt().slot, s.now);
  CHECK(s.end().error == errc::cancelled);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  CHECK(s.books().breaker.cancelled == 1);
  CHECK(s.books().breaker.succeeded == 0);
}

TEST_CASE("trap 3: a cancelled call is no failure in the breaker's books [C14 C13]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.call();
  s.core.cancel(s.attempt().slot, s.now);
  CHECK(s.wishes.outcomes.empty());
  CHECK(s.books().breaker.failed == 0);
  CHECK(s.books().breaker.cancelled == 1);
  CHECK(s.books().calls.cancelled == 1);
}

TEST_CASE("trap 5: leave given in an earlier generation comes back as such [C10 C14]",
          "[supervisor]") {
  probing s{{.breaker = true}};
  s.show(circuit_state::half_open, 9);
  s.core.cancel(s.attempt().slot, s.now);
  CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
}

TEST_CASE("an error that does not count says nothing to the breaker [C13 C15]", "[supervisor]") {
  SECTION("in closed") {
    recording_supervisor s{{.breaker = true}};
    s.call();
    s.reply(client_error);
    CHECK(s.wishes.outcomes.empty());
    CHECK(s.books().breaker.cancelled == 1);
    CHECK(s.books().calls.failed == 1);
  }
  SECTION("as a probe") {
    probing s{{.breaker = true}};
    s.reply(client_error);
    CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
  }
  SECTION("a timeout where the policy says so") {
    probing s{{.attempt_timeout = 1s, .breaker = true}};
    s.wishes.counted.clear();
    s.pass(1s);
    CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, std::nullopt}});
    CHECK(s.books().breaker.timed_out == 0);
  }
}

TEST_CASE("timeouts and lost targets count as failures [C13]", "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 1s, .breaker = true}};
  s.call();
  SECTION("a timeout") {
    s.pass(1s);
    CHECK(s.books().breaker.timed_out == 1);
  }
  SECTION("a lost target") {
    s.core.on_target_lost(s.now);
    CHECK(s.books().breaker.failed == 1);
  }
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 1, .probe = 0}, true}});
}

TEST_CASE(
    "a call that waited for its permit does not reach the target of a circuit that opened [C3]",
    "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.call();
  s.show(circuit_state::open, 2, s.now + 10s);
  s.now += 1s;
  s.grant();
  CHECK(s.end().error == errc::circuit_open);
  CHECK(s.end().retry_after == 9s);
  CHECK(s.wishes.launched.empty());
  CHECK(s.wishes.returned == 1);
  CHECK(s.books().breaker.rejected == 1);
  CHECK(s.books().bulkhead.cancelled == 1);
}

TEST_CASE("a call that waited while the circuit opened and closed runs in the new generation [C10]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.call();
  s.show(circuit_state::closed, 4);
  s.grant();
  s.reply(transient_error);
  CHECK(s.wishes.outcomes == std::vector{outcome{{.generation = 4, .probe = 0}, true}});
}

TEST_CASE("a probe that waited while its half-open ended is no probe any more [C3 C10]",
          "[supervisor]") {
  probing s{{.breaker = true, .bulkhead = true}};
  SECTION("in an open circuit it is refused") {
    s.show(circuit_state::open, 8, s.now + 10s);
    s.grant();
    CHECK(s.end().error == errc::circuit_open);
    CHECK(s.end().retry_after == 10s);
    CHECK(s.wishes.launched.empty());
    CHECK(s.wishes.returned == 1);
  }
  SECTION("in the next half-open too") {
    s.show(circuit_state::half_open, 9);
    s.grant();
    CHECK(s.end().error == errc::circuit_open);
  }
  SECTION("in a closed one it runs as any other") {
    s.show(circuit_state::closed, 8);
    s.grant();
    s.reply(transient_error);
    CHECK(s.wishes.outcomes.back() == outcome{{.generation = 8, .probe = 0}, true});
  }
  SECTION("in the same half-open it probes") {
    s.grant();
    s.reply(good);
    CHECK(s.wishes.outcomes == std::vector{outcome{probe_of_seven, false}});
  }
}

TEST_CASE("a probe that arrives in a circuit that has opened again is not launched [C3 C5]",
          "[supervisor]") {
  recording_supervisor s{{.breaker = true}};
  s.show(circuit_state::half_open, 7);
  s.call();
  s.show(circuit_state::open, 8, s.now + 10s);
  s.let_probe(probe_of_seven);
  CHECK(s.end().error == errc::circuit_open);
  CHECK(s.wishes.launched.empty());
}

// -- the bulkhead -----------------------------------------------------------------------

TEST_CASE("a permit is asked for where none is held and goes back when the call ends [B10 K5]",
          "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  REQUIRE(s.wishes.permit_questions.size() == 1);
  CHECK(s.wishes.launched.empty());
  s.grant();
  CHECK(s.core.permits_in_use() == 1);
  CHECK(s.wishes.launched.size() == 1);
  s.reply(good);
  CHECK(s.core.permits_in_use() == 0);
  CHECK(s.core.permits_unused() == 0);
  CHECK(s.wishes.returned == 1);
  CHECK(s.books().bulkhead.succeeded == 1);
}

TEST_CASE("a lease serves the next calls without asking [B1]", "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.grant(2, true);
  CHECK(s.core.permits_unused() == 2);
  s.call();
  s.call();
  CHECK(s.wishes.launched.size() == 3);
  CHECK(s.wishes.permit_questions.size() == 1);
  s.call(); // the lease is empty
  CHECK(s.wishes.permit_questions.size() == 2);
  for (auto each : std::vector(s.wishes.launched))
    s.reply(each, good);
  CHECK(s.core.permits_unused() == 3);
  CHECK(s.wishes.returned == 0);
}

TEST_CASE("a permit that lies here is not for a call that came after one that waits [B8]",
          "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.grant(0, true);
  s.call();
  REQUIRE(s.wishes.permit_questions.size() == 2);
  s.reply(good);
  CHECK(s.core.permits_unused() == 1);
  s.call();
  CHECK(s.wishes.permit_questions.size() == 3);
  CHECK(s.wishes.launched.size() == 1);
}

TEST_CASE("a recall brings home what is unused and the rest one by one [B1 B10]", "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.grant(4, true);
  s.call();
  CHECK(s.core.on_recall() == 3);
  CHECK(s.core.permits_unused() == 0);
  CHECK(s.core.on_recall() == 0);
  for (auto each : std::vector(s.wishes.launched))
    s.reply(each, good);
  CHECK(s.wishes.returned == 2);
  CHECK(s.core.permits_unused() == 0);
}

TEST_CASE("permits beyond the one asked for go home where none may be kept [B10]", "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.grant(4, false);
  CHECK(s.core.permits_unused() == 0);
  CHECK(s.wishes.returned == 4);
}

TEST_CASE("a full bulkhead rejects and is no failure [B2 G10]", "[supervisor]") {
  recording_supervisor s{{.bulkhead = true}};
  s.call();
  s.refuse(errc::bulkhead_full);
  CHECK(s.end().error == errc::bulkhead_full);
  CHECK(s.end().attempts == 0);
  CHECK(s.books().calls.rejected == 1);
  CHECK(s.books().bulkhead.rejected == 1);
}

TEST_CASE("trap 9: a waiter's timeout withdraws and a grant that crosses it goes back [B3 B10]",
          "[supervisor]") {
  recording_supervisor s{{.bulkhead = true, .queue_timeout = 1s}};
  s.call();
  s.pass(1s);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.withdrawals == s.wishes.permit_questions);
  CHECK(s.books().bulkhead.timed_out == 1);
  SECTION("one permit") {
    s.grant();
    CHECK(s.wishes.returned == 1);
    CHECK(s.core.permits_unused() == 0);
  }
  SECTION("a lease") {
    s.grant(3, true);
    CHECK(s.wishes.returned == 0);
    CHECK(s.core.permits_unused() == 4);
    s.call();
    CHECK(s.wishes.launched.size() == 1);
  }
  SECTION("a refusal that crosses it is nothing") {
    s.refuse(errc::bulkhead_full);
    CHECK(s.answers() == 1);
    CHECK(s.books().bulkhead.rejected == 0);
  }
}

TEST_CASE("without a queue_timeout the deadline bounds the wait [B3 B9]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .attempt_timeout = 100ms, .bulkhead = true}};
  s.call();
  s.pass(1s - 1ns);
  CHECK(s.answers() == 0);
  s.pass(1ns);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.withdrawals.size() == 1);
  CHECK(s.wishes.launched.empty());
}

TEST_CASE("a grant that comes after the deadline starts nothing [B9 M9]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .bulkhead = true}};
  s.call();
  s.now += 1s; // the tick is late
  s.grant();
  CHECK(s.wishes.launched.empty());
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.wishes.returned == 1);
  CHECK(s.books().bulkhead.timed_out == 1);
}

TEST_CASE("a wait that was too long may be tried again [T6 B3]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(2, 10ms), .bulkhead = true, .queue_timeout = 1s}};
  s.call();
  s.pass(1s + 10ms);
  REQUIRE(s.wishes.permit_questions.size() == 2);
  CHECK(s.wishes.permit_questions[0] != s.wishes.permit_questions[1]);
  s.core.on_permit(s.wishes.permit_questions[0], 0, false, s.now); // crossed the withdrawal
  CHECK(s.wishes.launched.empty());
  CHECK(s.wishes.returned == 1);
  s.grant();
  s.reply(good);
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 1);
}

TEST_CASE("a rejection is retried only where the policy says so [T5 G10]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms), .breaker = true}};
  s.show(circuit_state::open, 2, s.now + 10s);
  SECTION("not by default") {
    s.call();
    CHECK(s.end().error == errc::circuit_open);
  }
  SECTION("or it is and the last one is told") {
    s.wishes.retried.insert(errc::circuit_open);
    s.call();
    CHECK(s.answers() == 0);
    s.pass(30ms);
    CHECK(s.end().error == errc::retries_exhausted);
    CHECK(s.end().last_error == errc::circuit_open);
    CHECK(s.end().attempts == 0);
    CHECK(s.end().retry_after == 10s - 30ms);
    CHECK(s.books().attempts == 0);
    CHECK(s.books().breaker.rejected == 3);
  }
}

TEST_CASE("the order is breaker then bulkhead then target [G8]", "[supervisor]") {
  recording_supervisor s{{.breaker = true, .bulkhead = true}};
  s.show(circuit_state::half_open, 7);
  s.call();
  CHECK(s.wishes.probes.size() == 1);
  CHECK(s.wishes.permit_questions.empty());
  s.let_probe(probe_of_seven);
  CHECK(s.wishes.permit_questions.size() == 1);
  CHECK(s.wishes.launched.empty());
  s.grant();
  CHECK(s.wishes.launched.size() == 1);
}
