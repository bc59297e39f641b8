#include "support/guards.hpp"

#include <algorithm>

// Retry, as a caller of a guard sees it. Backoff itself: tests/runtime/retry.test.cpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

retry_policy tries(std::uint32_t n, timespan delay = 100ms) {
  return {.max_attempts = n, .base_delay = delay, .jitter = jitter_kind::none};
}

// No constant: CAF's types are gone before those are destroyed.
caf::error busy() {
  return caf::make_error(target_error::busy, error_mark::transient);
}

// When the target heard each question; it fails them all.
struct clocked {
  guard_fixture f;
  std::vector<timespan> at;
  reply_ptr answer;

  explicit clocked(const retry_policy& policy, std::optional<timespan> deadline = std::nullopt) {
    auto guard = f.guard({.deadline = deadline, .retry = policy});
    const auto begin = f.sys.now();
    answer = f.sys.ask(guard, ask_atom_v, 1);
    for (int i = 0; i < 100'000 && answer->count() == 0; ++i) {
      if (f.target.log->questions.size() > at.size()) {
        at.push_back(f.sys.now() - begin);
        f.sys.answer(f.target, at.size() - 1, busy());
      }
      f.sys.advance(1ms);
    }
  }

  [[nodiscard]] timespan gap(std::size_t n) const { return at.at(n + 1) - at.at(n); }
};

bool about(timespan value, timespan wanted) {
  return value >= wanted && value <= wanted + 3ms;
}

} // namespace

TEST_CASE("at most max_attempts attempts are made with the first included [T1]", "[guard]") {
  for (auto n : {1U, 2U, 5U}) {
    clocked run{tries(n, 10ms)};
    CHECK(run.at.size() == n);
    CHECK(is(run.answer, errc::retries_exhausted));
  }
}

TEST_CASE("a guard waits base_delay times exponential_base to the n between attempts [T2]",
          "[guard]") {
  clocked run{{.max_attempts = 4,
               .base_delay = 100ms,
               .exponential_base = 3.0,
               .jitter = jitter_kind::none}};
  REQUIRE(run.at.size() == 4);
  CHECK(about(run.gap(0), 100ms));
  CHECK(about(run.gap(1), 300ms));
  CHECK(about(run.gap(2), 900ms));
}

TEST_CASE("a guard's wait is capped by max_delay [T3]", "[guard]") {
  clocked run{
      {.max_attempts = 5, .base_delay = 100ms, .max_delay = 150ms, .jitter = jitter_kind::none}};
  REQUIRE(run.at.size() == 5);
  CHECK(about(run.gap(0), 100ms));
  for (std::size_t n = 1; n < 4; ++n)
    CHECK(about(run.gap(n), 150ms));
}

TEST_CASE("a guard's jitter stays within its bounds [T4]", "[guard]") {
  const auto run = [](jitter_kind jitter) {
    return clocked{{.max_attempts = 20, .base_delay = 100ms, .max_delay = 200ms, .jitter = jitter}};
  };
  const auto within = [](const clocked& r, timespan low, timespan high) {
    for (std::size_t n = 1; n + 1 < r.at.size(); ++n)
      if (r.gap(n) < low || r.gap(n) > high + 3ms)
        return false;
    return r.at.size() == 20;
  };
  CHECK(within(run(jitter_kind::none), 200ms, 200ms));
  CHECK(within(run(jitter_kind::full), 0ms, 200ms));
  CHECK(within(run(jitter_kind::equal), 100ms, 200ms));
  CHECK(within(run(jitter_kind::decorrelated), 100ms, 200ms));
}

TEST_CASE("which errors a guard retries is the policy's [T5]", "[guard]") {
  struct each {
    error_predicate retry_on;
    bool again;
  };
  const std::vector<each> all{
      {transient, false}, // the error is not marked
      {never, false},
      {always, true},
      {codes{target_error::broken, errc::timed_out}, true},
      {codes{target_error::busy}, false},
      {error_predicate{[](const caf::error& e) { return e == target_error::broken; }}, true},
      // One that throws ends no guard: the error comes back.
      {error_predicate{[](const caf::error&) -> bool { throw 42; }}, false}};
  guard_fixture f;
  std::size_t asked = 0;
  for (const auto& [retry_on, again] : all) {
    auto policy = tries(2);
    policy.retry_on = retry_on;
    auto guard = f.guard({.retry = policy}, "g" + std::to_string(asked));
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, asked++, caf::make_error(target_error::broken));
    f.sys.advance(1s);
    CHECK(f.target.log->questions.size() == (again ? asked + 1 : asked));
    CHECK(answer->count() == (again ? 0U : 1U));
    asked = f.target.log->questions.size();
  }
}

