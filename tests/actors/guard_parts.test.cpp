#include "support/guards.hpp"

#include <algorithm>

// How the parts of a guard stand to each other, and what a policy says about them.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

retry_policy tries(std::uint32_t n, timespan delay = 100ms) {
  return {.max_attempts = n, .base_delay = delay, .jitter = jitter_kind::none};
}

} // namespace

TEST_CASE("the total deadline is outermost and ends the retries [G8]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s, .attempt_timeout = 400ms, .retry = tries(100, 10ms)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(990ms);
  CHECK(answer->count() == 0);
  f.sys.advance(20ms);
  CHECK(is(answer, errc::timed_out));
  CHECK(f.target.log->questions.size() == 3);
}

TEST_CASE("retry is outside of the breaker so an attempt meets the circuit as it is then [G8]",
          "[guard]") {
  guard_fixture f;
  auto guard =
      f.guard({.deadline = 1h,
               .retry = tries(10, 1s),
               .breaker = circuit_breaker_policy{.failure_threshold = 2, .open_for = 60s}});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, error_mark::transient));
  f.sys.advance(1010ms);
  f.sys.answer(f.target, 1, caf::make_error(target_error::busy, error_mark::transient));
  f.sys.advance(3s); // the circuit is open: what is not retried ends the call
  CHECK(is(answer, errc::circuit_open));
  CHECK(f.target.log->questions.size() == 2);
}

TEST_CASE("the breaker is outside of the bulkhead so an open circuit takes no permit [G8]",
          "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b");
  auto pool = f.node->bulkhead("p", {.max_workers = 1, .queue_size = 0});
  auto guard = f.guard({.breaker = breaker, .bulkhead = pool});
  f.sys.ask(breaker, force_open_atom_v);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::circuit_open));
  CHECK(f.bulkhead_stats(pool).calls == 0);
}

TEST_CASE("trap 10: the attempt timeout starts with the attempt and not in the queue [G8]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard(
      {.attempt_timeout = 1s, .bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 1}});
  auto first = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(900ms);
  auto second = f.sys.ask(guard, ask_atom_v, 2);
  f.sys.advance(110ms);
  CHECK(is(first, errc::timed_out));
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.advance(900ms); // longer than a second since it was asked
  CHECK(second->count() == 0);
  f.sys.answer(f.target, 1, std::int32_t{4});
  CHECK(second->as<std::int32_t>() == 4);
}

TEST_CASE("every attempt needs its own permission of breaker and bulkhead [G9]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 100});
  auto pool = f.node->bulkhead("p", {.max_workers = 1, .queue_size = 5});
  auto guard = f.guard({.retry = tries(3, 1s), .breaker = breaker, .bulkhead = pool});
  auto retried = f.sys.ask(guard, ask_atom_v, 1);
  auto other = f.sys.ask(guard, ask_atom_v, 2);
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, error_mark::transient));
  // In its backoff the first has no permit: the other one has it.
  REQUIRE(f.target.log->questions.size() == 2);
  CHECK(f.question(1) == 2);
  f.sys.advance(1010ms);
  CHECK(f.target.log->questions.size() == 2); // queued for its second attempt
  f.sys.answer(f.target, 1, std::int32_t{0});
  REQUIRE(f.target.log->questions.size() == 3);
  f.sys.answer(f.target, 2, std::int32_t{0});
  CHECK(retried->as<std::int32_t>() == 0);
  CHECK(other->as<std::int32_t>() == 0);
  CHECK(f.breaker_stats(breaker).calls.calls == 3);
  CHECK(f.bulkhead_stats(pool).calls == 3);
}

TEST_CASE("a rejection by the bulkhead is no failure in the books of the breaker [G10]",
          "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 1});
  auto pool = f.node->bulkhead("p", {.max_workers = 1, .queue_size = 0});
  auto guard = f.guard({.breaker = breaker, .bulkhead = pool});
  auto first = f.sys.ask(guard, ask_atom_v, 1);
  for (std::int32_t i = 0; i < 10; ++i)
    CHECK(is(f.sys.ask(guard, ask_atom_v, i), errc::bulkhead_full));
  auto books = f.breaker_stats(breaker);
  CHECK(books.state == circuit_state::closed);
  CHECK(books.calls.failed == 0);
  CHECK(books.calls.rejected == 0); // it was not the breaker that refused
  CHECK(books.calls.balanced());
  CHECK(f.stats(guard).calls.rejected == 10);
  CHECK(f.bulkhead_stats(pool).rejected == 10);
}

