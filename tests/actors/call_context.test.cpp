#include "support/guards.hpp"

// What travels with a call, from a caller that says something, through guards, to targets that ask.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

// A target that asks for the context: keeps all it is told, fails with a transient error.
struct told {
  std::vector<call_context> contexts;
  std::vector<std::int32_t> questions;
  std::vector<std::int32_t> plain; // without a context
  bool well = false;
};

caf::behavior asking_target(std::shared_ptr<told> log) {
  return {
      [log](const call_context& context, const caf::message& content) -> caf::result<std::int32_t> {
        log->contexts.push_back(context);
        log->questions.push_back(content.get_as<std::int32_t>(1));
        if (log->well)
          return 42;
        return caf::make_error(target_error::busy, error_mark::transient);
      },
      [log](ask_atom, std::int32_t x) -> caf::result<std::int32_t> {
        log->plain.push_back(x);
        return 42;
      },
  };
}

retry_policy tries(std::uint32_t n) {
  return {.max_attempts = n, .base_delay = 10ms, .jitter = jitter_kind::none};
}

struct fixture : guard_fixture {
  std::shared_ptr<told> log = std::make_shared<told>();
  caf::actor asking = sys->spawn(asking_target, log);

  caf::actor guard_of(const caf::actor& to, const std::string& name, const guard_policy& policy) {
    auto result = node->guard(name, to, policy);
    sys.run();
    return result;
  }

  reply_ptr call(const caf::actor& guard, const call_context& context, std::int32_t x = 1) {
    return sys.ask(guard, call_atom_v, context, caf::make_message(ask_atom_v, x));
  }
};

bool about(const std::optional<timespan>& value, timespan wanted) {
  return value && *value > wanted - 2ms && *value <= wanted + 1ms;
}

} // namespace

TEST_CASE("a target that asks for it is told the context and the message alone otherwise [R32]",
          "[context]") {
  fixture f;
  f.log->well = true;
  auto shows = f.guard_of(f.asking, "shows", {.deadline = 5s, .shows_context = true});
  auto plain = f.guard_of(f.asking, "plain", {.deadline = 5s});
  auto answer = f.call(shows, {.remaining = 2s,
                               .importance = criticality::sheddable,
                               .tenant = "acme",
                               .trace_parent = trace});
  CHECK(answer->as<std::int32_t>() == 42);
  REQUIRE(f.log->contexts.size() == 1);
  const auto& got = f.log->contexts[0];
  CHECK(about(got.remaining, 2s));
  CHECK(got.attempt == 1);
  CHECK(got.importance == criticality::sheddable);
  CHECK(got.tenant == "acme");
  CHECK(got.trace_parent == trace);
  // Who calls without a context has one too: how much time there is.
  f.sys.ask(shows, ask_atom_v, std::int32_t{2});
  REQUIRE(f.log->contexts.size() == 2);
  CHECK(about(f.log->contexts[1].remaining, 5s));
  CHECK(f.log->contexts[1].tenant.empty());
  CHECK(f.call(plain, {.tenant = "acme"}, 3)->as<std::int32_t>() == 42);
  CHECK(f.log->plain == std::vector{3});
}

TEST_CASE("a guard behind a guard inherits the smaller deadline and what the caller said [R33]",
          "[context]") {
  fixture f;
  f.log->well = true;
  auto inner = f.guard_of(f.asking, "inner", {.deadline = 3s, .shows_context = true});
  auto middle = f.guard_of(inner, "middle", {});
  auto outer = f.guard_of(middle, "outer", {.deadline = 1s});
  f.call(outer, {.idempotent = false, .tenant = "acme"});
  f.call(outer, {.remaining = 400ms});
  f.sys.ask(outer, ask_atom_v, std::int32_t{1});
  f.sys.ask(inner, ask_atom_v, std::int32_t{1});
  REQUIRE(f.log->contexts.size() == 4);
  CHECK(about(f.log->contexts[0].remaining, 1s));
  CHECK(f.log->contexts[0].tenant == "acme");
  CHECK(f.log->contexts[0].idempotent == false);
  CHECK(about(f.log->contexts[1].remaining, 400ms));
  CHECK(about(f.log->contexts[2].remaining, 1s));
  CHECK(about(f.log->contexts[3].remaining, 3s));
}