TEST_CASE("timeouts are retried [T6]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.attempt_timeout = 1s, .retry = tries(2)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(1200ms);
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a lost target is retried and each attempt finds it lost [T6]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(3)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.kill(f.target.handle);
  CHECK(answer->count() == 0);
  f.sys.advance(1s);
  CHECK(is(answer, errc::retries_exhausted));
  CHECK(last_error_of(answer->error()) == errc::target_lost);
  CHECK(f.stats(guard).attempts == 3);
}

TEST_CASE("a lost connection is retried [T6]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(2)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(caf::sec::connection_closed));
  f.sys.advance(1s);
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a client's mistake and what is marked permanent come back unchanged at once [T6]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(3)});
  const std::vector<caf::error> all{caf::make_error(caf::sec::unexpected_message),
                                    caf::make_error(caf::sec::invalid_argument, "third"),
                                    caf::make_error(target_error::not_yours, error_mark::client),
                                    caf::make_error(errc::timed_out, error_mark::permanent),
                                    caf::make_error(target_error::broken, "as it was", 1, 2.0)};
  std::uint64_t n = 0;
  for (const auto& reason : all) {
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.answer(f.target, n++, reason);
    REQUIRE(answer->count() == 1);
    CHECK(to_string(answer->error()) == to_string(reason));
    CHECK(answer->error().context().size() == reason.context().size());
  }
  CHECK(f.target.log->questions.size() == all.size());
}

TEST_CASE("retries_exhausted carries attempts and elapsed time and the last error whole [T7 E2]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = tries(2, 500ms)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, busy());
  f.sys.advance(600ms);
  f.sys.answer(f.target, 1, caf::make_error(target_error::busy, error_mark::transient, "disk 7"));
  REQUIRE(is(answer, errc::retries_exhausted));
  const auto report = report_of(answer->error());
  REQUIRE(report);
  CHECK(report->guard == "db");
  CHECK(report->attempts == 2);
  CHECK(report->elapsed >= 500ms);
  CHECK(report->elapsed < 700ms);
  const auto last = last_error_of(answer->error());
  CHECK(last == target_error::busy);
  CHECK(last.context().match_elements<error_mark, std::string>());
  CHECK(report->last_error == to_string(last));
  CHECK(to_string(answer->error()).find("busy") != std::string::npos);
  CHECK(to_string(answer->error()).find("disk 7") != std::string::npos);
}

TEST_CASE("no attempt starts that cannot end before the deadline [T8]", "[guard]") {
  clocked run{tries(10, 400ms), 1s};
  // At 0 and 400 ms; the third would start at 1200 ms. Said at once, and not at the deadline.
  CHECK(run.at.size() == 2);
  CHECK(is(run.answer, errc::retries_exhausted));
  CHECK(report_of(run.answer->error())->elapsed < 500ms);
}

TEST_CASE("extreme attempts and bases do not overflow in a guard [T9]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = longest_timespan,
                        .attempt_timeout = longest_timespan,
                        .retry = retry_policy{.max_attempts = 1'000'000,
                                              .base_delay = longest_timespan,
                                              .exponential_base = 1e300,
                                              .max_delay = longest_timespan,
                                              .jitter = jitter_kind::none}});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, busy());
  f.sys.advance(1h);
  CHECK(f.target.log->questions.size() == 1);
  CHECK(is(answer, errc::retries_exhausted)); // could not end in time
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE("a retried message is the same one also where the target changes it [G1]", "[guard]") {
  guard_fixture f;
  auto seen = std::make_shared<std::vector<std::string>>();
  auto target = f.sys->spawn([seen]() -> caf::behavior {
    return {[seen](payload& x) -> caf::result<payload> {
      seen->push_back(x.text);
      x.text = "changed";
      if (seen->size() < 3)
        return busy();
      return x;
    }};
  });
  auto guard = f.node->guard("changer", target, {.retry = tries(3)});
  auto answer = f.sys.ask(guard, payload{"as it was"});
  f.sys.advance(1s);
  CHECK(answer->as<payload>().text == "changed");
  CHECK(*seen == std::vector<std::string>(3, "as it was"));
}
