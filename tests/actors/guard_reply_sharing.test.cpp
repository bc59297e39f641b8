#include "support/guards.hpp"

#include <vector>

// Kept replies and single flight, as callers of a guard see them. What is kept and who leads:
// tests/models/reply_cache_model.test.cpp, tests/models/single_flight_model.test.cpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

template <class... Ts>
void tell(const caf::actor& whom, Ts&&... xs) {
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(whom), std::forward<Ts>(xs)...);
}

struct sharing_fixture : guard_fixture {
  std::size_t asked() const { return target.log->questions.size(); }

  // Asks, and has the target answer with twice that.
  reply_ptr ask_and_answer(const caf::actor& guard, std::int32_t x) {
    const auto n = asked();
    auto result = sys.ask(guard, ask_atom_v, x);
    if (asked() > n)
      sys.answer(target, n, x * 2);
    return result;
  }

  void cancel(const caf::actor& guard, const caf::actor& caller) {
    tell(caller, cancel_atom_v, guard);
    sys.run();
  }

  reply_ptr ask_as(const caf::actor& guard, const call_context& context, std::int32_t x = 1) {
    return sys.ask(guard, call_atom_v, context, caf::make_message(ask_atom_v, x));
  }
};

guard_policy only_flights() {
  return {.reply_sharing = reply_sharing_policy{}};
}

bool is_value(const reply_ptr& answer, std::int32_t x) {
  return answer->count() == 1 && !answer->is_error() && answer->as<std::int32_t>() == x;
}

} // namespace

TEST_CASE("a kept reply is served without asking the target as long as it is fresh [F1]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.reply_sharing = reply_sharing_policy{.fresh_for = 1s}});
  CHECK(is_value(f.ask_and_answer(guard, 1), 2));
  f.sys.advance(999ms);
  CHECK(is_value(f.sys.ask(guard, ask_atom_v, 1), 2));
  CHECK(f.asked() == 1);
  CHECK(is_value(f.ask_and_answer(guard, 2), 4)); // another call
  CHECK(f.asked() == 2);
  f.sys.advance(1ms);
  CHECK(is_value(f.ask_and_answer(guard, 1), 2));
  CHECK(f.asked() == 3);
  const auto stats = f.stats(guard);
  CHECK(stats.calls == counters{.calls = 4, .succeeded = 4});
  CHECK(stats.latency.count() == 4);
  CHECK(stats.served_fresh == 1);
  CHECK(stats.attempts == 3);
}

TEST_CASE(
    "a call that fails gets a stale reply, but not its own cancellation or mistake instead of "
    "the error [F2]",
    "[guard]") {
  sharing_fixture f;
  auto guard =
      f.guard({.attempt_timeout = 100ms, .reply_sharing = reply_sharing_policy{.stale_for = 10s}});
  CHECK(is_value(f.ask_and_answer(guard, 1), 2));
  const auto failed = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 1, caf::make_error(target_error::broken));
  CHECK(is_value(failed, 2));
  const auto late = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(200ms);
  CHECK(is_value(late, 2));
  const auto mistake = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 3, caf::make_error(caf::sec::invalid_argument));
  CHECK(mistake->error() == caf::sec::invalid_argument);
  const auto cancelled = f.sys.ask(guard, ask_atom_v, 1);
  f.cancel(guard, f.sys.last_caller());
  CHECK(is(cancelled, errc::cancelled));
  f.sys.advance(10s);
  const auto too_old = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 5, caf::make_error(target_error::broken));
  CHECK(too_old->error() == target_error::broken);
  const auto stats = f.stats(guard);
  CHECK(stats.served_stale == 2);
  CHECK(stats.calls
        == counters{.calls = 6, .succeeded = 1, .failed = 3, .timed_out = 1, .cancelled = 1});
}