TEST_CASE("a probe that the bulkhead refuses goes back to the breaker [G10]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker(
      "b", {.failure_threshold = 1, .success_threshold = 1, .open_for = 1s, .half_open_calls = 1});
  auto pool = f.node->bulkhead("p", {.max_workers = 1, .queue_size = 0});
  auto guard = f.guard({.breaker = breaker, .bulkhead = pool});
  auto holder = f.node->guard("holder", f.target.handle, {.bulkhead = pool});
  f.sys.ask(breaker, record_failure_atom_v);
  auto held = f.sys.ask(holder, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::bulkhead_full));
  CHECK(f.breaker_stats(breaker).state == circuit_state::half_open);
  CHECK(f.breaker_stats(breaker).probes == 0);
  f.sys.answer(f.target, 0, std::int32_t{0});
  auto probe = f.sys.ask(guard, ask_atom_v, 3);
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, std::int32_t{6});
  CHECK(probe->as<std::int32_t>() == 6);
  CHECK(f.breaker_stats(breaker).state == circuit_state::closed);
}

TEST_CASE("calls and attempts are counted apart [G11 K5]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 100});
  auto guard = f.guard({.retry = tries(3, 1s), .breaker = breaker});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  for (std::uint64_t i = 0; i < 3; ++i) {
    f.sys.answer(f.target, i, caf::make_error(target_error::busy, error_mark::transient));
    f.sys.advance(10s);
  }
  CHECK(is(answer, errc::retries_exhausted));
  auto books = f.stats(guard);
  CHECK(books.calls.calls == 1);
  CHECK(books.calls.failed == 1);
  CHECK(books.attempts == 3);
  CHECK(books.retries == 2);
  CHECK(f.breaker_stats(breaker).calls.failed == 3); // each attempt once
}

TEST_CASE("the same name with an equal policy is the same part and else duplicate_name [G12]",
          "[guard]") {
  guard_fixture f;
  CHECK(f.node->circuit_breaker("b", {.failure_threshold = 2})
        == f.node->circuit_breaker("b", {.failure_threshold = 2}));
  CHECK(f.node->bulkhead("b") == f.node->bulkhead("b"));
  const auto code_of = [](auto make) {
    try {
      make();
    } catch (const policy_error& error) {
      return error.code();
    }
    return errc::cancelled;
  };
  CHECK(code_of([&] { f.node->circuit_breaker("b", {.failure_threshold = 3}); })
        == errc::duplicate_name);
  CHECK(code_of([&] { f.node->bulkhead("b", {.max_workers = 1}); }) == errc::duplicate_name);
  // A guard's own part has the guard's name, and meets the one that is there.
  CHECK(code_of([&] {
          static_cast<void>(
              f.node->guard("b", f.target.handle, {.breaker = circuit_breaker_policy{}}));
        })
        == errc::duplicate_name);
  auto shares = f.guard({.breaker = circuit_breaker_policy{.failure_threshold = 2}}, "b");
  CHECK(code_of([&] { static_cast<void>(f.guard({}, "b")); }) == errc::duplicate_name);
}

TEST_CASE("two guards given the same named breaker share its state [G14]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 2});
  auto one = f.guard({.breaker = breaker}, "one");
  auto two = f.guard({.breaker = breaker}, "two");
  f.sys.ask(one, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
  f.sys.ask(two, ask_atom_v, 2);
  f.sys.answer(f.target, 1, caf::make_error(target_error::broken));
  CHECK(is(f.sys.ask(one, ask_atom_v, 3), errc::circuit_open));
  CHECK(is(f.sys.ask(two, ask_atom_v, 4), errc::circuit_open));
}

TEST_CASE("two guards given the same named bulkhead share its permits [G14]", "[guard]") {
  guard_fixture f;
  auto pool = f.node->bulkhead("p", {.max_workers = 2, .queue_size = 1});
  auto one = f.guard({.bulkhead = pool}, "one");
  auto two = f.guard({.bulkhead = pool}, "two");
  f.sys.ask(one, ask_atom_v, 1);
  f.sys.ask(two, ask_atom_v, 2);
  auto queued = f.sys.ask(one, ask_atom_v, 3);
  CHECK(is(f.sys.ask(two, ask_atom_v, 4), errc::bulkhead_full));
  CHECK(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, std::int32_t{0}); // the other guard's permit is given on
  CHECK(f.target.log->questions.size() == 3);
}

TEST_CASE("what a policy does not name is off [G15]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({});
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 300; ++i) // no bulkhead
    answers.push_back(f.sys.ask(guard, ask_atom_v, i));
  CHECK(f.target.log->questions.size() == 300);
  f.sys.advance(24h);                     // no deadline
  for (std::uint64_t i = 0; i < 100; ++i) // no breaker and no retry
    f.sys.answer(f.target, i, caf::make_error(target_error::busy, error_mark::transient));
  CHECK(f.target.log->questions.size() == 300);
  CHECK(std::all_of(answers.begin(), answers.begin() + 100, [](const reply_ptr& answer) {
    return answer->count() == 1 && answer->error() == target_error::busy;
  }));
  CHECK(f.stats(guard).calls.in_flight == 200);
  auto last = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.target.log->questions.size() == 301);
}

