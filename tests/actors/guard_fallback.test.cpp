#include "support/guards.hpp"

#include <functional>
#include <stdexcept>

// What callers get instead of an error.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

template <class... Ts>
void tell(const caf::actor& whom, Ts&&... xs) {
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(whom), std::forward<Ts>(xs)...);
}

using function = std::function<caf::message(const caf::error&)>;

fallback_policy value(std::int32_t x) {
  return {.to = caf::make_message(x)};
}

struct fallback_fixture : guard_fixture {
  virtual_system::manual second = sys.spawn_manual();
  caf::actor other =
      node->guard("other", second.handle, {.deadline = 10s, .cancel = cancel_signal::on});

  // Fails the call with `reason`, and returns what its caller got.
  reply_ptr fail(const caf::actor& guard, const caf::error& reason) {
    const auto n = target.log->questions.size();
    auto answer = sys.ask(guard, ask_atom_v, std::int32_t{1});
    sys.answer(target, n, reason);
    return answer;
  }
};

} // namespace

TEST_CASE("a caller gets the fallback's value instead of an error, and the books still say what "
          "happened [F8] [F10]",
          "[guard]") {
  fallback_fixture f;
  auto guard = f.guard({.attempt_timeout = 1s, .fallback = value(7)});
  CHECK(f.fail(guard, caf::make_error(target_error::broken))->as<std::int32_t>() == 7);
  const auto late = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(late->as<std::int32_t>() == 7);
  const auto good = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 2, std::int32_t{2});
  CHECK(good->as<std::int32_t>() == 2);
  const auto stats = f.stats(guard);
  CHECK(stats.calls == counters{.calls = 3, .succeeded = 1, .failed = 1, .timed_out = 1});
  CHECK(stats.fallbacks == 2);
}

TEST_CASE("a fallback that is a function makes the reply of the error [F8]", "[guard]") {
  fallback_fixture f;
  auto guard =
      f.guard({.fallback = fallback_policy{.to = function{[](const caf::error& reason) {
                                             if (reason == target_error::busy)
                                               throw std::runtime_error{"no reply for that"};
                                             return caf::make_message(std::string{"instead of "}
                                                                      + to_string(reason));
                                           }}}});
  const auto answer = f.fail(guard, caf::make_error(target_error::broken));
  CHECK(answer->as<std::string>().find("broken") != std::string::npos);
  // Where it throws the error stays.
  CHECK(f.fail(guard, caf::make_error(target_error::busy))->error() == target_error::busy);
  CHECK(f.stats(guard).fallbacks == 1);
}

