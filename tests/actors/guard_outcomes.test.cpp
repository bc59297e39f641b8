// What guards tell breakers of the outcomes that they see, and what comes of it.
#include "support/guards.hpp"

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct fixture {
  virtual_system sys;
  virtual_node node{sys};
  caf::actor target = sys->spawn(doubling_target);
  virtual_system::manual slow_target = sys.spawn_manual();

  caf::actor guard(const guard_policy& policy, const std::string& name = "db") {
    return made(node->guard(name, target, policy));
  }
  caf::actor made(caf::actor guard) {
    sys.run();
    return guard;
  }
  void succeed(const caf::actor& guard, int times = 1) {
    for (auto i = 0; i < times; ++i)
      CHECK_FALSE(sys.ask(guard, ask_atom_v, 1)->is_error());
  }
  void fail(const caf::actor& guard, int times = 1) {
    for (auto i = 0; i < times; ++i)
      CHECK(sys.ask(guard, ask_atom_v, -1)->error() == target_error::broken);
  }
  circuit_breaker_stats stats(const caf::actor& breaker) {
    return sys.get<circuit_breaker_stats>(breaker, get_stats_atom_v);
  }
};

circuit_breaker_policy with_window() {
  return {.failure_threshold = 0,
          .open_for = 10s,
          .count_window = count_window{.size = 20, .failure_ratio = 0.5, .minimum_calls = 20}};
}

} // namespace

TEST_CASE("a guard's window has every call of it, in their order, when it decides [C16 C20]",
          "[guard]") {
  fixture f;
  auto breaker = f.node->circuit_breaker("db", with_window());
  auto guard = f.guard({.breaker = breaker});
  f.succeed(guard, 11);
  f.fail(guard, 9);
  CHECK(f.stats(breaker).window == outcome_counts{.calls = 20, .failed = 9, .slow = 0});
  f.fail(guard); // the oldest success is forgotten for it
  CHECK(f.stats(breaker).state == circuit_state::open);
  CHECK(f.sys.ask(guard, ask_atom_v, 1)->error() == errc::circuit_open);
}

TEST_CASE("a breaker's statistics have what its guards have seen and not told yet [C21]",
          "[guard]") {
  fixture f;
  auto breaker = f.node->circuit_breaker("db", with_window());
  auto one = f.guard({.breaker = breaker}, "one");
  auto another = f.guard({.breaker = breaker}, "another");
  f.succeed(one, 3);
  f.succeed(another, 2);
  CHECK(f.stats(breaker).window.calls == 5);
  f.succeed(one);
  one = nullptr; // a guard that ends has its last successes told
  f.sys.run();
  CHECK(f.stats(breaker).window.calls == 6);
  CHECK(f.stats(breaker).trips == 0);
  f.fail(another, 14);
  CHECK(f.stats(breaker).trips == 1);
}

TEST_CASE("a policy that gets a window while guards use it has their successes from then on [C32]",
          "[guard]") {
  fixture f;
  auto breaker = f.node->circuit_breaker("db", {});
  auto guard = f.guard({.breaker = breaker});
  f.succeed(guard, 100);
  CHECK(f.stats(breaker).window.calls == 0);
  CHECK_FALSE(f.sys.ask(breaker, change_policy_atom_v, with_window())->is_error());
  f.succeed(guard, 7);
  CHECK(f.stats(breaker).window.calls == 7);
}

TEST_CASE("attempts that take too long open the circuit though they succeed [C19]", "[guard]") {
  fixture f;
  auto policy = with_window();
  policy.count_window = count_window{.size = 8, .minimum_calls = 8, .slow_ratio = 1.0};
  policy.slow_call_duration = 2s;
  auto guard = f.made(f.node->guard("slow", f.slow_target.handle, {.breaker = policy}));
  for (std::uint64_t i = 0; i < 8; ++i) {
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.advance(2s);
    f.sys.ask(f.slow_target.handle, answer_atom_v, i, caf::make_message(std::int32_t{2}));
    CHECK_FALSE(answer->is_error());
  }
  CHECK(f.sys.ask(guard, ask_atom_v, 1)->error() == errc::circuit_open);
}

