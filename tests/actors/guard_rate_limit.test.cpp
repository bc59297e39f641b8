#include "support/guards.hpp"

/// @file A guard's rate limit. What it decides: tests/runtime/rate_limiter.test.cpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

constexpr auto two_a_second = rate_limit_policy{.calls = 2, .period = 1s, .burst = 2};

struct limited : guard_fixture {
  caf::actor limited_guard(const rate_limit_policy& rate) { return guard({.rate_limit = rate}); }

  reply_ptr ask_as(const std::string& tenant, const caf::actor& guard) {
    return sys.ask(guard, call_atom_v, call_context{.tenant = tenant},
                   caf::make_message(ask_atom_v, std::int32_t{1}));
  }
};

} // namespace

TEST_CASE("a guard lets in so many calls in a time and tells the others when they would pass [Q6]",
          "[guard]") {
  limited f;
  auto guard = f.limited_guard(two_a_second);
  for (auto i = 0; i < 2; ++i)
    f.sys.ask(guard, ask_atom_v, i);
  auto refused = f.sys.ask(guard, ask_atom_v, 2);
  REQUIRE(is(refused, errc::rate_limited));
  const auto report = report_of(refused->error());
  REQUIRE(report);
  CHECK(report->guard == "db");
  CHECK(report->retry_after == 500ms);
  CHECK(f.target.log->questions.size() == 2);
  CHECK(f.stats(guard).calls.rejected == 1);
  f.sys.advance(500ms);
  f.sys.ask(guard, ask_atom_v, 3);
  CHECK(f.target.log->questions.size() == 3);
}

TEST_CASE("a guard's calls wait for their place where they may [Q2] [Q6]", "[guard]") {
  limited f;
  auto guard = f.limited_guard({.calls = 10, .period = 1s, .burst = 1, .max_wait = 1s});
  for (auto i = 0; i < 5; ++i)
    f.sys.send(guard, ask_atom_v, i);
  f.sys.advance(410ms);
  REQUIRE(f.target.log->questions.size() == 5);
  for (auto i = 0; i < 5; ++i)
    CHECK(f.question(static_cast<std::size_t>(i)) == i);
}

TEST_CASE("each tenant has its own rate, and who names none share one [Q4] [Q6]", "[guard]") {
  limited f;
  auto rate = two_a_second;
  rate.max_keys = 64;
  auto guard = f.limited_guard(rate);
  for (const auto* tenant : {"one", "two"}) {
    for (auto i = 0; i < 2; ++i)
      CHECK(f.ask_as(tenant, guard)->count() == 0); // with the target
    CHECK(is(f.ask_as(tenant, guard), errc::rate_limited));
  }
  f.sys.ask(guard, ask_atom_v, 1);
  f.ask_as("", guard);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::rate_limited));
  CHECK(f.target.log->questions.size() == 6);
}

TEST_CASE("a rate out of range is refused by the node [Q5] [G13]", "[guard]") {
  limited f;
  CHECK_THROWS_WITH(f.guard({.rate_limit = rate_limit_policy{.calls = 0}}),
                    Catch::Contains("rate_limit.calls is 0, permitted: 1 .."));
}
