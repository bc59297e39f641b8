#include "support/recording_supervisor.hpp"

/// @file Which calls are tried again and when: budgets, the target's word, what may be done twice,
/// and other tiers' retries.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

/// A budget that has as many retries as it is given.
struct purse final : retry_allowance {
  int left = 0;
  int calls = 0;
  void on_call(instant) override { ++calls; }
  bool try_spend(instant) override { return left-- > 0; }
};

reply_class busy_for(timespan retry_after) {
  return error_class{.counts = true, .retryable = true, .retry_after = retry_after};
}

} // namespace

// -- the budget ----------------------------------------------------------------------

TEST_CASE("where the budget is empty the error comes back as it is and says no more [T32]",
          "[supervisor]") {
  purse budget;
  budget.left = 1;
  recording_supervisor s{{.retry = exactly(5, 10ms), .budget = &budget}};
  s.call();
  s.reply(transient_error);
  s.pass(11ms);
  REQUIRE(s.wishes.launched.size() == 2);
  s.reply(transient_error);
  CHECK_FALSE(s.end().error); // the target's own
  CHECK(s.end().no_more);
  CHECK(s.end().attempts == 2);
  CHECK(s.books().budget_refused == 1);
  CHECK(s.books().calls.failed == 1);
}

TEST_CASE("a timeout without a budget left is timed_out and not retries_exhausted [T32]",
          "[supervisor]") {
  purse budget;
  recording_supervisor s{{.attempt_timeout = 5ms, .retry = exactly(5, 10ms), .budget = &budget}};
  s.call();
  s.pass(7ms);
  CHECK(s.end().error == errc::timed_out);
  CHECK(s.end().no_more);
}

TEST_CASE("a retry is spent before its wait so that those in backoff count [T32]", "[supervisor]") {
  purse budget;
  budget.left = 1;
  recording_supervisor s{{.retry = exactly(2, 1h), .budget = &budget}};
  s.call();
  s.reply(transient_error); // waits for an hour
  s.call();
  s.reply(transient_error);
  CHECK(s.books().budget_refused == 1);
  CHECK(s.core.live() == 1);
}

TEST_CASE("a retry that is not made costs nothing [T32]", "[supervisor]") {
  purse budget;
  budget.left = 1;
  recording_supervisor s{{.deadline = 1s, .retry = exactly(2, 2s), .budget = &budget}};
  s.call();
  s.reply(transient_error); // no time for another
  CHECK(s.end().error == errc::retries_exhausted);
  s.call();
  s.reply(permanent_error);
  CHECK(budget.left == 1);
}

TEST_CASE("a call earns once and only with its first attempt at the target [T32]", "[supervisor]") {
  purse budget;
  budget.left = 10;
  recording_supervisor s{{.retry = exactly(3, 1ms), .bulkhead = true, .budget = &budget}};
  s.call();
  CHECK(budget.calls == 0); // it waits for a permit
  s.grant();
  CHECK(budget.calls == 1);
  s.reply(transient_error);
  s.pass(2ms);
  s.grant();
  REQUIRE(s.wishes.launched.size() == 2);
  CHECK(budget.calls == 1);
}

// -- the target's word ------------------------------------------------------------------

TEST_CASE("the wait begins when the error says to come back [T33]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms)}};
  s.call();
  s.reply(busy_for(2s));
  s.pass(2s + 9ms);
  CHECK(s.wishes.launched.size() == 1);
  s.pass(2ms);
  CHECK(s.wishes.launched.size() == 2);
}

TEST_CASE("with jitter nobody comes before the named time and not all at once [T33]",
          "[supervisor]") {
  auto policy = exactly(3, 100ms);
  policy.jitter = jitter_kind::full;
  recording_supervisor s{{.retry = policy}};
  for (auto i = 0; i < 100; ++i)
    s.call();
  const auto all = s.wishes.launched;
  for (auto each : all)
    s.reply(each, busy_for(1s));
  s.pass(1s - 1ns);
  CHECK(s.wishes.launched.size() == 100);
  s.pass(50ms);
  CHECK(s.wishes.launched.size() > 120);
  CHECK(s.wishes.launched.size() < 180);
  s.pass(52ms);
  CHECK(s.wishes.launched.size() == 200);
}

TEST_CASE("an error that names a time beyond max_retry_after comes back as it is [T33]",
          "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms)}}; // 60 s
  s.call();
  s.reply(busy_for(60s + 1ns));
  CHECK_FALSE(s.end().error);
  CHECK(s.books().told_not_to == 1);
  s.call();
  s.reply(busy_for(60s));
  CHECK(s.core.live() == 1);
}

TEST_CASE("an error that says not to come back is not tried again [T33]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms)}};
  s.call();
  s.reply(error_class{.counts = true, .retryable = true, .forbids_retry = true});
  CHECK_FALSE(s.end().error);
  CHECK(s.books().told_not_to == 1);
}

