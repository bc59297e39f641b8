#include "support/guards.hpp"

// Faults on purpose, as callers and targets see them. How often each happens:
// tests/models/chaos_model.test.cpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

retry_policy tries(std::uint32_t n) {
  return {.max_attempts = n, .base_delay = 10ms, .jitter = jitter_kind::none};
}

caf::message call(criticality importance, std::int32_t x) {
  return caf::make_message(call_atom_v, call_context{.importance = importance},
                           caf::make_message(ask_atom_v, x));
}

} // namespace

TEST_CASE("an error by chaos comes in the target's name, and all parts take it for the target's "
          "[I1] [I5]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(3),
                        .breaker = circuit_breaker_policy{.failure_threshold = 3},
                        .bulkhead = bulkhead_policy{.max_workers = 1},
                        .chaos = chaos_policy{.error_rate = 1}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(1s);
  REQUIRE(is(answer, errc::retries_exhausted)); // it was transient
  const auto last = last_error_of(answer->error());
  CHECK(last == caf::sec::runtime_error);
  CHECK(to_string(last).find("injected by chaos") != std::string::npos);
  CHECK(f.target.log->questions.empty());
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::circuit_open)); // it counted
  const auto stats = f.stats(guard);
  CHECK(stats.attempts == 3);
  REQUIRE(stats.chaos.has_value());
  CHECK(*stats.chaos == chaos_counts{.attempts = 3, .errors = 3});
}

