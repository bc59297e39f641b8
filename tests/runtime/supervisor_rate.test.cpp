#include "support/recording_supervisor.hpp"

/// @file A rate limit in front of a supervisor.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

struct limited_supervisor : recording_supervisor {
  rate_gate gate;

  limited_supervisor(supervisor_limits first, const rate_limit_policy& policy)
      : recording_supervisor(first), gate(policy) {
    limits.rate = &gate;
  }
};

} // namespace

TEST_CASE("calls beyond the rate are refused and say when they would pass [Q6]", "[supervisor]") {
  limited_supervisor s{{.breaker = true}, {.calls = 10, .period = 1s, .burst = 2}};
  s.call();
  s.call();
  CHECK(s.wishes.launched.size() == 2);
  s.call();
  REQUIRE(s.answers() == 1);
  CHECK(s.end().error == errc::rate_limited);
  CHECK(s.end().retry_after == 100ms);
  CHECK(s.end().attempts == 0);
  CHECK(s.books().calls.rejected == 1);
  CHECK(s.books().breaker.calls == 2); // it never came so far
  s.pass(100ms);
  s.call();
  CHECK(s.wishes.launched.size() == 3);
}

TEST_CASE("a call that may wait begins in its place [Q6]", "[supervisor]") {
  limited_supervisor s{{}, {.calls = 10, .period = 1s, .burst = 1, .max_wait = 250ms}};
  for (auto i = 0; i < 4; ++i)
    s.call();
  CHECK(s.wishes.launched.size() == 1);
  CHECK(s.end().error == errc::rate_limited); // the fourth would have to wait for 300 ms
  s.pass(99ms);
  CHECK(s.wishes.launched.size() == 1);
  s.pass(3ms);
  CHECK(s.wishes.launched.size() == 2);
  s.pass(100ms);
  CHECK(s.wishes.launched.size() == 3);
  CHECK(s.wishes.launched[1].slot == s.wishes.launched[0].slot + 1); // in order
}

TEST_CASE("a call doesn't wait for a place beyond its deadline, and may be taken back [Q6]",
          "[supervisor]") {
  limited_supervisor s{{.deadline = 50ms}, {.calls = 10, .period = 1s, .burst = 1, .max_wait = 1s}};
  s.call();
  SECTION("beyond its deadline") {
    s.call();
    CHECK(s.end().error == errc::rate_limited);
    CHECK(s.end().elapsed == 0ms);
  }
  SECTION("taken back") {
    const auto slot = s.call({.deadline = 1s});
    CHECK(s.answers() == 0);
    s.core.cancel(slot, s.now);
    CHECK(s.end().error == errc::cancelled);
    s.pass(45ms);
    CHECK(s.wishes.launched.size() == 1);
  }
}

TEST_CASE("a call's retries are not counted again [Q6]", "[supervisor]") {
  limited_supervisor s{{.retry = exactly(3, 1ms)}, {.calls = 1, .period = 1h, .burst = 1}};
  s.call();
  s.reply(transient_error);
  s.pass(2ms);
  s.reply(transient_error);
  s.pass(4ms);
  CHECK(s.wishes.launched.size() == 3);
  s.reply(good);
  CHECK_FALSE(s.end().error);
}

TEST_CASE("each tenant has a rate of its own [Q4] [Q6]", "[supervisor]") {
  limited_supervisor s{{}, {.calls = 1, .period = 1h, .burst = 1, .max_keys = 64}};
  for (std::uint64_t tenant : {1U, 2U, 3U, 1U, 2U, 0U})
    s.call({.tenant = tenant});
  CHECK(s.wishes.launched.size() == 4);
  CHECK(s.answers() == 2);
  CHECK(s.books().calls.rejected == 2);
}