TEST_CASE("an open circuit and a lost target are answered from stale replies [F2]", "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.breaker = circuit_breaker_policy{.failure_threshold = 1},
                        .reply_sharing = reply_sharing_policy{.stale_for = 1min}});
  CHECK(is_value(f.ask_and_answer(guard, 1), 2));
  const auto lost = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.kill(f.target.handle);
  CHECK(is_value(lost, 2));
  CHECK(is_value(f.sys.ask(guard, ask_atom_v, 1), 2));
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::circuit_open));
  CHECK(f.stats(guard).calls.rejected == 2);
}

TEST_CASE("a result that is a failure isn't kept, and neither is an error [F1]", "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(
      {.failure_on_result = [](const caf::message& x) { return x.get_as<std::int32_t>(0) == 0; },
       .reply_sharing = reply_sharing_policy{.fresh_for = 1min}});
  CHECK(is_value(f.ask_and_answer(guard, 0), 0));
  CHECK(is_value(f.ask_and_answer(guard, 0), 0));
  const auto failed = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 2, caf::make_error(target_error::broken));
  CHECK(failed->error() == target_error::broken);
  f.ask_and_answer(guard, 1);
  CHECK(f.asked() == 4);
}

TEST_CASE("equal calls in progress share one, its errors too, and others have their own [F5]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  std::vector<reply_ptr> answers;
  for (auto i = 0; i < 100; ++i)
    answers.push_back(f.sys.ask(guard, ask_atom_v, 1));
  const auto another = f.sys.ask(guard, ask_atom_v, 2);
  CHECK(f.asked() == 2);
  CHECK(f.stats(guard).calls.in_flight == 101);
  f.sys.answer(f.target, 0, std::int32_t{2});
  for (const auto& each : answers)
    CHECK(is_value(each, 2));
  CHECK(another->count() == 0);
  f.sys.answer(f.target, 1, std::int32_t{4});
  CHECK(is_value(another, 4));
  const auto first = f.sys.ask(guard, ask_atom_v, 1); // nothing is kept
  const auto second = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 2, caf::make_error(target_error::broken));
  CHECK(first->error() == target_error::broken);
  CHECK(second->error() == target_error::broken);
  const auto stats = f.stats(guard);
  CHECK(stats.calls == counters{.calls = 103, .succeeded = 101, .failed = 2});
  CHECK(stats.followed == 100);
  CHECK(stats.attempts == 3);
  CHECK(stats.latency.count() == 103);
}