TEST_CASE("a wrong policy of a guard throws and names each field [G13 P4]", "[guard]") {
  guard_fixture f;
  struct wrong {
    guard_policy policy;
    std::string text;
  };
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  const auto retry = [](auto change) {
    retry_policy result;
    change(result);
    return guard_policy{.retry = result};
  };
  const auto breaker = [](auto change) {
    circuit_breaker_policy result;
    change(result);
    return guard_policy{.breaker = result};
  };
  const auto bulkhead = [](auto change) {
    bulkhead_policy result;
    change(result);
    return guard_policy{.bulkhead = result};
  };
  const auto years = longest_timespan + timespan{1};
  const std::vector<wrong> all{
      {{.deadline = 0s}, "guard.deadline is 0"},
      {{.deadline = -1s}, "guard.deadline is -1s, permitted: 1ns .. "},
      {{.deadline = years}, "guard.deadline is "},
      {{.attempt_timeout = 0s}, "guard.attempt_timeout is 0"},
      {{.attempt_timeout = -5ms}, "guard.attempt_timeout is -5ms, permitted: 1ns .. "},
      {{.attempt_timeout = years}, "guard.attempt_timeout is "},
      {retry([](auto& p) { p.max_attempts = 0; }),
       "retry.max_attempts is 0, permitted: 1 .. 1000000"},
      {retry([](auto& p) { p.max_attempts = 1'000'001; }),
       "retry.max_attempts is 1000001, permitted: 1 .. 1000000"},
      {retry([](auto& p) { p.base_delay = -1s; }), "retry.base_delay is -1s, permitted: 0"},
      {retry([&](auto& p) { p.base_delay = years; }), "retry.base_delay is "},
      {retry([](auto& p) { p.exponential_base = 0.99; }),
       "retry.exponential_base is 0.99, permitted: 1"},
      {retry([](auto& p) { p.exponential_base = std::numeric_limits<double>::infinity(); }),
       "retry.exponential_base is inf, permitted: 1"},
      {retry([&](auto& p) { p.exponential_base = nan; }),
       "retry.exponential_base is nan, permitted: 1"},
      {retry([](auto& p) { p.max_delay = -1s; }), "retry.max_delay is -1s, permitted: 0"},
      {retry([&](auto& p) { p.max_delay = years; }), "retry.max_delay is "},
      {retry([](auto& p) { p.jitter = static_cast<jitter_kind>(9); }),
       "retry.jitter is 9, permitted: none"},
      {breaker([](auto& p) { p.failure_threshold = 0; }),
       "circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000"},
      {breaker([](auto& p) { p.failure_threshold = 1'000'001; }),
       "circuit_breaker.failure_threshold is 1000001, permitted: 1 .. 1000000"},
      {breaker([](auto& p) { p.success_threshold = 0; }),
       "circuit_breaker.success_threshold is 0, permitted: 1"},
      {breaker([](auto& p) { p.success_threshold = 4'000'000'000; }),
       "circuit_breaker.success_threshold is 4000000000, permitted: 1"},
      {breaker([](auto& p) { p.open_for = -1s; }), "circuit_breaker.open_for is -1s, permitted: "},
      {breaker([&](auto& p) { p.open_for = years; }), "circuit_breaker.open_for is "},
      {breaker([](auto& p) { p.half_open_calls = 0; }),
       "circuit_breaker.half_open_calls is 0, permitted: 1"},
      {breaker([](auto& p) { p.half_open_calls = 4'000'000'000; }),
       "circuit_breaker.half_open_calls is 4000000000, permitted: 1"},
      {bulkhead([](auto& p) { p.max_workers = 0; }), "bulkhead.max_workers is 0, permitted: 1"},
      {bulkhead([](auto& p) { p.max_workers = 4'000'000'000; }),
       "bulkhead.max_workers is 4000000000, permitted: 1"},
      {bulkhead([](auto& p) { p.queue_size = 4'000'000'000; }),
       "bulkhead.queue_size is 4000000000, permitted: 0"},
      {bulkhead([](auto& p) { p.queue_timeout = -1s; }),
       "bulkhead.queue_timeout is -1s, permitted: "},
      {bulkhead([&](auto& p) { p.queue_timeout = years; }), "bulkhead.queue_timeout is "},
  };
  for (const auto& each : all) {
    std::string text = "nothing was thrown";
    auto code = errc::cancelled;
    try {
      static_cast<void>(f.node->guard("wrong", f.target.handle, each.policy));
    } catch (const policy_error& error) {
      text = error.what();
      code = error.code();
    }
    INFO(text);
    INFO(each.text);
    CHECK(code == errc::invalid_policy);
    CHECK(text.find(each.text) != std::string::npos);
    CHECK(text.find("permitted: ") != std::string::npos);
  }
  // Nothing is left behind: the name and those of its parts are free.
  CHECK_NOTHROW(f.guard(whole_policy(), "wrong"));
}

TEST_CASE("all mistakes of a policy are named at once [P4]", "[guard]") {
  guard_fixture f;
  try {
    static_cast<void>(f.guard({.deadline = -1s,
                               .retry = retry_policy{.max_attempts = 0},
                               .breaker = circuit_breaker_policy{.failure_threshold = 0},
                               .bulkhead = bulkhead_policy{.max_workers = 0}}));
    FAIL("nothing was thrown");
  } catch (const policy_error& error) {
    const auto text = std::string{error.what()};
    for (const auto* field : {"guard.deadline", "retry.max_attempts",
                              "circuit_breaker.failure_threshold", "bulkhead.max_workers"})
      CHECK(text.find(field) != std::string::npos);
  }
}

TEST_CASE("a guard of nobody or with a part that is none is refused [G13]", "[guard]") {
  guard_fixture f;
  const auto text_of = [](auto make) -> std::string {
    try {
      make();
    } catch (const policy_error& error) {
      CHECK(error.code() == errc::invalid_policy);
      return error.what();
    }
    return "nothing was thrown";
  };
  const auto says = [](const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
  };
  auto pool = f.node->bulkhead("p");
  auto breaker = f.node->circuit_breaker("b");
  CHECK(says(text_of([&] { static_cast<void>(f.node->guard("g", caf::actor{}, {})); }),
             "invalid handle"));
  CHECK(says(text_of([&] { static_cast<void>(f.guard({.breaker = pool})); }), "guard.breaker"));
  CHECK(
      says(text_of([&] { static_cast<void>(f.guard({.bulkhead = breaker})); }), "guard.bulkhead"));
  CHECK(says(text_of([&] { static_cast<void>(f.guard({.breaker = f.target.handle})); }),
             "guard.breaker"));
  CHECK(says(text_of([&] { static_cast<void>(f.guard({.bulkhead = caf::actor{}})); }),
             "guard.bulkhead"));
}

TEST_CASE("a guard whose part has ended refuses and says so [G3]", "[guard]") {
  guard_fixture f;
  auto pool = f.node->bulkhead("p", {.max_workers = 1});
  auto guard = f.guard({.bulkhead = pool});
  auto running = f.sys.ask(guard, ask_atom_v, 1);
  auto queued = f.sys.ask(guard, ask_atom_v, 2);
  f.sys.ask(pool, shutdown_atom_v, false);
  CHECK(is(queued, errc::shutting_down));
  CHECK(is(f.sys.ask(guard, ask_atom_v, 3), errc::shutting_down));
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(running->as<std::int32_t>() == 2);
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE("by default rejections and the client's own mistakes do not open the circuit [C13]",
          "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 1});
  auto guard = f.guard({.breaker = breaker});
  const std::vector<caf::error> harmless{
      caf::make_error(target_error::not_yours, error_mark::client),
      caf::make_error(caf::sec::unexpected_message),
      caf::make_error(caf::sec::invalid_argument),
      caf::make_error(errc::circuit_open),
      caf::make_error(errc::bulkhead_full),
      caf::make_error(errc::rate_limited),
      caf::make_error(errc::cancelled),
      caf::make_error(errc::shutting_down)};
  std::uint64_t n = 0;
  for (const auto& reason : harmless) {
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, n++, reason);
    REQUIRE(answer->count() == 1);
    CHECK(answer->error() == reason);
    CHECK(f.breaker_stats(breaker).state == circuit_state::closed);
  }
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, n, caf::make_error(target_error::broken));
  CHECK(f.breaker_stats(breaker).state == circuit_state::open);
}

TEST_CASE("timeouts and a lost target count as failures [C13]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 2});
  auto guard = f.guard({.deadline = 1s, .breaker = breaker});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  f.sys.ask(guard, ask_atom_v, 2);
  f.sys.kill(f.target.handle);
  auto books = f.breaker_stats(breaker);
  CHECK(books.state == circuit_state::open);
  CHECK(books.calls.timed_out == 1);
  CHECK(books.calls.failed == 1);
}

TEST_CASE("which errors count is the policy's [C15]", "[guard]") {
  guard_fixture f;
  const std::vector<std::pair<error_predicate, bool>> all{
      {never, false},
      {always, true},
      {codes{target_error::broken}, true},
      {codes{target_error::busy, errc::timed_out}, false},
      {error_predicate{[](const caf::error& e) { return e == target_error::broken; }}, true},
      {error_predicate{[](const caf::error&) { return false; }}, false},
      // One that throws is no reason to end the guard: the failure counts.
      {error_predicate{[](const caf::error&) -> bool { throw std::runtime_error{"?"}; }}, true}};
  std::uint64_t n = 0;
  for (const auto& [failure_on, opens] : all) {
    auto name = "b" + std::to_string(n);
    auto breaker =
        f.node->circuit_breaker(name, {.failure_threshold = 1, .failure_on = failure_on});
    auto guard = f.guard({.breaker = breaker}, name);
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, n++, caf::make_error(target_error::broken));
    CHECK(answer->error() == target_error::broken);
    CHECK((f.breaker_stats(breaker).state == circuit_state::open) == opens);
  }
}

TEST_CASE("a changed policy of a breaker decides what counts from then on [C15]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 1});
  auto guard = f.guard({.breaker = breaker});
  f.sys.ask(breaker, change_policy_atom_v,
            circuit_breaker_policy{.failure_threshold = 1, .failure_on = never});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
  CHECK(f.breaker_stats(breaker).state == circuit_state::closed);
}

TEST_CASE("a changed policy decides about the guard's own timeouts too [C15]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 2});
  auto guard = f.guard({.deadline = 1s, .breaker = breaker});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  f.sys.ask(breaker, change_policy_atom_v,
            circuit_breaker_policy{.failure_threshold = 2, .failure_on = never});
  f.sys.ask(guard, ask_atom_v, 2);
  f.sys.advance(2s);
  CHECK(f.breaker_stats(breaker).state == circuit_state::closed);
}

TEST_CASE("the books balance at every step of a call's life [K1]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 100});
  auto pool = f.node->bulkhead("p", {.max_workers = 2, .queue_size = 2});
  auto guard = f.guard({.deadline = 10s,
                        .attempt_timeout = 1s,
                        .retry = tries(2, 500ms),
                        .breaker = breaker,
                        .bulkhead = pool});
  const auto check = [&] {
    CHECK(f.stats(guard).calls.balanced());
    CHECK(f.breaker_stats(breaker).calls.balanced());
    const auto b = f.bulkhead_stats(pool);
    CHECK(b.active <= b.max_workers);
    CHECK(b.queued <= b.queue_size);
    const auto capacity = f.sys.get<std::uint32_t>(pool, available_capacity_atom_v);
    CHECK(b.active + capacity == b.max_workers);
    CHECK(b.calls >= b.completed + b.failed + b.rejected + b.timed_out + b.cancelled);
  };
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 6; ++i) {
    answers.push_back(f.sys.ask(guard, ask_atom_v, i));
    check();
  }
  f.sys.answer(f.target, 0, std::int32_t{0});
  check();
  f.sys.answer(f.target, 1, caf::make_error(target_error::busy, error_mark::transient));
  check();
  for (int i = 0; i < 30; ++i) {
    f.sys.advance(200ms);
    check();
  }
  CHECK(std::all_of(answers.begin(), answers.end(),
                    [](const reply_ptr& answer) { return answer->count() == 1; }));
  const auto books = f.stats(guard).calls;
  CHECK(books.calls == 6);
  CHECK(books.in_flight == 0);
  CHECK(f.bulkhead_stats(pool).active == 0);
}
