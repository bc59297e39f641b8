#include "support/guards.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <atomic>
#include <thread>
#include <vector>

// Budgets, the target's word and delays by error, as a caller of a guard sees them. What decides:
// tests/runtime/supervisor_retry.test.cpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

retry_policy tries(std::uint32_t n, std::optional<retry_budget_policy> budget = std::nullopt) {
  return {.max_attempts = n,
          .base_delay = 10ms,
          .jitter = jitter_kind::none,
          .budget = std::move(budget)};
}

// Asks `times` times what the target fails with a transient error.
void fail(guard_fixture& f, const caf::actor& guard, int times) {
  for (auto i = 0; i < times; ++i)
    f.sys.ask(guard, ask_atom_v, std::int32_t{-2});
  f.sys.advance(1s);
}

} // namespace

TEST_CASE("a guard's budget bounds its retries and the error comes back as it is [T32]",
          "[guard]") {
  guard_fixture f;
  auto target = f.sys->spawn(doubling_target);
  auto guard = f.node->guard(
      "db", target, {.retry = tries(3, retry_budget_policy{.ratio = 0.1, .min_per_second = 0})});
  fail(f, guard, 100);
  const auto books = f.stats(guard);
  CHECK(books.calls.failed == 100);
  CHECK(books.attempts == 109);
  CHECK(books.budget_refused >= 90);
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{-2});
  CHECK(answer->error() == target_error::busy);
  CHECK(mark_of(answer->error()) == error_mark::transient);
  CHECK(answer->error().context().size() == 1);
}

TEST_CASE("guards whose budgets have one name share it [T37]", "[guard]") {
  guard_fixture f;
  auto target = f.sys->spawn(doubling_target);
  const retry_budget_policy shared{.ratio = 0, .min_per_second = 1, .name = "all"};
  auto a = f.node->guard("a", target, {.retry = tries(2, shared)});
  auto b = f.node->guard("b", target, {.retry = tries(2, shared)});
  auto alone = f.node->guard(
      "c", target, {.retry = tries(2, retry_budget_policy{.ratio = 0, .min_per_second = 1})});
  for (auto i = 0; i < 20; ++i)
    for (const auto& each : {a, b, alone})
      f.sys.ask(each, ask_atom_v, std::int32_t{-2});
  f.sys.advance(1s);
  CHECK(f.stats(a).retries + f.stats(b).retries == 10);
  CHECK(f.stats(alone).retries == 10);
}

TEST_CASE("a budget's name with other numbers is refused until its last guard has ended [T37 G12]",
          "[guard]") {
  guard_fixture f;
  const retry_budget_policy shared{.name = "all"};
  const retry_budget_policy other{.ratio = 0.2, .name = "all"};
  auto a = f.guard({.retry = tries(2, shared)}, "a");
  try {
    f.guard({.retry = tries(2, other)}, "b");
    FAIL("a second budget of that name");
  } catch (const policy_error& error) {
    CHECK(error.code() == errc::duplicate_name);
    CHECK(std::string{error.what()}.find("a retry budget of that name has another policy")
          != std::string::npos);
  }
  a = nullptr;
  f.sys.run();
  CHECK_NOTHROW(f.guard({.retry = tries(2, other)}, "b"));
}

TEST_CASE("wrong numbers of a budget and of delays are refused by name [P4 G13]", "[guard]") {
  guard_fixture f;
  auto policy = tries(3, retry_budget_policy{.ratio = -0.1});
  policy.max_retry_after = -1s;
  policy.delays = {{.on = always, .base_delay = -1ns}};
  try {
    f.guard({.retry = policy});
    FAIL("it was accepted");
  } catch (const policy_error& error) {
    const std::string text = error.what();
    INFO(text);
    for (const auto* field : {"retry.budget.ratio is -0.1, permitted: 0 .. 100",
                              "retry.max_retry_after is", "retry.delays[0].base_delay is"})
      CHECK(text.find(field) != std::string::npos);
  }
}

TEST_CASE("threads that share a budget take together what there is and no more [T37]", "[guard]") {
  shared_retry_budget budget{{.ratio = 1, .min_per_second = 0, .window = 24h}};
  std::atomic<int> taken{0};
  {
    std::vector<std::thread> threads;
    for (auto i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (auto n = 0; n < 5'000; ++n) {
          budget.on_call(instant{1h});
          taken += budget.try_spend(instant{1h}) ? 1 : 0;
        }
      });
    for (auto& each : threads)
      each.join();
  }
  while (budget.try_spend(instant{1h}))
    ++taken;
  CHECK(taken == 10'000); // half of 20,000: the other half isn't tried again
}

TEST_CASE("a guard comes back when the target's error says so [T33]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(3)});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, retry_after{2s}));
  f.sys.advance(2s + 5ms);
  CHECK(f.target.log->questions.size() == 1);
  f.sys.advance(10ms);
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, caf::make_error(target_error::busy, retry_after{-1ns}));
  REQUIRE(answer->count() == 1);
  CHECK(answer->error() == target_error::busy);
  CHECK(f.stats(guard).retries == 1);
}

TEST_CASE("an error that wants too long a wait comes back as it is [T33]", "[guard]") {
  guard_fixture f;
  auto policy = tries(3);
  policy.max_retry_after = 1s;
  auto guard = f.guard({.retry = policy});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, retry_after{2s}));
  CHECK(answer->error() == target_error::busy);
  CHECK(retry_after_of(answer->error()) == 2s);
  CHECK(f.stats(guard).told_not_to == 1);
}

TEST_CASE("the first delay whose predicate holds is an error's base delay [T34]", "[guard]") {
  guard_fixture f;
  auto policy = tries(2);
  policy.retry_on = always;
  policy.delays = {{.on = codes{target_error::busy}, .base_delay = 500ms},
                   {.on = always, .base_delay = 100ms}};
  auto guard = f.guard({.retry = policy});
  for (auto code : {target_error::busy, target_error::broken}) {
    const auto asked = f.target.log->questions.size();
    f.sys.ask(guard, ask_atom_v, std::int32_t{1});
    f.sys.answer(f.target, asked, caf::make_error(code));
    const auto wait = code == target_error::busy ? 500ms : 100ms;
    f.sys.advance(wait - 2ms);
    CHECK(f.target.log->questions.size() == asked + 1);
    f.sys.advance(5ms);
    CHECK(f.target.log->questions.size() == asked + 2);
  }
}

TEST_CASE("a retry policy comes back from bytes with its budget and its delays [T31 T34]",
          "[guard]") {
  virtual_system sys;
  auto policy = tries(4, retry_budget_policy{.ratio = 0.3, .window = 1s, .name = "x"});
  policy.max_retry_after = 5s;
  policy.idempotent = false;
  policy.delays = {{.on = codes{target_error::busy}, .base_delay = 500ms}};
  caf::byte_buffer bytes;
  caf::binary_serializer sink{*sys, bytes};
  REQUIRE(sink.apply(policy));
  caf::binary_deserializer source{*sys, bytes};
  retry_policy copy;
  REQUIRE(source.apply(copy));
  CHECK(copy == policy);
}
