#include "support/recording_supervisor.hpp"

/// @file Calls with a second copy: which answers, what becomes of the other, and what is counted.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

/// A supervisor whose calls get a second copy after 10 ms.
struct hedged_supervisor : recording_supervisor {
  hedging hedge;

  explicit hedged_supervisor(supervisor_limits first,
                             const hedge_policy& policy = {.delay = 10ms, .ratio = 1})
      : recording_supervisor(first), hedge(policy, now) {
    limits.hedge = &hedge;
  }

  [[nodiscard]] attempt_id copy(std::size_t number) const {
    REQUIRE(wishes.launched.size() >= number);
    return wishes.launched[number - 1];
  }

  /// Each call has its end, and nothing of it is left.
  void check_at_rest() const {
    CHECK(core.live() == 0);
    CHECK(core.permits_in_use() == 0);
    CHECK(books().attempts == wishes.launched.size());
    CHECK(books().breaker.in_flight == 0);
    CHECK(books().bulkhead.in_flight == 0);
  }
};

} // namespace

TEST_CASE("a call that takes long gets a second copy, and the first reply is the answer [J1] [J4]",
          "[hedge]") {
  hedged_supervisor s{{.deadline = 1s}};
  s.call();
  s.pass(9ms);
  CHECK(s.wishes.launched.size() == 1);
  s.pass(2ms);
  REQUIRE(s.wishes.launched.size() == 2);
  const auto won = GENERATE(1U, 2U);
  CHECK(s.reply(s.copy(won), good));
  CHECK_FALSE(s.end().error);
  CHECK(s.end().attempts == 2);
  // The other is cut, and its reply is nobody's.
  REQUIRE(s.wishes.cuts.size() == 1);
  CHECK(s.wishes.cuts[0] == std::pair{s.copy(3 - won), errc::cancelled});
  CHECK_FALSE(s.reply(s.copy(3 - won), good));
  CHECK(s.answers() == 1);
  CHECK(s.books().hedges == 1);
  CHECK(s.books().hedges_won == (won == 2 ? 1 : 0));
  CHECK(s.books().retries == 0);
  CHECK(s.books().calls.succeeded == 1);
  s.check_at_rest();
}

TEST_CASE("a call that has its reply in time gets no second copy [J1]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s}};
  s.call();
  s.pass(9ms);
  s.reply(good);
  s.pass(100ms);
  CHECK(s.wishes.launched.size() == 1);
  CHECK(s.books().hedges == 0);
  s.check_at_rest();
}

TEST_CASE("a copy that fails is not the answer as long as the other may succeed [J5]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s}};
  s.call();
  s.pass(11ms);
  const auto failed = GENERATE(1U, 2U);
  CHECK(s.reply(s.copy(failed), permanent_error));
  CHECK(s.answers() == 0);
  s.reply(s.copy(3 - failed), good);
  CHECK_FALSE(s.end().error);
  CHECK(s.books().calls.succeeded == 1);
  s.check_at_rest();
}

TEST_CASE("a try has two copies at most, whatever becomes of the first [J6]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s, .bulkhead = true}};
  s.call();
  s.grant();
  s.pass(11ms);
  s.reply(s.copy(1), permanent_error);
  s.grant();
  REQUIRE(s.wishes.launched.size() == 2);
  s.pass(100ms);
  CHECK(s.wishes.launched.size() == 2);
  CHECK(s.books().hedges == 1);
}

TEST_CASE("where both copies fail the last error is the answer, or tried again as one try [J5]",
          "[hedge]") {
  hedged_supervisor s{{.deadline = 1s, .retry = exactly(2, 5ms)}};
  s.call();
  s.pass(11ms);
  s.reply(s.copy(1), transient_error);
  s.reply(s.copy(2), transient_error);
  CHECK(s.answers() == 0);
  s.pass(6ms);
  REQUIRE(s.wishes.launched.size() == 3);
  s.reply(s.copy(3), transient_error);
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().attempts == 3);
  CHECK(s.books().retries == 1);
  CHECK(s.books().hedges == 1);
  s.check_at_rest();
}

TEST_CASE("a second copy that no part lets in does no harm [J5] [G10]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s, .breaker = true, .bulkhead = true}};
  s.call();
  s.grant();
  SECTION("the circuit is open") {
    s.show(circuit_state::open, 2, s.now + 1h);
    s.pass(11ms);
  }
  SECTION("the bulkhead is full") {
    s.pass(11ms);
    REQUIRE(s.wishes.permit_questions.size() == 2);
    s.refuse(errc::bulkhead_full);
  }
  CHECK(s.answers() == 0);
  CHECK(s.wishes.launched.size() == 1);
  s.reply(s.copy(1), good);
  CHECK_FALSE(s.end().error);
  CHECK(s.books().hedges == 0);
  CHECK(s.books().calls.rejected == 0);
  s.check_at_rest();
}

