#include "bulwark/sync.hpp"

#include "support/catch.hpp"
#include "support/types.hpp"
#include "support/virtual_system.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct broken : std::runtime_error {
  broken() : std::runtime_error("broken") {}
};

// A breaker whose time stands still until the test moves it.
struct stand {
  std::atomic<timespan::rep> now{0};
  sync::circuit_breaker breaker;

  explicit stand(circuit_breaker_policy policy = {.failure_threshold = 2, .open_for = 10s})
      : breaker(std::move(policy), {.now = [this] { return instant{timespan{now}}; }}) {
    init_types();
  }

  void pass(timespan time) { now += time.count(); }
  void fail() {
    CHECK_THROWS_AS(breaker.call([] { throw broken{}; }), broken);
  }
  void trip() {
    while (!breaker.is_open())
      fail();
  }
};

template <class E, class F>
E caught(F f) {
  try {
    f();
  } catch (const E& error) {
    return error;
  }
  throw std::logic_error{"nothing was thrown"};
}

} // namespace

TEST_CASE("a call under a breaker returns what the function returns [S1]",
          "[sync][circuit_breaker]") {
  sync::circuit_breaker breaker;
  CHECK(breaker.call([](int a, int b) { return a + b; }, 1, 2) == 3);
  auto moved = breaker.call([](std::unique_ptr<int> x) { return x; }, std::make_unique<int>(5));
  CHECK(*moved == 5);
  auto referred = 0;
  breaker.call([](int& x) -> int& { return x; }, referred) = 7;
  CHECK(referred == 7);
  breaker.call([&] { referred = 8; });
  CHECK(referred == 8);
}

TEST_CASE("a call under a breaker throws what the function throws [S1][S6]",
          "[sync][circuit_breaker]") {
  stand s;
  const auto original = std::make_exception_ptr(broken{});
  try {
    s.breaker.call([&] { std::rethrow_exception(original); });
    FAIL("nothing was thrown");
  } catch (...) {
    CHECK(std::current_exception() == original);
  }
}

TEST_CASE("failures in a row open it outside of actors [S1][C1]", "[sync][circuit_breaker]") {
  stand s;
  s.fail();
  s.breaker.call([] {}); // ends the row
  s.fail();
  CHECK(s.breaker.is_closed());
  s.fail();
  CHECK(s.breaker.is_open());
}

TEST_CASE("an open breaker throws at once with the time until the next probe [S1][S6][C9]",
          "[sync][circuit_breaker]") {
  stand s;
  s.trip();
  s.pass(4s);
  auto called = false;
  const auto error = caught<circuit_breaker_error>([&] { s.breaker.call([&] { called = true; }); });
  CHECK_FALSE(called);
  CHECK(error.code() == errc::circuit_open);
  CHECK(error.report().retry_after == 6s);
}

TEST_CASE("probes that succeed close it outside of actors [S1][C2][C3]",
          "[sync][circuit_breaker]") {
  stand s;
  s.trip();
  s.pass(10s - 1ns);
  CHECK(s.breaker.is_open());
  s.pass(1ns);
  CHECK(s.breaker.is_half_open());
  s.breaker.call([] {});
  CHECK(s.breaker.is_half_open());
  s.breaker.call([] {});
  CHECK(s.breaker.is_closed());
}

TEST_CASE("a failed probe opens it again outside of actors [S1][C5]", "[sync][circuit_breaker]") {
  stand s;
  s.trip();
  s.pass(10s);
  s.fail();
  CHECK(s.breaker.is_open());
  s.pass(10s - 1ns);
  CHECK(s.breaker.is_open());
}

TEST_CASE("in half-open no more than half_open_calls are inside at once [S1][C4][K4]",
          "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 1, .open_for = 10s, .half_open_calls = 2}};
  s.trip();
  s.pass(10s);
  s.breaker.call([&] {
    s.breaker.call([&] {
      CHECK(s.breaker.stats().probes == 2);
      CHECK_THROWS_AS(s.breaker.call([] {}), circuit_breaker_error);
    });
  });
  CHECK(s.breaker.is_closed());
}

