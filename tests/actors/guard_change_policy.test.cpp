#include "support/guards.hpp"

// A guard that gets another policy while calls are in progress: none is lost, and what is known stays.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

retry_policy tries(std::uint32_t n) {
  return {.max_attempts = n, .base_delay = 10ms, .jitter = jitter_kind::none};
}

struct fixture : guard_fixture {
  reply_ptr ask(const caf::actor& guard, std::int32_t x = 1) {
    return sys.ask(guard, ask_atom_v, x);
  }

  // Alarms come at whole milliseconds, and never early.
  void pass(timespan time) { sys.advance(time + 1ms); }

  void change(const guard_policy& policy, const std::string& name = "db") {
    node->change_policy(name, policy);
    sys.run();
  }

  template <class T>
  void answer(std::uint64_t question, T value) {
    sys.answer(target, question, std::move(value));
    sys.run();
  }

  void fail(std::uint64_t question) {
    answer(question, caf::make_error(target_error::busy, error_mark::transient));
  }
};

std::string refusal(const std::function<void()>& change) {
  try {
    change();
  } catch (const policy_error& error) {
    return error.what();
  }
  return "";
}

} // namespace

TEST_CASE(
    "a changed deadline holds for calls that come after it and not for those in progress [G18]",
    "[guard]") {
  fixture f;
  auto guard = f.guard({.deadline = 5s});
  auto before = f.ask(guard);
  f.change({.deadline = 1s});
  auto after = f.ask(guard);
  f.pass(1s);
  CHECK(is(after, errc::timed_out));
  CHECK(before->count() == 0);
  f.pass(4s);
  CHECK(is(before, errc::timed_out));
  f.change({});
  auto unbounded_call = f.ask(guard);
  f.pass(1h);
  CHECK(unbounded_call->count() == 0);
}

