#include "support/guards.hpp"

#include <type_traits>

// Names that stay: type ids, policies and what they begin with, names of parts.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

TEST_CASE("bulwark's type ids begin a thousand after the first of an application [N4]", "[names]") {
  CHECK(caf::id_block::bulwark::begin == caf::first_custom_type_id + 1000);
  CHECK(caf::id_block::bulwark::end > caf::id_block::bulwark::begin);
  // An application's own block, from the first one on, lives beside it.
  CHECK(caf::id_block::bulwark_tests::begin == caf::first_custom_type_id);
  CHECK(caf::id_block::bulwark_tests::end <= caf::id_block::bulwark::begin);
  CHECK(caf::type_id_v<errc> == caf::first_custom_type_id + 1000);
}

TEST_CASE("policies are aggregates with the defaults of the tables [N3]", "[names]") {
  STATIC_REQUIRE(std::is_aggregate_v<circuit_breaker_policy>);
  STATIC_REQUIRE(std::is_aggregate_v<retry_policy>);
  STATIC_REQUIRE(std::is_aggregate_v<bulkhead_policy>);
  STATIC_REQUIRE(std::is_aggregate_v<guard_policy>);
  const circuit_breaker_policy breaker;
  CHECK(breaker.failure_threshold == 5);
  CHECK(breaker.success_threshold == 2);
  CHECK(breaker.open_for == 60s);
  CHECK(breaker.half_open_calls == 2);
  CHECK(breaker.failure_on == counted);
  const retry_policy retry;
  CHECK(retry.max_attempts == 3);
  CHECK(retry.base_delay == 1s);
  CHECK(retry.exponential_base == 2.0);
  CHECK(retry.max_delay == 60s);
  CHECK(retry.jitter == jitter_kind::full);
  CHECK(retry.retry_on == transient);
  const bulkhead_policy bulkhead;
  CHECK(bulkhead.max_workers == 10);
  CHECK(bulkhead.queue_size == 100);
  CHECK_FALSE(bulkhead.queue_timeout.has_value());
}

TEST_CASE("the fields of policies are in the order of the tables [N3]", "[names]") {
  // Named initialisers compile in the order of declaration only.
  const circuit_breaker_policy breaker{.failure_threshold = 1,
                                       .success_threshold = 2,
                                       .open_for = 3s,
                                       .half_open_calls = 4,
                                       .failure_on = always};
  const retry_policy retry{.max_attempts = 1,
                           .base_delay = 2s,
                           .exponential_base = 3.0,
                           .max_delay = 4s,
                           .jitter = jitter_kind::equal,
                           .retry_on = never};
  const bulkhead_policy bulkhead{.max_workers = 1, .queue_size = 2, .queue_timeout = 3s};
  const guard_policy guard{.deadline = 1s,
                           .attempt_timeout = 2s,
                           .retry = retry,
                           .breaker = breaker,
                           .bulkhead = bulkhead,
                           .cancel = cancel_signal::off};
  CHECK(find_mistakes(guard).empty());
  CHECK(guard.retry == retry);
  CHECK(std::get<circuit_breaker_policy>(guard.breaker) == breaker);
  CHECK(std::get<bulkhead_policy>(guard.bulkhead) == bulkhead);
}

TEST_CASE("an empty guard policy names nothing [N3 G15]", "[names]") {
  const guard_policy policy;
  CHECK_FALSE(policy.deadline.has_value());
  CHECK_FALSE(policy.attempt_timeout.has_value());
  CHECK_FALSE(policy.retry.has_value());
  CHECK(policy.breaker.index() == 0);
  CHECK(policy.bulkhead.index() == 0);
  CHECK(policy.cancel == cancel_signal::automatic);
  CHECK(find_mistakes(policy).empty());
}

TEST_CASE("a name that nobody has any more is free again also for another policy [G12]",
          "[names]") {
  guard_fixture f;
  for (std::uint32_t n = 1; n <= 3; ++n) {
    auto guard = f.guard({.breaker = circuit_breaker_policy{.failure_threshold = n},
                          .bulkhead = bulkhead_policy{.max_workers = n}});
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, n - 1, std::int32_t{2});
    CHECK(answer->as<std::int32_t>() == 2);
    f.sys.ask(guard, shutdown_atom_v);
  }
}

TEST_CASE("guards and breakers and bulkheads may bear the same name [G12]", "[names]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("x");
  auto pool = f.node->bulkhead("x");
  auto guard = f.guard({.breaker = breaker, .bulkhead = pool}, "x");
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a name that was refused once is not taken [G12 G13]", "[names]") {
  guard_fixture f;
  CHECK_THROWS_AS(f.node->circuit_breaker("b", {.failure_threshold = 0}), policy_error);
  CHECK_THROWS_AS(f.node->bulkhead("b", {.max_workers = 0}), policy_error);
  CHECK_NOTHROW(f.node->circuit_breaker("b", {.failure_threshold = 7}));
  CHECK_NOTHROW(f.node->bulkhead("b", {.max_workers = 7}));
}

TEST_CASE("a part whose policy was changed by message is found by the policy in force [G12]",
          "[names]") {
  virtual_system sys;
  virtual_node node{sys};
  const circuit_breaker_policy before{.failure_threshold = 3};
  const circuit_breaker_policy after{.failure_threshold = 4};
  auto breaker = node->circuit_breaker("db", before);
  sys.ask(breaker, change_policy_atom_v, after);
  CHECK(node->circuit_breaker("db", after) == breaker);
  CHECK_THROWS_AS(node->circuit_breaker("db", before), policy_error);
  const bulkhead_policy narrow{.max_workers = 1};
  const bulkhead_policy wide{.max_workers = 2};
  auto bulkhead = node->bulkhead("db", narrow);
  sys.ask(bulkhead, change_policy_atom_v, wide);
  CHECK(node->bulkhead("db", wide) == bulkhead);
  CHECK_THROWS_AS(node->bulkhead("db", narrow), policy_error);
}

TEST_CASE("the text of a duplicate name says what and which [G12 E3]", "[names]") {
  guard_fixture f;
  auto pool = f.node->bulkhead("the_pool");
  try {
    f.node->bulkhead("the_pool", {.max_workers = 3});
    FAIL("nothing was thrown");
  } catch (const policy_error& error) {
    const std::string text = error.what();
    CHECK(text.find("the_pool") != std::string::npos);
    CHECK(text.find("bulkhead") != std::string::npos);
    CHECK(text.find("another policy") != std::string::npos);
  }
}