TEST_CASE("a probe that never returns gives its place back [S1][C11]", "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 1, .open_for = 10s, .half_open_calls = 1}};
  s.trip();
  s.pass(10s);
  s.breaker.call([&] { // stands for one that hangs
    CHECK_THROWS_AS(s.breaker.call([] {}), circuit_breaker_error);
    s.pass(10s);
    s.breaker.call([] {});
    s.breaker.call([] {});
    CHECK(s.breaker.is_closed());
  });
}

TEST_CASE("an outcome from before the trip is dropped outside of actors [S1][C10]",
          "[sync][circuit_breaker]") {
  stand s;
  s.trip();
  s.breaker.reset();
  s.breaker.call([&] {
    s.trip();
    s.pass(10s);
    REQUIRE(s.breaker.is_half_open());
  }); // a late success
  CHECK(s.breaker.stats().successes == 0);
  CHECK_THROWS_AS(s.breaker.call([&] {
    s.breaker.reset();
    s.breaker.call([] {});
    throw broken{}; // a late failure
  }),
                  broken);
  CHECK(s.breaker.stats().failures == 0);
}

TEST_CASE("a rejection or a mistake of the caller's is no failure outside of actors [S1][C13][C14]",
          "[sync][circuit_breaker]") {
  stand s;
  s.fail();
  for (auto i = 0; i < 5; ++i) {
    CHECK_THROWS_AS(s.breaker.call([] { throw std::invalid_argument{"x"}; }),
                    std::invalid_argument);
    CHECK_THROWS_AS(s.breaker.call([] {
      throw bulkhead_error{errc::bulkhead_full, {}};
    }),
                    bulkhead_error);
  }
  CHECK(s.breaker.is_closed());
  CHECK(s.breaker.stats().failures == 1); // nor did they end the row
  CHECK(s.breaker.stats().calls.cancelled == 10);
}

TEST_CASE("a probe that says nothing gives its place back outside of actors [S1][C14]",
          "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 1, .open_for = 10s, .half_open_calls = 1}};
  s.trip();
  s.pass(10s);
  CHECK_THROWS_AS(s.breaker.call([] { throw std::invalid_argument{"x"}; }), std::invalid_argument);
  CHECK(s.breaker.is_half_open());
  CHECK(s.breaker.stats().probes == 0);
  s.breaker.call([] {});
}

TEST_CASE("which exceptions count is the policy's [S1][C15]", "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 1, .failure_on = codes{caf::sec::invalid_argument}}};
  s.fail();
  CHECK(s.breaker.is_closed());
  CHECK_THROWS_AS(s.breaker.call([] { throw std::invalid_argument{"x"}; }), std::invalid_argument);
  CHECK(s.breaker.is_open());
}

TEST_CASE("an operator opens and disables and resets it outside of actors [S1][C6]",
          "[sync][circuit_breaker]") {
  stand s;
  s.breaker.force_open();
  CHECK(s.breaker.state() == circuit_state::forced_open);
  CHECK(s.breaker.is_open());
  s.pass(1h);
  CHECK_THROWS_AS(s.breaker.call([] {}), circuit_breaker_error);
  s.breaker.disable();
  for (auto i = 0; i < 5; ++i)
    s.fail();
  CHECK(s.breaker.state() == circuit_state::disabled);
  s.breaker.reset();
  CHECK(s.breaker.is_closed());
}

TEST_CASE("functions that take too long open it outside of actors too [S1][C19]",
          "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 0,
           .count_window = count_window{.size = 4, .minimum_calls = 4, .slow_ratio = 0.5},
           .slow_call_duration = 2s}};
  for (auto took : {1s, 2s, 1s}) {
    s.breaker.call([&] { s.pass(took); });
    CHECK(s.breaker.is_closed());
  }
  CHECK_THROWS_AS(s.breaker.call([&] {
    s.pass(2s);
    throw broken{};
  }),
                  broken);
  CHECK(s.breaker.is_open());
  CHECK(s.breaker.stats().trips == 1);
}

TEST_CASE("metrics_only refuses nobody outside of actors [S1][C28]", "[sync][circuit_breaker]") {
  stand s;
  s.breaker.metrics_only();
  for (auto i = 0; i < 5; ++i)
    s.fail();
  CHECK(s.breaker.state() == circuit_state::metrics_only);
  CHECK(s.breaker.stats().trips == 1);
}