TEST_CASE("an error by chaos that isn't transient isn't tried again [I1]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(
      {.retry = tries(3), .chaos = chaos_policy{.error_rate = 1, .transient_errors = false}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(answer->error() == caf::sec::runtime_error);
  CHECK(f.stats(guard).attempts == 1);
}

TEST_CASE("latency by chaos holds the call back from the target, within the attempt's timeout "
          "[I1] [I5]",
          "[guard]") {
  guard_fixture f;
  auto guard =
      f.guard({.attempt_timeout = 100ms,
               .chaos = chaos_policy{.latency_rate = 1, .min_latency = 50ms, .max_latency = 50ms}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(49ms);
  CHECK(f.target.log->questions.empty());
  f.sys.advance(1ms);
  REQUIRE(f.target.log->questions.size() == 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
  CHECK(f.stats(guard).chaos->delayed == 1);
  SECTION("a call that is too late never gets there") {
    const auto change = chaos_policy{.latency_rate = 1, .min_latency = 200ms, .max_latency = 200ms};
    f.sys.ask(guard, change_policy_atom_v, change);
    const auto late = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.advance(300ms);
    CHECK(is(late, errc::timed_out));
    CHECK(f.target.log->questions.size() == 1);
    CHECK(f.stats(guard).late_replies == 0);
  }
  SECTION("nor does one whose target has ended meanwhile, or whose guard has") {
    const auto lost = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.kill(f.target.handle);
    CHECK(is(lost, errc::target_lost));
    const auto last = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.kill(guard);
    CHECK(is(last, errc::shutting_down));
    f.sys.advance(1s);
    CHECK(lost->count() == 1);
    CHECK(last->count() == 1);
  }
}

TEST_CASE("a reply that chaos loses never comes, and the target has done its work [I1] [I5]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.attempt_timeout = 100ms, .chaos = chaos_policy{.lost_reply_rate = 1}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  REQUIRE(f.target.log->questions.size() == 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->count() == 0);
  f.sys.advance(200ms);
  CHECK(is(answer, errc::timed_out));
  CHECK(f.stats(guard).late_replies == 0);
  CHECK(f.stats(guard).chaos->lost_replies == 1);
}

TEST_CASE("a target that chaos ends is lost to its guard [I1] [I5]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.chaos = chaos_policy{.kill_rate = 1}});
  const auto answer = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(is(answer, errc::target_lost));
  CHECK(f.stats(guard).chaos->kills == 1);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::target_lost));
}

TEST_CASE("chaos hits only calls of the criticalities that it names [I2]", "[guard]") {
  guard_fixture f;
  auto target = f.sys->spawn(doubling_target);
  auto guard =
      f.node->guard("spared", target, {.chaos = chaos_policy{.error_rate = 1, .critical = false}});
  const auto asked = [&](criticality importance) {
    const auto content = call(importance, 21);
    return f.sys.ask(guard, content.get_as<call_atom>(0), content.get_as<call_context>(1),
                     content.get_as<caf::message>(2));
  };
  CHECK(asked(criticality::critical)->as<std::int32_t>() == 42);
  CHECK(asked(criticality::normal)->is_error());
  CHECK(asked(criticality::sheddable)->is_error());
  CHECK(f.sys.ask(guard, ask_atom_v, 21)->is_error()); // one that says nothing is normal
}

TEST_CASE("chaos is off by default, and is switched on and off while the guard runs [I6]",
          "[guard]") {
  guard_fixture f;
  auto target = f.sys->spawn(doubling_target);
  auto guard = f.node->guard("switched", target, {});
  CHECK(f.sys.get<std::int32_t>(guard, ask_atom_v, 21) == 42);
  CHECK(!f.stats(guard).chaos);
  CHECK(!f.sys.ask(guard, change_policy_atom_v, chaos_policy{.error_rate = 1})->is_error());
  CHECK(f.sys.ask(guard, ask_atom_v, 21)->is_error());
  CHECK(f.stats(guard).chaos == chaos_counts{.attempts = 1, .errors = 1});
  const auto listed =
      f.sys.get<node_stats>(f.node->registry(), get_atom_v, std::string{"switched"});
  REQUIRE(listed.guards.size() == 1);
  CHECK(listed.guards[0].chaos == chaos_counts{.attempts = 1, .errors = 1});
  CHECK(!f.sys.ask(guard, change_policy_atom_v, chaos_policy{})->is_error());
  CHECK(f.sys.get<std::int32_t>(guard, ask_atom_v, 21) == 42);
  CHECK(!f.stats(guard).chaos);
  CHECK(f.stats(guard).calls == counters{.calls = 3, .succeeded = 2, .failed = 1});
}

TEST_CASE("a chaos policy out of range is refused, and the one in force stays [I4]", "[guard]") {
  guard_fixture f;
  CHECK_THROWS_AS(f.node->guard("bad", f.target.handle, {.chaos = chaos_policy{.error_rate = 2}}),
                  policy_error);
  auto guard = f.guard({.chaos = chaos_policy{.error_rate = 1}});
  const auto answer = f.sys.ask(guard, change_policy_atom_v, chaos_policy{.kill_rate = -1});
  CHECK(is(answer, errc::invalid_policy));
  CHECK(to_string(answer->error()).find("chaos.kill_rate is -1, permitted: 0 .. 1")
        != std::string::npos);
  CHECK(f.sys.ask(guard, ask_atom_v, 1)->error() == caf::sec::runtime_error);
}

TEST_CASE("a whole guard under chaos of all kinds answers each call once, and its books balance "
          "[I1] [I3]",
          "[guard]") {
  const auto run = [](std::uint64_t seed) {
    guard_fixture f;
    auto target = f.sys->spawn(doubling_target);
    auto policy = whole_policy();
    policy.chaos = chaos_policy{.latency_rate = 0.3,
                                .min_latency = 1ms,
                                .max_latency = 2s,
                                .error_rate = 0.2,
                                .lost_reply_rate = 0.1,
                                .seed = seed};
    auto guard = f.node->guard("whole", target, policy);
    std::vector<reply_ptr> answers;
    for (auto i = 0; i < 200; ++i) {
      answers.push_back(f.sys.ask(guard, ask_atom_v, i));
      f.sys.advance(20ms);
    }
    f.sys.advance(10s);
    for (const auto& each : answers)
      CHECK(each->count() == 1);
    const auto stats = f.stats(guard);
    CHECK(stats.calls.balanced());
    CHECK(stats.calls.in_flight == 0);
    CHECK(stats.calls.calls == 200);
    CHECK(stats.chaos->attempts == stats.attempts);
    return *stats.chaos;
  };
  const auto first = run(1);
  CHECK(first.errors > 0);
  CHECK(first.lost_replies > 0);
  CHECK(first.delayed > 0);
  CHECK(run(1) == first);
  CHECK(!(run(2) == first));
}

TEST_CASE("a chaos policy reads back as it was written [I6]", "[guard]") {
  guard_fixture f;
  const auto written = chaos_policy{.latency_rate = 0.1,
                                    .min_latency = 1ms,
                                    .max_latency = 2ms,
                                    .error_rate = 0.2,
                                    .lost_reply_rate = 0.3,
                                    .kill_rate = 0.4,
                                    .critical = false,
                                    .normal = false,
                                    .sheddable = false,
                                    .seed = 7,
                                    .transient_errors = false};
  caf::byte_buffer buffer;
  caf::binary_serializer sink{*f.sys, buffer};
  REQUIRE(sink.apply(written));
  caf::binary_deserializer source{*f.sys, buffer};
  chaos_policy read;
  REQUIRE(source.apply(read));
  CHECK(read == written);
}