TEST_CASE("a call goes on to another guard with the time that it has left, and that one answers "
          "[F9]",
          "[guard]") {
  fallback_fixture f;
  auto guard =
      f.guard({.deadline = 3s, .attempt_timeout = 1s, .fallback = fallback_policy{.to = f.other}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 42);
  const auto caller = f.sys.last_caller();
  f.sys.advance(1s + 5ms);
  REQUIRE(f.second.log->questions.size() == 1);
  CHECK(f.second.log->questions[0].get_as<std::int32_t>(1) == 42);
  CHECK(f.stats(guard).calls.timed_out == 1);
  SECTION("which has the answer") {
    f.sys.answer(f.second, 0, std::int32_t{84});
    CHECK(answer->count() == 1);
    CHECK(answer->as<std::int32_t>() == 84);
  }
  SECTION("no later than the first one's deadline") {
    f.sys.advance(1900ms);
    CHECK(answer->count() == 0);
    f.sys.advance(200ms);
    CHECK(is(answer, errc::timed_out));
    CHECK(report_of(answer->error())->guard == "other");
  }
  SECTION("and is taken back there") {
    tell(caller, cancel_atom_v, guard);
    f.sys.run();
    CHECK(is(answer, errc::cancelled));
    CHECK(f.second.log->cancelled.size() == 1);
  }
  SECTION("and its target's end is told") {
    f.sys.kill(f.second.handle);
    CHECK(is(answer, errc::target_lost));
  }
  CHECK(f.stats(guard).fallbacks == 1);
}

TEST_CASE("without time left a call doesn't go on to another guard [F9]", "[guard]") {
  fallback_fixture f;
  auto guard = f.guard({.deadline = 1s, .fallback = fallback_policy{.to = f.other}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(is(answer, errc::timed_out));
  CHECK(report_of(answer->error())->guard == "db");
  CHECK(f.second.log->questions.empty());
  CHECK(f.stats(guard).fallbacks == 0);
}

TEST_CASE("a call that wants no reply goes on to another guard too, and context and door with it "
          "[F9]",
          "[guard]") {
  fallback_fixture f;
  auto guard = f.guard({.fallback = fallback_policy{.to = f.other}});
  f.sys.kill(f.target.handle);
  tell(guard, ask_atom_v, std::int32_t{1});
  f.sys.run();
  REQUIRE(f.second.log->questions.size() == 1);
  const auto through =
      f.sys.ask(f.node->front_door(), call_atom_v, std::string{"db"},
                call_context{.remaining = 500ms}, caf::make_message(ask_atom_v, std::int32_t{2}));
  REQUIRE(f.second.log->questions.size() == 2);
  f.sys.answer(f.second, 1, std::int32_t{4});
  CHECK(through->as<std::int32_t>() == 4);
  CHECK(through->sender() == caf::actor_cast<caf::actor_addr>(f.node->front_door()));
}

TEST_CASE("neither the caller's own cancellation nor a client's mistake has a fallback, unless the "
          "policy says so [F11]",
          "[guard]") {
  fallback_fixture f;
  auto guard = f.guard({.fallback = value(7)});
  const auto cancelled = f.sys.ask(guard, ask_atom_v, 1);
  tell(f.sys.last_caller(), cancel_atom_v, guard);
  f.sys.run();
  CHECK(is(cancelled, errc::cancelled));
  for (const auto& mistake :
       {caf::make_error(caf::sec::invalid_argument), caf::make_error(caf::sec::unexpected_message),
        caf::make_error(target_error::not_yours, error_mark::client)}) {
    const auto n = f.target.log->questions.size();
    const auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, n, mistake);
    CHECK(answer->error() == mistake);
  }
  auto policy = value(8);
  policy.on = codes{target_error::busy};
  auto picky = f.guard({.fallback = policy}, "picky");
  CHECK(f.fail(picky, caf::make_error(target_error::broken))->error() == target_error::broken);
  CHECK(f.fail(picky, caf::make_error(target_error::busy))->as<std::int32_t>() == 8);
  policy.on = error_predicate{[](const caf::error&) -> bool { throw 42; }};
  auto throwing = f.guard({.fallback = policy}, "throwing");
  CHECK(f.fail(throwing, caf::make_error(target_error::busy))->error() == target_error::busy);
}

TEST_CASE("refusals, a lost target and a guard's end have a fallback too, once each [F8]",
          "[guard]") {
  fallback_fixture f;
  auto guard = f.guard(
      {.bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 0}, .fallback = value(7)});
  const auto first = f.sys.ask(guard, ask_atom_v, 1);
  const auto refused = f.sys.ask(guard, ask_atom_v, 2);
  CHECK(refused->as<std::int32_t>() == 7);
  SECTION("the target ends") {
    f.sys.kill(f.target.handle);
  }
  SECTION("the guard is shut down") {
    f.sys.ask(guard, shutdown_atom_v);
  }
  CHECK(first->count() == 1);
  CHECK(first->as<std::int32_t>() == 7);
}

TEST_CASE("what is no fallback is refused, and says what would be [F12]", "[guard]") {
  fallback_fixture f;
  const auto refused = [&](const fallback_policy& policy, const std::string& why) {
    try {
      static_cast<void>(f.node->guard("bad", f.target.handle, {.fallback = policy}));
      return false;
    } catch (const policy_error& error) {
      return std::string{error.what()}.find("fallback.to is " + why) != std::string::npos;
    }
  };
  CHECK(refused({}, "nothing"));
  CHECK(refused({.to = function{}}, "nothing"));
  CHECK(refused({.to = caf::actor{}}, "an invalid handle"));
  CHECK(refused({.to = f.second.handle}, "an actor that is no guard of this process"));
}