TEST_CASE("outcomes seen outside are recorded [S1][C7]", "[sync][circuit_breaker]") {
  stand s;
  s.breaker.record_failure();
  s.breaker.record_success();
  s.breaker.record_failure();
  CHECK(s.breaker.is_closed());
  s.breaker.record_failure();
  CHECK(s.breaker.is_open());
  s.pass(10s);
  s.breaker.record_success();
  s.breaker.record_success();
  CHECK(s.breaker.is_closed());
}

TEST_CASE("the books of a breaker outside of actors balance inside and after a call [S1][K1]",
          "[sync][circuit_breaker]") {
  stand s;
  s.breaker.call([&] {
    const auto inside = s.breaker.stats().calls;
    CHECK(inside.in_flight == 1);
    CHECK(inside.balanced());
  });
  CHECK_THROWS_AS(s.breaker.call([] { throw timeout_error{errc::timed_out, {}}; }), timeout_error);
  s.trip();
  CHECK_THROWS_AS(s.breaker.call([] {}), circuit_breaker_error);
  const auto books = s.breaker.stats().calls;
  CHECK(books.balanced());
  CHECK(books
        == counters{.calls = 4,
                    .succeeded = 1,
                    .failed = 1,
                    .rejected = 1,
                    .timed_out = 1,
                    .cancelled = 0,
                    .in_flight = 0});
}

TEST_CASE("trap 17: no code of the user's runs under the lock of a breaker [S1]",
          "[sync][circuit_breaker]") {
  init_types();
  sync::circuit_breaker* self = nullptr;
  auto asking = false;
  const auto look = [&] { // under the breaker's mutex this would hang
    if (self == nullptr || std::exchange(asking, true))
      return;
    static_cast<void>(self->stats());
    asking = false;
  };
  sync::circuit_breaker breaker{{.failure_on =
                                     [&](const caf::error&) {
                                       look();
                                       return true;
                                     }},
                                {.now = [&] {
                                  look();
                                  return instant{};
                                }}};
  self = &breaker;
  CHECK_THROWS_AS(breaker.call([&] {
    static_cast<void>(breaker.state());
    throw broken{};
  }),
                  broken);
  CHECK(breaker.stats().failures == 1);
}

TEST_CASE("a predicate that throws makes a failure of it [S1][C15]", "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 1,
           .failure_on = [](const caf::error&) -> bool { throw std::logic_error{"no idea"}; }}};
  s.fail();
  CHECK(s.breaker.is_open());
}

TEST_CASE("a wrong breaker policy throws and names field and value and range [S1][S6][G13]",
          "[sync][circuit_breaker]") {
  const auto error = caught<policy_error>(
      [] { sync::circuit_breaker{circuit_breaker_policy{.failure_threshold = 0}}; });
  CHECK(error.code() == errc::invalid_policy);
  CHECK(std::string{error.what()}.find(
            "circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000")
        != std::string::npos);
}

TEST_CASE("eight threads on one breaker keep its limit and its books [S1][C4][K1][K4]",
          "[sync][circuit_breaker]") {
  stand s{{.failure_threshold = 3, .success_threshold = 3, .open_for = 1ms, .half_open_calls = 2}};
  std::atomic<int> ran{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (auto t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (auto i = 0; i < 2000; ++i) {
        s.pass(100us);
        try {
          s.breaker.call([&] {
            const auto probes = static_cast<int>(s.breaker.stats().probes);
            for (auto seen = most.load();
                 seen < probes && !most.compare_exchange_weak(seen, probes);)
              ;
            ++ran;
            if ((i + t) % 5 == 0)
              throw broken{};
          });
        } catch (const broken&) {
        } catch (const circuit_breaker_error&) {
        }
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  const auto stats = s.breaker.stats();
  CHECK(most <= 2);
  CHECK(stats.calls.balanced());
  CHECK(stats.calls.calls == 16'000);
  CHECK(stats.calls.in_flight == 0);
  CHECK(stats.calls.succeeded + stats.calls.failed == static_cast<std::uint64_t>(ran.load()));
  CHECK(stats.transitions == stats.generation - 1);
}