TEST_CASE("a leader that is taken back hands over to the next, and nobody else is cancelled [F6]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  const auto leader = f.sys.ask(guard, ask_atom_v, 1);
  const auto leading = f.sys.last_caller();
  const auto second = f.sys.ask(guard, ask_atom_v, 1);
  const auto third = f.sys.ask(guard, ask_atom_v, 1);
  f.cancel(guard, leading);
  CHECK(is(leader, errc::cancelled));
  CHECK(second->count() == 0);
  CHECK(third->count() == 0);
  REQUIRE(f.asked() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(is_value(second, 2));
  CHECK(is_value(third, 2));
  CHECK(f.stats(guard).calls == counters{.calls = 3, .succeeded = 2, .cancelled = 1});
}

TEST_CASE("a follower is taken back by itself, even when it is just to lead [F6] [F7]", "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  std::vector<reply_ptr> answers;
  std::vector<caf::actor> callers;
  for (auto i = 0; i < 4; ++i) {
    answers.push_back(f.sys.ask(guard, ask_atom_v, 1));
    callers.push_back(f.sys.last_caller());
  }
  f.cancel(guard, callers[2]);
  CHECK(is(answers[2], errc::cancelled));
  CHECK(answers[0]->count() == 0);
  // The leader and who comes after it at once: the guard has both before it has started anyone.
  const auto take_back = [&](std::size_t n) { tell(callers[n], cancel_atom_v, guard); };
  take_back(0);
  take_back(1);
  f.sys.run();
  CHECK(is(answers[0], errc::cancelled));
  CHECK(is(answers[1], errc::cancelled));
  CHECK(answers[3]->count() == 0);
  f.sys.answer(f.target, f.asked() - 1, std::int32_t{2});
  CHECK(is_value(answers[3], 2));
  const auto stats = f.stats(guard);
  CHECK(stats.calls == counters{.calls = 4, .succeeded = 1, .cancelled = 3});
}

TEST_CASE("each waits until its own deadline: a leader's passes, the next is made [F6] [F7]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.deadline = 10s, .reply_sharing = reply_sharing_policy{}});
  const auto leader = f.ask_as(guard, {.remaining = 1s});
  const auto patient = f.sys.ask(guard, ask_atom_v, 1);
  const auto hasty = f.ask_as(guard, {.remaining = 500ms});
  const auto none_left = f.ask_as(guard, {.remaining = 0s});
  f.sys.advance(3ms);
  CHECK(is(none_left, errc::timed_out));
  f.sys.advance(500ms);
  CHECK(is(hasty, errc::timed_out));
  CHECK(leader->count() == 0);
  f.sys.advance(500ms);
  CHECK(is(leader, errc::timed_out));
  CHECK(patient->count() == 0);
  REQUIRE(f.asked() == 2);
  f.sys.advance(8900ms);
  CHECK(patient->count() == 0);
  f.sys.advance(200ms);
  CHECK(is(patient, errc::timed_out)); // 10 s after it came, not after it was made
  CHECK(f.stats(guard).calls == counters{.calls = 4, .timed_out = 4});
}

TEST_CASE("a timeout of the leader's attempt is the target's, and for all [F5]", "[guard]") {
  sharing_fixture f;
  auto guard =
      f.guard({.deadline = 10s, .attempt_timeout = 1s, .reply_sharing = reply_sharing_policy{}});
  const auto leader = f.sys.ask(guard, ask_atom_v, 1);
  const auto follower = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(1s + 5ms);
  CHECK(is(leader, errc::timed_out));
  CHECK(is(follower, errc::timed_out));
  CHECK(f.asked() == 1);
}

TEST_CASE("a refused leader's refusal is its own: an important call that waits for it is made "
          "[F6]",
          "[guard]") {
  sharing_fixture f;
  auto bulkhead = f.node->bulkhead("pool", {.max_workers = 1, .queue_size = 1});
  auto guard = f.guard({.bulkhead = bulkhead, .reply_sharing = reply_sharing_policy{}});
  f.sys.ask(guard, ask_atom_v, 9);                                             // works
  const auto leader = f.ask_as(guard, {.importance = criticality::sheddable}); // waits
  const auto follower = f.ask_as(guard, {.importance = criticality::critical});
  const auto pushes_out = f.sys.ask(guard, ask_atom_v, 8);
  CHECK(is(leader, errc::bulkhead_full));
  f.sys.run();
  CHECK(is(pushes_out, errc::bulkhead_full)); // the critical one has its place
  CHECK(follower->count() == 0);
  f.sys.answer(f.target, 0, std::int32_t{18});
  REQUIRE(f.asked() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(is_value(follower, 2));
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE("callers that end are taken back, leaders and followers [F6] [F7]", "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.watches_callers = true, .reply_sharing = reply_sharing_policy{}});
  f.sys.ask(guard, ask_atom_v, 1);
  const auto leading = f.sys.last_caller();
  f.sys.ask(guard, ask_atom_v, 1);
  const auto following = f.sys.last_caller();
  const auto last = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.kill(following);
  CHECK(f.stats(guard).calls.cancelled == 1);
  CHECK(f.asked() == 1);
  f.sys.kill(leading);
  REQUIRE(f.asked() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(is_value(last, 2));
  CHECK(f.stats(guard).calls == counters{.calls = 3, .succeeded = 1, .cancelled = 2});
}

TEST_CASE("a lost target is told to all, and a guard that is shut down answers all [F5]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  std::vector<reply_ptr> answers;
  for (auto i = 0; i < 5; ++i)
    answers.push_back(f.sys.ask(guard, ask_atom_v, 1));
  SECTION("the target ends") {
    f.sys.kill(f.target.handle);
    for (const auto& each : answers)
      CHECK(is(each, errc::target_lost));
    CHECK(f.stats(guard).calls == counters{.calls = 5, .failed = 5});
  }
  SECTION("the guard is shut down") {
    f.sys.ask(guard, shutdown_atom_v);
    for (const auto& each : answers)
      CHECK(is(each, errc::shutting_down));
  }
  SECTION("the guard is shut down, and finishes what it has") {
    f.sys.send(guard, shutdown_atom_v, true);
    f.sys.run();
    CHECK(answers[0]->count() == 0);
    CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::shutting_down)); // follows nobody any more
    f.sys.answer(f.target, 0, std::int32_t{2});
    for (const auto& each : answers)
      CHECK(is_value(each, 2));
  }
  SECTION("the guard is killed") {
    f.sys.kill(guard);
    for (const auto& each : answers)
      CHECK(is(each, errc::shutting_down));
  }
  SECTION("the guard's last handle goes") {
    guard = nullptr;
    f.sys.run();
    f.sys.answer(f.target, 0, std::int32_t{2});
    for (const auto& each : answers)
      CHECK(is_value(each, 2));
  }
}

TEST_CASE("the last handle may go while only a call waits that is about to lead [F6]", "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  f.sys.ask(guard, ask_atom_v, 1);
  const auto leading = f.sys.last_caller();
  const auto follower = f.sys.ask(guard, ask_atom_v, 1);
  tell(leading, cancel_atom_v, guard);
  guard = nullptr;
  f.sys.run();
  REQUIRE(f.asked() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(is_value(follower, 2));
}

TEST_CASE("what isn't one call isn't shared: another tenant's, one that isn't idempotent, one that "
          "wants no reply, one that the policy doesn't name [F5]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard(only_flights());
  f.ask_as(guard, {.tenant = "a"});
  f.ask_as(guard, {.tenant = "b"});
  CHECK(f.asked() == 2);
  f.ask_as(guard, {.tenant = "a"});
  CHECK(f.asked() == 2);
  f.ask_as(guard, {.idempotent = false}, 3);
  f.ask_as(guard, {.idempotent = false}, 3);
  CHECK(f.asked() == 4);
  tell(guard, ask_atom_v, std::int32_t{4});
  tell(guard, ask_atom_v, std::int32_t{4});
  f.sys.run();
  CHECK(f.asked() == 6);
  const auto only_ten = [](const caf::message& content) {
    if (content.get_as<std::int32_t>(1) < 0)
      throw 42;
    return content.get_as<std::int32_t>(1) == 10;
  };
  auto picky = f.guard({.reply_sharing = reply_sharing_policy{.calls = only_ten}}, "picky");
  for (const std::int32_t x : {9, 9, -1, -1, 10, 10})
    f.sys.ask(picky, ask_atom_v, x);
  CHECK(f.asked() == 6 + 5);
  auto small = f.guard({.reply_sharing = reply_sharing_policy{.max_key_size = 4}}, "small");
  f.sys.ask(small, ask_atom_v, 1);
  f.sys.ask(small, ask_atom_v, 1);
  CHECK(f.asked() == 6 + 5 + 2);
}

TEST_CASE("a message with an actor's handle in it is carried, and not shared [F5]", "[guard]") {
  sharing_fixture f;
  auto seen = std::make_shared<int>(0);
  auto echo = f.sys->spawn([seen]() -> caf::behavior {
    return {[seen](const caf::actor& whom) {
      ++*seen;
      return whom;
    }};
  });
  auto guard =
      f.node->guard("handles", echo, {.reply_sharing = reply_sharing_policy{.fresh_for = 1min}});
  CHECK(f.sys.ask(guard, f.target.handle)->as<caf::actor>() == f.target.handle);
  CHECK(f.sys.ask(guard, f.target.handle)->as<caf::actor>() == f.target.handle);
  CHECK(*seen == 2);
}

TEST_CASE("without single flight equal calls are made each, and still kept [F1]", "[guard]") {
  sharing_fixture f;
  auto guard =
      f.guard({.reply_sharing = reply_sharing_policy{.fresh_for = 1min, .single_flight = false}});
  const auto first = f.sys.ask(guard, ask_atom_v, 1);
  const auto second = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.asked() == 2);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(is_value(f.sys.ask(guard, ask_atom_v, 1), 2));
  f.sys.answer(f.target, 1, std::int32_t{3});
  CHECK(is_value(first, 2));
  CHECK(is_value(second, 3));
  CHECK(is_value(f.sys.ask(guard, ask_atom_v, 1), 3)); // the newest
}

TEST_CASE("calls through the front door share replies with others, and are answered in its name "
          "[F1] [F5]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.reply_sharing = reply_sharing_policy{.fresh_for = 1min}});
  const auto through = [&] {
    return f.sys.ask(f.node->front_door(), call_atom_v, std::string{"db"}, call_context{},
                     caf::make_message(ask_atom_v, std::int32_t{1}));
  };
  const auto door = caf::actor_cast<caf::actor_addr>(f.node->front_door());
  const auto leader = f.sys.ask(guard, ask_atom_v, 1);
  const auto follower = through();
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(is_value(leader, 2));
  CHECK(is_value(follower, 2));
  CHECK(follower->sender() == door);
  const auto kept = through();
  CHECK(is_value(kept, 2));
  CHECK(kept->sender() == door);
  CHECK(f.asked() == 1);
}

TEST_CASE("followers have a guard's fallback, and a stale reply comes before it [F2] [F8]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.fallback = fallback_policy{.to = caf::make_message(std::int32_t{7})},
                        .reply_sharing = reply_sharing_policy{.stale_for = 1min}});
  const auto first = f.sys.ask(guard, ask_atom_v, 1);
  const auto second = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
  CHECK(is_value(first, 7));
  CHECK(is_value(second, 7));
  CHECK(is_value(f.ask_and_answer(guard, 1), 2));
  const auto third = f.sys.ask(guard, ask_atom_v, 1);
  const auto fourth = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 2, caf::make_error(target_error::broken));
  CHECK(is_value(third, 2));
  CHECK(is_value(fourth, 2));
  const auto stats = f.stats(guard);
  CHECK(stats.fallbacks == 2);
  CHECK(stats.served_stale == 2);
  CHECK(stats.calls == counters{.calls = 5, .succeeded = 1, .failed = 4});
}

TEST_CASE("a call with a second copy has one answer, and so have those that follow it [F5]",
          "[guard]") {
  sharing_fixture f;
  auto guard = f.guard({.retry = retry_policy{.max_attempts = 1},
                        .hedge = hedge_policy{.delay = 10ms, .ratio = 1},
                        .reply_sharing = reply_sharing_policy{.fresh_for = 1min}});
  const auto leader = f.sys.ask(guard, ask_atom_v, 1);
  const auto follower = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(20ms);
  REQUIRE(f.asked() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  f.sys.answer(f.target, 0, std::int32_t{3});
  CHECK(is_value(leader, 2));
  CHECK(is_value(follower, 2));
  CHECK(is_value(f.sys.ask(guard, ask_atom_v, 1), 2));
  CHECK(f.stats(guard).calls == counters{.calls = 3, .succeeded = 3});
}

TEST_CASE("a guard that shares nothing else is unchanged: a policy out of range is refused [F4]",
          "[guard]") {
  sharing_fixture f;
  CHECK_THROWS_AS(f.node->guard("bad", f.target.handle,
                                {.reply_sharing = reply_sharing_policy{.max_entries = 0}}),
                  policy_error);
  auto guard = f.guard({});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.asked() == 2);
}