TEST_CASE("each hop takes what it has used [R33]", "[context]") {
  fixture f;
  auto inner = f.guard_of(f.asking, "inner", {.shows_context = true});
  auto outer = f.guard_of(
      inner, "outer",
      {.deadline = 5s,
       .retry = retry_policy{.max_attempts = 2, .base_delay = 1s, .jitter = jitter_kind::none}});
  f.call(outer, {.tenant = "acme"});
  f.sys.advance(2s);
  REQUIRE(f.log->contexts.size() == 2);
  CHECK(about(f.log->contexts[0].remaining, 5s));
  CHECK(about(f.log->contexts[1].remaining, 4s));
  CHECK(f.log->contexts[1].tenant == "acme");
}

TEST_CASE("what has no time left when it comes to the next guard is never started [R33]",
          "[context]") {
  fixture f;
  auto inner = f.guard_of(f.asking, "inner", {.shows_context = true});
  auto answer = f.call(inner, {.remaining = 0ns});
  CHECK(is(answer, errc::timed_out));
  CHECK(f.log->contexts.empty());
  CHECK(f.stats(inner).saved == 1);
}

TEST_CASE("guards that have nothing to say pass the message alone [R33]", "[context]") {
  fixture f;
  auto inner = f.guard({});
  auto outer = f.guard_of(inner, "outer", {});
  auto answer = f.sys.ask(outer, ask_atom_v, std::int32_t{7});
  REQUIRE(f.target.log->questions.size() == 1);
  CHECK(f.question(0) == 7);
  f.sys.answer(f.target, 0, std::int32_t{42});
  CHECK(answer->as<std::int32_t>() == 42);
}

TEST_CASE("the attempt travels and only one guard tries again [T36]", "[context]") {
  fixture f;
  auto inner = f.guard_of(f.asking, "inner", {.retry = tries(3), .shows_context = true});
  auto outer = f.guard_of(inner, "outer",
                          {.retry = retry_policy{.max_attempts = 3,
                                                 .base_delay = 10ms,
                                                 .jitter = jitter_kind::none,
                                                 .retry_on = always}});
  auto answer = f.sys.ask(outer, ask_atom_v, std::int32_t{1});
  f.sys.advance(1s);
  CHECK(is(answer, errc::retries_exhausted));
  // Three of the inner guard's own, and then the outer one's two more.
  CHECK(f.log->contexts.size() == 5);
  std::vector<std::uint32_t> attempts;
  for (const auto& each : f.log->contexts)
    attempts.push_back(each.attempt);
  CHECK(attempts == std::vector<std::uint32_t>{1, 2, 3, 2, 3});
  CHECK(f.stats(inner).left_to_others == 2);
}

TEST_CASE("where an inner guard's budget is empty no outer one tries again instead [T32]",
          "[context]") {
  fixture f;
  auto stingy = tries(3);
  stingy.budget = retry_budget_policy{.ratio = 0, .min_per_second = 0};
  auto inner = f.guard_of(f.asking, "inner", {.retry = stingy, .shows_context = true});
  auto middle = f.guard_of(inner, "middle", {.deadline = 1s, .retry = tries(3)});
  auto outer = f.guard_of(middle, "outer", {.retry = tries(3)});
  auto answer = f.sys.ask(outer, ask_atom_v, std::int32_t{1});
  f.sys.advance(1s);
  CHECK(f.log->contexts.size() == 1);
  REQUIRE(answer->count() == 1);
  // The caller gets the target's error as it was.
  CHECK(answer->error() == target_error::busy);
  CHECK(answer->error().context().size() == 1);
  CHECK(f.stats(inner).budget_refused == 1);
  CHECK(f.stats(middle).told_not_to == 1);
  CHECK(f.stats(outer).told_not_to == 1);
}

TEST_CASE("a call says that it may not be made twice [T35]", "[context]") {
  fixture f;
  auto guard = f.guard_of(f.asking, "db", {.retry = tries(3), .shows_context = true});
  auto answer = f.call(guard, {.idempotent = false});
  f.sys.advance(1s);
  CHECK(answer->error() == target_error::busy);
  CHECK(f.log->contexts.size() == 1);
  CHECK(f.stats(guard).not_idempotent == 1);
}