TEST_CASE("a named time beyond the deadline is said at once [T33 T8]", "[supervisor]") {
  recording_supervisor s{{.deadline = 1s, .retry = exactly(3, 1ms)}};
  s.call();
  s.reply(busy_for(1s));
  CHECK(s.end().error == errc::retries_exhausted);
  CHECK(s.end().retry_after == 1s);
}

TEST_CASE("an error may have a base delay of its own [T34]", "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms)}};
  s.call();
  s.reply(error_class{.counts = true, .retryable = true, .base_delay = 300ms});
  s.pass(299ms);
  CHECK(s.wishes.launched.size() == 1);
  s.pass(2ms);
  REQUIRE(s.wishes.launched.size() == 2);
  s.reply(transient_error); // the policy's own again, of the second attempt
  s.pass(19ms);
  CHECK(s.wishes.launched.size() == 2);
  s.pass(2ms);
  CHECK(s.wishes.launched.size() == 3);
}

// -- what may be done twice ----------------------------------------------------------------

TEST_CASE("a call that may not be made twice is not tried again once it may have begun [T35]",
          "[supervisor]") {
  recording_supervisor s{{.attempt_timeout = 5ms, .retry = exactly(3, 10ms)}};
  SECTION("an error of the target") {
    s.call({.idempotent = false});
    s.reply(transient_error);
    CHECK_FALSE(s.end().error);
  }
  SECTION("a timeout") {
    s.call({.idempotent = false});
    s.pass(7ms);
    CHECK(s.end().error == errc::timed_out);
  }
  SECTION("a target that was lost on the way") {
    s.call({.idempotent = false});
    s.core.on_lost(s.attempt(), s.now);
    CHECK(s.end().error == errc::target_lost);
  }
  SECTION("where the policy says so for those that say nothing") {
    s.limits.retry->idempotent = false;
    s.call();
    s.reply(transient_error);
    CHECK_FALSE(s.end().error);
  }
  CHECK(s.books().not_idempotent == 1);
  CHECK(s.books().retries == 0);
}

TEST_CASE("a call that may not be made twice is tried again where it surely was not begun [T35]",
          "[supervisor]") {
  recording_supervisor s{{.retry = exactly(3, 10ms), .bulkhead = true, .queue_timeout = 5ms}};
  s.wishes.retried.insert(errc::bulkhead_full);
  s.call({.idempotent = false});
  SECTION("refused") {
    s.refuse(errc::bulkhead_full);
  }
  SECTION("waited in vain") {
    s.pass(6ms);
  }
  SECTION("not delivered") {
    s.grant();
    s.core.on_lost(s.attempt(), s.now, false);
  }
  SECTION("refused further in") {
    s.grant();
    s.reply(error_class{.counts = false, .retryable = true, .begun = false});
  }
  CHECK(s.core.live() == 1);
  s.pass(12ms);
  s.grant();
  s.reply(good);
  CHECK_FALSE(s.end().error);
  CHECK(s.books().calls.succeeded == 1);
  CHECK(s.books().not_idempotent == 0);
}

TEST_CASE("a call's own word counts before the policy's [T35]", "[supervisor]") {
  auto policy = exactly(2, 1ms);
  policy.idempotent = false;
  recording_supervisor s{{.retry = policy}};
  s.call({.idempotent = true});
  s.reply(transient_error);
  CHECK(s.core.live() == 1);
}

// -- other tiers --------------------------------------------------------------------------

TEST_CASE("a call that is somebody's retry is not tried again here and earns nothing [T36]",
          "[supervisor]") {
  purse budget;
  budget.left = 10;
  recording_supervisor s{{.retry = exactly(3, 10ms), .budget = &budget}};
  s.call({.attempt = 2});
  s.reply(transient_error);
  CHECK_FALSE(s.end().error);
  CHECK_FALSE(s.end().no_more); // whose retry it is may go on
  CHECK(s.books().left_to_others == 1);
  CHECK(budget.calls == 0);
  CHECK(budget.left == 10);
}

// -- what was given up ----------------------------------------------------------------------

TEST_CASE("attempts that nobody waits for are counted by whether the target has them [R35]",
          "[supervisor]") {
  recording_supervisor s{{.deadline = 10ms, .bulkhead = true}};
  SECTION("not begun") {
    s.call();
    SECTION("its time was up") {
      s.pass(12ms);
    }
    SECTION("it was taken back") {
      s.core.cancel(0, s.now);
    }
    CHECK(s.books().saved == 1);
    CHECK(s.books().cut == 0);
  }
  SECTION("never to begin") {
    s.call({.remaining = 0ns});
    CHECK(s.books().saved == 1);
  }
  SECTION("begun") {
    s.call();
    s.grant();
    SECTION("its time was up") {
      s.pass(12ms);
    }
    SECTION("it was taken back") {
      s.core.cancel(s.attempt().slot, s.now);
    }
    CHECK(s.books().saved == 0);
    CHECK(s.books().cut == 1);
  }
  CHECK(s.answers() == 1);
}