TEST_CASE(
    "a call that began without retries is made once though they are switched on meanwhile [G18]",
    "[guard]") {
  fixture f;
  auto guard = f.guard({});
  auto before = f.ask(guard);
  f.change({.retry = tries(3)});
  auto after = f.ask(guard);
  f.fail(0);
  f.fail(1);
  CHECK(before->error() == target_error::busy);
  f.pass(10ms);
  REQUIRE(f.target.log->questions.size() == 3);
  CHECK(f.question(2) == 1); // with what was asked
  f.answer(2, std::int32_t{7});
  CHECK(after->as<std::int32_t>() == 7);
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE(
    "a call that began with retries keeps what they take while they are off and on again [G18]",
    "[guard]") {
  fixture f;
  const bulkhead_policy one{.max_workers = 1, .queue_size = 10};
  auto guard = f.guard({.retry = tries(3), .bulkhead = one});
  f.ask(guard, 1);
  auto waiting = f.ask(guard, 2);
  f.change({.bulkhead = one});
  f.answer(0, std::int32_t{0}); // so that the other goes out while there are no retries
  REQUIRE(f.target.log->questions.size() == 2);
  f.change({.retry = tries(3), .bulkhead = one});
  f.fail(1);
  f.pass(10ms);
  REQUIRE(f.target.log->questions.size() == 3);
  CHECK(f.question(2) == 2);
  f.answer(2, std::int32_t{7});
  CHECK(waiting->as<std::int32_t>() == 7);
}

TEST_CASE("retries that are switched off end with the attempt that is waited for [G18]",
          "[guard]") {
  fixture f;
  auto guard = f.guard({.retry = tries(3)});
  auto call = f.ask(guard);
  f.fail(0);
  f.change({});
  f.pass(10ms);
  REQUIRE(f.target.log->questions.size() == 2);
  f.fail(1);
  CHECK(call->error() == target_error::busy);
  f.pass(1h);
  CHECK(f.target.log->questions.size() == 2);
}

TEST_CASE("an open circuit stays open when its policy changes and probes by the new time [G18]",
          "[guard]") {
  fixture f;
  auto with = [](timespan open_for) {
    return guard_policy{.breaker =
                            circuit_breaker_policy{.failure_threshold = 1, .open_for = open_for}};
  };
  auto guard = f.guard(with(60s));
  f.ask(guard);
  f.fail(0);
  CHECK(is(f.ask(guard), errc::circuit_open));
  f.change(with(2s));
  CHECK(is(f.ask(guard), errc::circuit_open));
  f.pass(2s);
  auto probe = f.ask(guard);
  CHECK(probe->count() == 0);
  CHECK(f.target.log->questions.size() == 2);
}

TEST_CASE("a bulkhead that is made wider lets in those that wait [G18]", "[guard]") {
  fixture f;
  auto with = [](std::uint32_t workers) {
    return guard_policy{.bulkhead = bulkhead_policy{.max_workers = workers, .queue_size = 10}};
  };
  auto guard = f.guard(with(1));
  for (auto i = 0; i < 5; ++i)
    f.ask(guard);
  CHECK(f.target.log->questions.size() == 1);
  f.change(with(3));
  CHECK(f.target.log->questions.size() == 3);
}

TEST_CASE("a guard can't be given another part and then nothing of the policy is taken [G18 G13]",
          "[guard]") {
  fixture f;
  auto guard = f.guard({.deadline = 5s, .breaker = circuit_breaker_policy{}});
  const auto other = f.node->circuit_breaker("other");
  const auto wrong = [&](const guard_policy& policy) { return refusal([&] { f.change(policy); }); };
  CHECK_THAT(wrong({.deadline = 1s}), Catch::Contains("guard.breaker is another one"));
  CHECK_THAT(wrong({.deadline = 1s, .breaker = other}),
             Catch::Contains("guard.breaker is another one"));
  CHECK_THAT(
      wrong({.deadline = 1s, .breaker = circuit_breaker_policy{}, .bulkhead = bulkhead_policy{}}),
      Catch::Contains("guard.bulkhead is another one"));
  CHECK_THAT(wrong({.deadline = 0s, .breaker = circuit_breaker_policy{}}),
             Catch::Contains("guard.deadline"));
  CHECK_THAT(refusal([&] { f.change({}, "none"); }), Catch::Contains("nothing has that name"));
  auto call = f.ask(guard);
  f.pass(4s);
  CHECK(call->count() == 0); // 5 s as before
  f.pass(1s);
  CHECK(is(call, errc::timed_out));
}

TEST_CASE("a guard of a named part keeps it through a change [G18 G14]", "[guard]") {
  fixture f;
  const auto shared = f.node->circuit_breaker("all", {.failure_threshold = 1});
  auto guard = f.guard({.breaker = shared});
  f.ask(guard);
  f.fail(0);
  f.change({.deadline = 1s, .breaker = shared});
  CHECK(is(f.ask(guard), errc::circuit_open));
}

TEST_CASE("what a budget has spent stays spent through a change [G18 T37]", "[guard]") {
  fixture f;
  const auto with = [](double per_second, const char* name) {
    auto policy = tries(2);
    policy.budget = retry_budget_policy{.ratio = 0, .min_per_second = per_second, .name = name};
    return guard_policy{.retry = policy};
  };
  const auto failing = f.sys->spawn(doubling_target);
  for (const auto* name : {"", "shared"}) {
    CAPTURE(name);
    auto guard = f.node->guard(std::string{"db"} + name, failing, with(0.5, name));
    f.sys.run();
    const auto fail_ten_times = [&] {
      for (auto i = 0; i < 10; ++i)
        f.ask(guard, -2);
      f.pass(100ms);
    };
    fail_ten_times();
    CHECK(f.stats(guard).retries == 5); // of a window of 10 s
    f.change(with(0.7, name), std::string{"db"} + name);
    fail_ten_times();
    CHECK(f.stats(guard).retries == 7);
    f.pass(20s);
  }
}

TEST_CASE("a budget that has a name changes for all that use it [G18 T37]", "[guard]") {
  fixture f;
  const auto with = [](double per_second) {
    auto policy = tries(2);
    policy.budget = retry_budget_policy{.ratio = 0, .min_per_second = per_second, .name = "all"};
    return guard_policy{.retry = policy};
  };
  const auto failing = f.sys->spawn(doubling_target);
  auto a = f.node->guard("a", failing, with(0));
  auto b = f.node->guard("b", failing, with(0));
  f.change(with(1), "a");
  for (auto i = 0; i < 20; ++i)
    f.ask(b, -2);
  f.pass(1s);
  CHECK(f.stats(b).retries == 10);
}

TEST_CASE("who waits for an equal call is answered though sharing is switched off meanwhile [G18]",
          "[guard]") {
  fixture f;
  auto guard = f.guard({.reply_sharing = reply_sharing_policy{.fresh_for = 10s}});
  auto leader = f.ask(guard, 4);
  auto follower = f.ask(guard, 4);
  REQUIRE(f.target.log->questions.size() == 1);
  f.change({});
  auto alone = f.ask(guard, 4);
  CHECK(f.target.log->questions.size() == 2);
  f.answer(0, std::int32_t{8});
  CHECK(leader->as<std::int32_t>() == 8);
  CHECK(follower->as<std::int32_t>() == 8);
  CHECK(alone->count() == 0);
  f.answer(1, std::int32_t{9});
  CHECK(alone->as<std::int32_t>() == 9);
}

TEST_CASE("kept replies stay as far as they fit when fewer are to be kept [G18]", "[guard]") {
  fixture f;
  const auto keeping = [](std::uint32_t entries) {
    return guard_policy{.reply_sharing =
                            reply_sharing_policy{.fresh_for = 10s, .max_entries = entries}};
  };
  auto guard = f.node->guard("db", f.sys->spawn(doubling_target), keeping(10));
  for (auto x : {1, 2, 3})
    f.ask(guard, x);
  f.change(keeping(1));
  for (auto x : {3, 2})
    f.ask(guard, x);
  CHECK(f.stats(guard).served_fresh == 1);
}

TEST_CASE("a fallback that comes while a call is in progress does not hand on what is gone [G18]",
          "[guard]") {
  fixture f;
  auto spare = f.node->guard("spare", f.sys->spawn(doubling_target), {});
  auto guard = f.guard({});
  auto before = f.ask(guard, 4);
  f.change({.fallback = fallback_policy{.to = spare}});
  auto after = f.ask(guard, 4);
  f.fail(0);
  f.fail(1);
  CHECK(before->error() == target_error::busy);
  CHECK(after->as<std::int32_t>() == 8);
}

TEST_CASE("hedging is switched on and off while calls are in progress [G18]", "[guard]") {
  fixture f;
  const guard_policy hedged{.hedge = hedge_policy{.delay = 10ms, .minimum_calls = 1, .ratio = 1}};
  auto guard = f.guard({});
  auto plain = f.ask(guard);
  f.change(hedged);
  f.pass(20ms);
  CHECK(f.target.log->questions.size() == 1);
  auto with_copy = f.ask(guard);
  f.pass(20ms);
  CHECK(f.target.log->questions.size() == 3);
  auto about_to_have_one = f.ask(guard);
  f.change({});
  f.pass(20ms);
  CHECK(f.target.log->questions.size() == 4);
  for (std::uint64_t i = 0; i < 4; ++i)
    f.answer(i, std::int32_t{5});
  for (const auto& each : {plain, with_copy, about_to_have_one})
    CHECK(each->as<std::int32_t>() == 5);
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE("statistics say whose parts a guard uses and which errors its attempts ended with [Y9]",
          "[guard]") {
  fixture f;
  auto guard = f.guard({.attempt_timeout = 1s,
                        .breaker = f.node->circuit_breaker("b"),
                        .bulkhead = bulkhead_policy{}});
  f.ask(guard);
  f.fail(0);
  f.ask(guard);
  f.ask(guard);
  f.pass(1s); // both are timed out
  f.pass(3s);
  const auto said = f.stats(guard);
  CHECK(said.breaker == "b");
  CHECK(said.bulkhead == "db");
  REQUIRE(said.errors.size() == 2);
  CHECK(said.errors[0].error == "timed_out");
  CHECK(said.errors[0].count == 2);
  CHECK(said.errors[0].age / 1s == 3);
  CHECK(said.errors[1].count == 1);
  CHECK(said.errors[1].age / 1s == 4);
  CHECK_THAT(said.errors[1].text, Catch::Contains("busy"));
}

TEST_CASE("of many kinds of errors those are remembered that were seen last [Y9]", "[guard]") {
  init_types();
  error_log log;
  for (std::uint8_t code = 1; code <= 10; ++code)
    for (auto i = 0; i < code; ++i)
      log.note(caf::error{static_cast<caf::sec>(code)}, instant{code * 1s});
  log.note(caf::error{static_cast<caf::sec>(5)}, instant{11s});
  const auto counts = log.counts(instant{12s});
  REQUIRE(counts.size() == error_log::most);
  CHECK(counts[0].age == 1s);
  CHECK(counts[0].count == 6);
  CHECK(counts[1].age == 2s);
  CHECK(counts[7].age == 9s);
}