TEST_CASE("what was refused further in was not begun and may be tried again [T35]", "[context]") {
  fixture f;
  f.log->well = true;
  auto breaker = f.node->circuit_breaker("circuit", {});
  auto inner = f.guard_of(f.asking, "inner", {.breaker = breaker, .shows_context = true});
  auto outer = f.guard_of(inner, "outer",
                          {.retry = retry_policy{.max_attempts = 2,
                                                 .base_delay = 10ms,
                                                 .jitter = jitter_kind::none,
                                                 .retry_on = codes{errc::circuit_open}}});
  f.sys.ask(breaker, force_open_atom_v);
  auto answer = f.call(outer, {.idempotent = false});
  f.sys.ask(breaker, reset_atom_v);
  f.sys.advance(1s);
  CHECK(answer->as<std::int32_t>() == 42);
}

TEST_CASE("what a dead target never took from its mailbox may be tried again [T35]", "[context]") {
  fixture f;
  auto guard = f.guard({.retry = tries(2)});
  SECTION("it was there when the target died") {
    auto answer = f.call(guard, {.idempotent = false});
    REQUIRE(f.target.log->questions.size() == 1);
    f.sys.kill(f.target.handle);
    f.sys.advance(1s);
    CHECK(is(answer, errc::target_lost));
    CHECK(f.stats(guard).attempts == 1);
  }
  SECTION("it came too late") {
    f.sys.kill(f.target.handle);
    auto answer = f.call(guard, {.idempotent = false});
    f.sys.advance(1s);
    CHECK(is(answer, errc::retries_exhausted));
    CHECK(f.stats(guard).attempts == 2);
  }
}

TEST_CASE("a context that is out of range is refused by name [R31]", "[context]") {
  fixture f;
  auto guard = f.guard_of(f.asking, "db", {.shows_context = true});
  auto answer = f.call(guard, {.attempt = 0, .tenant = std::string(65, 'x')});
  REQUIRE(answer->count() == 1);
  CHECK(answer->error() == caf::sec::invalid_argument);
  const auto text = to_string(answer->error());
  INFO(text);
  CHECK(text.find("call_context.attempt is 0, permitted: 1 .. 1000000") != std::string::npos);
  CHECK(text.find("call_context.tenant") != std::string::npos);
  CHECK(f.log->contexts.empty());
  CHECK(f.stats(guard).calls.calls == 0);
}

TEST_CASE("a context goes through the front door [R34]", "[context]") {
  fixture f;
  f.log->well = true;
  auto guard = f.guard_of(f.asking, "db", {.deadline = 5s, .shows_context = true});
  auto answer =
      f.sys.ask(f.node->front_door(), call_atom_v, std::string{"db"},
                call_context{.remaining = 1s, .importance = criticality::critical, .tenant = "x"},
                caf::make_message(ask_atom_v, std::int32_t{1}));
  CHECK(answer->as<std::int32_t>() == 42);
  REQUIRE(f.log->contexts.size() == 1);
  CHECK(about(f.log->contexts[0].remaining, 1s));
  CHECK(f.log->contexts[0].importance == criticality::critical);
  CHECK(f.log->contexts[0].tenant == "x");
}

TEST_CASE("a caller says it by request_with [R32]", "[context]") {
  fixture f;
  f.log->well = true;
  auto guard = f.guard_of(f.asking, "db", {.shows_context = true});
  auto got = std::make_shared<std::int32_t>(0);
  f.sys->spawn([guard, got](caf::event_based_actor* self) {
    request_with(self, guard, {.tenant = "acme"}, ask_atom_v, std::int32_t{5})
        .then([got](std::int32_t x) { *got = x; }, [](const caf::error&) {});
  });
  f.sys.run();
  CHECK(*got == 42);
  REQUIRE(f.log->contexts.size() == 1);
  CHECK(f.log->contexts[0].tenant == "acme");
  CHECK(f.log->questions == std::vector{5});
}