TEST_CASE("a target that says when to come back opens the circuit for that long [C27]", "[guard]") {
  fixture f;
  auto guard = f.made(f.node->guard(
      "busy", f.slow_target.handle,
      {.breaker = circuit_breaker_policy{.open_for = 1s, .open_on_retry_after = true}}));
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.ask(f.slow_target.handle, answer_atom_v, std::uint64_t{0},
            caf::make_message(caf::make_error(target_error::busy, bulwark::retry_after{30s})));
  CHECK(answer->error() == target_error::busy);
  auto refused = f.sys.ask(guard, ask_atom_v, 1);
  REQUIRE(is(refused, errc::circuit_open));
  CHECK(report_of(refused->error())->retry_after == 30s);
  f.sys.advance(29s);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::circuit_open));
  f.sys.advance(1s);
  static_cast<void>(f.sys.ask(guard, ask_atom_v, 1));
  CHECK(f.slow_target.log->questions.size() == 2);
}

TEST_CASE("metrics_only passes everything on and tells what would have opened it [C28]",
          "[guard]") {
  fixture f;
  auto breaker = f.node->circuit_breaker(
      "db", {.failure_threshold = 3, .initial_state = circuit_state::metrics_only});
  auto guard = f.guard({.breaker = breaker});
  f.fail(guard, 10);
  f.succeed(guard);
  auto seen = f.stats(breaker);
  CHECK(seen.state == circuit_state::metrics_only);
  CHECK(seen.trips == 1);
  CHECK(seen.calls.rejected == 0);
  CHECK_FALSE(f.sys.ask(breaker, reset_atom_v)->is_error());
  CHECK(f.stats(breaker).state == circuit_state::closed);
  CHECK_FALSE(f.sys.ask(breaker, metrics_only_atom_v)->is_error());
  CHECK(f.stats(breaker).state == circuit_state::metrics_only);
}

TEST_CASE("outcomes seen outside may say how long they took [C19 C7]", "[guard]") {
  fixture f;
  auto policy = with_window();
  policy.slow_call_duration = 2s;
  auto breaker = f.node->circuit_breaker("db", policy);
  CHECK_FALSE(f.sys.ask(breaker, record_success_atom_v, timespan{2s})->is_error());
  CHECK_FALSE(f.sys.ask(breaker, record_failure_atom_v, timespan{1s})->is_error());
  CHECK(f.stats(breaker).window == outcome_counts{.calls = 2, .failed = 1, .slow = 1});
}

TEST_CASE("a circuit that has closed lets a share through that rises to all [C25 C26]", "[guard]") {
  fixture f;
  auto guard = f.guard(
      {.breaker = circuit_breaker_policy{
           .failure_threshold = 1, .success_threshold = 1, .open_for = 1s, .ramp_for = 10s}});
  f.fail(guard);
  f.sys.advance(1s);
  f.succeed(guard); // the probe
  const auto let_through = [&] {
    auto result = 0;
    for (auto i = 0; i < 500; ++i)
      result += f.sys.ask(guard, ask_atom_v, 1)->is_error() ? 0 : 1;
    return result;
  };
  const auto at_first = let_through();
  CHECK(at_first > 10);
  CHECK(at_first < 120);
  f.sys.advance(5s);
  const auto in_the_middle = let_through();
  CHECK(in_the_middle > 200);
  CHECK(in_the_middle < 350);
  f.sys.advance(5s);
  CHECK(let_through() == 500);
}

// -- results that are failures ------------------------------------------------------------

TEST_CASE("a reply that is a failure counts, is tried again, and comes back as it is [C30]",
          "[guard]") {
  fixture f;
  const auto is_zero = [](const caf::message& reply) {
    return reply.match_elements<std::int32_t>() && reply.get_as<std::int32_t>(0) == 0;
  };
  auto breaker = f.node->circuit_breaker("db", {.failure_threshold = 3});
  auto guard = f.guard({.retry = retry_policy{.max_attempts = 3, .base_delay = 0s},
                        .breaker = breaker,
                        .failure_on_result = is_zero});
  auto answer = f.sys.ask(guard, ask_atom_v, 0);
  f.sys.advance(1s);
  REQUIRE(answer->count() == 1);
  REQUIRE_FALSE(answer->is_error());
  CHECK(answer->content().get_as<std::int32_t>(0) == 0);
  const auto seen = f.sys.get<guard_stats>(guard, get_stats_atom_v);
  CHECK(seen.attempts == 3);
  CHECK(seen.calls.failed == 1);
  CHECK(f.stats(breaker).state == circuit_state::open);
}

TEST_CASE("a question about results that throws makes a failure that is not tried again [C30]",
          "[guard]") {
  fixture f;
  auto guard =
      f.guard({.retry = retry_policy{}, .failure_on_result = [](const caf::message&) -> bool {
                 throw std::runtime_error{"thrown by the predicate"};
               }});
  f.succeed(guard);
  const auto seen = f.sys.get<guard_stats>(guard, get_stats_atom_v);
  CHECK(seen.attempts == 1);
  CHECK(seen.calls.failed == 1);
}