TEST_CASE("a second copy that waits for a permit is withdrawn when the first has its reply [J4]",
          "[hedge]") {
  hedged_supervisor s{{.deadline = 1s, .bulkhead = true}};
  s.call();
  s.grant();
  s.pass(11ms);
  REQUIRE(s.wishes.permit_questions.size() == 2);
  s.reply(s.copy(1), good);
  CHECK(s.wishes.withdrawals == std::vector{s.wishes.permit_questions[1]});
  s.grant(); // it was under way
  CHECK(s.wishes.returned == 2);
  s.check_at_rest();
}

TEST_CASE("what ends a call ends both copies: deadline, caller, guard [J4] [G3]", "[hedge]") {
  hedged_supervisor s{{.deadline = 50ms, .breaker = true}};
  const auto slot = s.call();
  s.pass(11ms);
  REQUIRE(s.wishes.launched.size() == 2);
  SECTION("deadline") {
    s.pass(50ms);
    CHECK(s.end().error == errc::timed_out);
    CHECK(s.books().breaker.timed_out == 2);
  }
  SECTION("caller") {
    s.core.cancel(slot, s.now);
    CHECK(s.end().error == errc::cancelled);
    CHECK(s.books().breaker.cancelled == 2);
  }
  SECTION("guard") {
    s.core.shut_down(false, s.now);
    CHECK(s.end().error == errc::shutting_down);
  }
  SECTION("target") {
    s.core.on_target_lost(s.now);
    CHECK(s.end().error == errc::target_lost);
    CHECK(s.wishes.cuts.empty());
  }
  CHECK(s.answers() == 1);
  s.check_at_rest();
}

TEST_CASE("only what may be made twice, and is nobody's second attempt, is hedged [J6]",
          "[hedge]") {
  hedged_supervisor s{{.deadline = 1s}};
  s.call({.idempotent = false});
  s.call({.attempt = 2});
  s.call({.keeps_worker = true});
  s.pass(100ms);
  CHECK(s.wishes.launched.size() == 3);
  CHECK(s.books().hedges == 0);
}

TEST_CASE("where the budget is empty there is no second copy, and it is counted [J2]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s}, {.delay = 10ms, .ratio = 0.5}};
  s.call();
  s.call();
  s.pass(11ms);
  CHECK(s.wishes.launched.size() == 3);
  CHECK(s.books().hedges == 1);
  CHECK(s.books().hedges_refused == 1);
}

TEST_CASE("the attempt timeout holds for each copy from its own start [J4] [G8]", "[hedge]") {
  hedged_supervisor s{{.attempt_timeout = 30ms}};
  s.call();
  s.pass(11ms);
  REQUIRE(s.wishes.launched.size() == 2);
  CHECK(s.core.time_left(s.copy(1), s.now) <= 20ms);
  CHECK(s.core.time_left(s.copy(2), s.now) >= 28ms);
  s.pass(21ms);
  CHECK(s.answers() == 0); // the first is over, the second isn't
  CHECK(s.wishes.cuts.size() == 1);
  s.reply(s.copy(2), good);
  CHECK_FALSE(s.end().error);
  s.check_at_rest();
}

TEST_CASE("an attempt that gets a second copy ends by the timeout that it began with [J4]",
          "[hedge]") {
  hedged_supervisor s{{.attempt_timeout = 30ms}};
  s.call();
  s.limits.attempt_timeout = 15ms;
  s.pass(20ms);
  REQUIRE(s.wishes.launched.size() == 2);
  CHECK(s.wishes.cuts.empty());
  s.pass(7ms); // the copy began at 10 ms, with the new one
  CHECK(s.wishes.cuts == std::vector{std::pair{s.copy(2), errc::timed_out}});
  s.pass(5ms);
  CHECK(s.wishes.cuts.size() == 2);
  CHECK(s.end().error == errc::timed_out);
}

TEST_CASE("a loser says nothing about the target, and its probe goes back [J4] [C14]", "[hedge]") {
  hedged_supervisor s{{.deadline = 1s, .breaker = true}};
  s.call();
  s.show(circuit_state::half_open, 2);
  s.pass(11ms);
  REQUIRE(s.wishes.probes.size() == 1);
  s.let_probe({.generation = 2, .probe = 1});
  REQUIRE(s.wishes.launched.size() == 2);
  s.reply(s.copy(1), good);
  const auto& last = s.wishes.outcomes.back();
  CHECK(last.held == permit{.generation = 2, .probe = 1});
  CHECK_FALSE(last.failed);
  s.check_at_rest();
}

TEST_CASE("a timer that is so late that the time of the first copy is up makes no second one [J1]",
          "[hedge]") {
  hedged_supervisor s{{.deadline = 15ms, .breaker = true}};
  s.call();
  s.now += 20ms;
  s.core.on_tick(s.now);
  CHECK(s.wishes.launched.size() == 1);
  CHECK(s.books().hedges_refused == 0);
  CHECK(s.end().error == errc::timed_out);
  // And the target's failure is one.
  REQUIRE(s.wishes.outcomes.size() == 1);
  CHECK(s.wishes.outcomes.back().failed);
  s.check_at_rest();
}
