#include "bulwark/sync.hpp"

#include "support/catch.hpp"
#include "support/types.hpp"
#include "support/virtual_system.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// What stands on a node's part. Threads block here, so the actor system is a real one; nothing
// depends on how fast it is.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct broken : std::runtime_error {
  broken() : std::runtime_error("broken") {}
};

struct config : caf::actor_system_config {
  config() { init_types(); }
};

struct world {
  config settings;
  caf::actor_system system{settings};
  std::optional<bulwark::node> home{system};
  caf::scoped_actor self{system};

  // A guard's answer to a question, as an error or none.
  caf::error ask(const caf::actor& guard, std::int32_t question) {
    caf::error result;
    compat::request(self, guard, ask_atom_v, question)
        .receive([](std::int32_t) {}, [&](caf::error& reason) { result = std::move(reason); });
    return result;
  }

  caf::actor guard(const std::string& name, guard_policy policy) {
    return home->guard(name, system.spawn(doubling_target), policy);
  }

  // Waits until a breaker's subscribers are told of that state.
  void wait_for_state(circuit_state wanted) {
    auto reached = false;
    self->receive_while([&] { return !reached; })(
        [&](const circuit_event& event) { reached = event.to == wanted; });
  }

  // A long time in open keeps the place of a probe for as long.
  void keep_probes(const caf::actor& breaker, circuit_breaker_policy policy) {
    policy.open_for = 1h;
    compat::request(self, breaker, change_policy_atom_v, policy)
        .receive([] {}, [](const caf::error&) { FAIL("refused"); });
  }

  void subscribe(const caf::actor& breaker) {
    compat::request(self, breaker, subscribe_atom_v)
        .receive([] {}, [](const caf::error&) { FAIL("no subscription"); });
  }
};

const circuit_breaker_policy quick{.failure_threshold = 2, .open_for = 1ms};
const circuit_breaker_policy slow{.failure_threshold = 2, .open_for = 1h};

void fail(sync::circuit_breaker& breaker) {
  CHECK_THROWS_AS(breaker.call([] { throw broken{}; }), broken);
}

template <class E, class F>
E caught(F f) {
  try {
    f();
  } catch (const E& error) {
    return error;
  }
  throw std::logic_error{"nothing was thrown"};
}

struct door {
  std::promise<void> opening;
  std::shared_future<void> open = opening.get_future().share();
};

std::future<void> occupy(sync::bulkhead& pool, door& d) {
  auto begun = std::make_shared<std::promise<void>>();
  auto has_begun = begun->get_future();
  auto result = pool.execute([begun, open = d.open] {
    begun->set_value();
    open.wait();
  });
  has_begun.wait();
  return result;
}

bool balanced(const bulkhead_stats& s) {
  return s.calls
             == s.completed + s.failed + s.rejected + s.timed_out + s.cancelled + s.active
                    + s.queued
         && s.active <= s.max_workers && s.queued <= s.queue_size;
}

} // namespace

// -- circuit breaker ----------------------------------------------------------------------

TEST_CASE("a breaker tripped by plain calls is open for guards [S5][S1]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  auto guard = w.guard("g", {.breaker = w.home->circuit_breaker("db", slow)});
  CHECK(breaker.call([] { return 3; }) == 3);
  CHECK_FALSE(w.ask(guard, 1));
  fail(breaker);
  fail(breaker);
  CHECK(breaker.is_open()); // the failure has arrived when call() returns
  CHECK(w.ask(guard, 1) == errc::circuit_open);
}

TEST_CASE("a breaker tripped by a guard is open for plain calls [S5][S1][C9]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  auto guard = w.guard("g", {.breaker = w.home->circuit_breaker("db", slow)});
  CHECK(w.ask(guard, -1) == target_error::broken);
  CHECK(w.ask(guard, -1) == target_error::broken);
  // The guard's word is on its way to the breaker before its answer is to us: ask after it.
  CHECK(breaker.stats().state == circuit_state::open);
  auto called = false;
  const auto error = caught<circuit_breaker_error>([&] { breaker.call([&] { called = true; }); });
  CHECK_FALSE(called);
  CHECK(error.code() == errc::circuit_open);
  CHECK(error.report().part == "db");
  CHECK(error.report().retry_after > 0s);
  CHECK(error.report().retry_after <= 1h);
}

TEST_CASE("a row of failures is one over guards and plain calls [S5][C1]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  auto guard = w.guard("g", {.breaker = w.home->circuit_breaker("db", slow)});
  CHECK(w.ask(guard, -1) == target_error::broken);
  static_cast<void>(breaker.stats()); // the breaker has heard of it
  breaker.call([] {});                // a success of ours ends the guard's row
  fail(breaker);
  CHECK(breaker.is_closed());
  CHECK(w.ask(guard, -1) == target_error::broken);
  CHECK(breaker.stats().state == circuit_state::open);
}

TEST_CASE("probes by plain calls close a node's breaker [S5][C2][C12]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", quick};
  const auto part = w.home->circuit_breaker("db", quick);
  w.subscribe(part);
  fail(breaker);
  fail(breaker);
  w.wait_for_state(circuit_state::half_open);
  w.keep_probes(part, quick);
  CHECK(breaker.call([&] { return breaker.stats().probes; }) == 1);
  breaker.call([] {});
  CHECK(breaker.is_closed());
}

TEST_CASE("a probe that fails or says nothing is told to a node's breaker [S5][C5][C14]",
          "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", quick};
  const auto part = w.home->circuit_breaker("db", quick);
  w.subscribe(part);
  fail(breaker);
  fail(breaker);
  w.wait_for_state(circuit_state::half_open);
  w.keep_probes(part, quick);
  CHECK_THROWS_AS(breaker.call([] { throw std::invalid_argument{"x"}; }), std::invalid_argument);
  CHECK(breaker.stats().probes == 0);
  CHECK(breaker.stats().state == circuit_state::half_open);
  fail(breaker);
  w.wait_for_state(circuit_state::open);
}

TEST_CASE("probes of guards and plain calls have one limit [S5][C4][K4]", "[sync][parts]") {
  world w;
  const circuit_breaker_policy policy{
      .failure_threshold = 1, .success_threshold = 1, .open_for = 1ms, .half_open_calls = 1};
  sync::circuit_breaker breaker{*w.home, "db", policy};
  const auto part = w.home->circuit_breaker("db", policy);
  auto guard = w.guard("g", {.breaker = part});
  w.subscribe(part);
  fail(breaker);
  w.wait_for_state(circuit_state::half_open);
  w.keep_probes(part, policy);
  breaker.call([&] {
    CHECK(w.ask(guard, 1) == errc::circuit_open);
    CHECK_THROWS_AS(breaker.call([] {}), circuit_breaker_error);
  });
  CHECK(breaker.is_closed());
  CHECK_FALSE(w.ask(guard, 1));
}

TEST_CASE("plain calls are in the books of a node's breaker and stay there [S5][K1]",
          "[sync][parts]") {
  world w;
  sync::circuit_breaker observer{*w.home, "db", slow};
  {
    sync::circuit_breaker breaker{*w.home, "db", slow};
    breaker.call([&] {
      CHECK(observer.stats().calls.in_flight == 1);
      CHECK(observer.stats().calls.balanced());
    });
    fail(breaker);
    CHECK_THROWS_AS(breaker.call([] { throw std::invalid_argument{"x"}; }), std::invalid_argument);
    fail(breaker);
    CHECK_THROWS_AS(breaker.call([] {}), circuit_breaker_error);
  }
  const auto books = observer.stats().calls;
  CHECK(books.balanced());
  CHECK(books
        == counters{.calls = 5,
                    .succeeded = 1,
                    .failed = 2,
                    .rejected = 1,
                    .timed_out = 0,
                    .cancelled = 1,
                    .in_flight = 0});
}

TEST_CASE("an operator's hand on a breaker reaches guards and comes from either side [S5][C6][C7]",
          "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  const auto part = w.home->circuit_breaker("db", slow);
  auto guard = w.guard("g", {.breaker = part});
  breaker.force_open();
  CHECK(breaker.state() == circuit_state::forced_open);
  CHECK(w.ask(guard, 1) == errc::circuit_open);
  CHECK_THROWS_AS(breaker.call([] {}), circuit_breaker_error);
  breaker.disable();
  CHECK(breaker.state() == circuit_state::disabled);
  fail(breaker);
  fail(breaker);
  fail(breaker);
  breaker.reset();
  CHECK(breaker.is_closed());
  breaker.record_failure();
  breaker.record_success();
  breaker.record_failure();
  CHECK(breaker.is_closed());
  breaker.record_failure();
  CHECK(breaker.is_open());
  CHECK(w.ask(guard, 1) == errc::circuit_open);
}

TEST_CASE("a changed policy says which exceptions count from then on [S5][C15]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  auto other = slow;
  other.failure_on = codes{caf::sec::invalid_argument};
  compat::request(w.self, w.home->circuit_breaker("db", slow), change_policy_atom_v, other)
      .receive([] {}, [](const caf::error&) { FAIL("refused"); });
  static_cast<void>(breaker.stats()); // its answer comes after the news
  for (auto i = 0; i < 3; ++i)
    fail(breaker);
  CHECK(breaker.is_closed());
  for (auto i = 0; i < 2; ++i)
    CHECK_THROWS_AS(breaker.call([] { throw std::invalid_argument{"x"}; }), std::invalid_argument);
  CHECK(breaker.is_open());
}

TEST_CASE("the same name with another policy throws outside of actors [S5][S6][G12]",
          "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  const auto again = caught<policy_error>([&] { sync::circuit_breaker{*w.home, "db", quick}; });
  CHECK(again.code() == errc::duplicate_name);
  const auto wrong = caught<policy_error>([&] {
    sync::circuit_breaker{*w.home, "x", circuit_breaker_policy{.success_threshold = 0}};
  });
  CHECK(wrong.code() == errc::invalid_policy);
  CHECK(std::string{wrong.what()}.find("circuit_breaker.success_threshold is 0")
        != std::string::npos);
  sync::bulkhead pool{*w.home, "db"};
  CHECK_THROWS_AS((sync::bulkhead{*w.home, "db", {.max_workers = 1}}), policy_error);
}

TEST_CASE("a breaker whose node has ended refuses plain calls [S5][S6]", "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  breaker.call([] {});
  w.home.reset();
  const auto error = caught<circuit_breaker_error>([&] { breaker.call([] {}); });
  CHECK(error.code() == errc::shutting_down);
  CHECK_THROWS_AS(breaker.stats(), circuit_breaker_error);
  CHECK_THROWS_AS(breaker.reset(), circuit_breaker_error);
}

TEST_CASE("a breaker whose node ends within a call still returns the result [S5]",
          "[sync][parts]") {
  world w;
  sync::circuit_breaker breaker{*w.home, "db", slow};
  CHECK(breaker.call([&] {
    w.home.reset();
    return 4;
  }) == 4);
}

// -- bulkhead -------------------------------------------------------------------------------

TEST_CASE("functions run on the threads of a node's bulkhead [S5][S4][B4]", "[sync][parts]") {
  world w;
  sync::bulkhead pool{*w.home, "io"};
  CHECK(pool.execute([](std::unique_ptr<int> x) { return x; }, std::make_unique<int>(5)).get()
        != nullptr);
  CHECK_THROWS_AS(pool.execute([] { throw std::range_error{"x"}; }).get(), std::range_error);
  CHECK_THROWS_AS(pool.execute([] {
                        throw bulkhead_error{errc::bulkhead_full, {.part = "own"}};
                      })
                      .get(),
                  bulkhead_error);
  const auto stats = pool.get_stats();
  CHECK(stats.completed == 1);
  CHECK(stats.failed == 2);
  CHECK(balanced(stats));
  CHECK(pool.available_capacity() == 10);
}

TEST_CASE("plain calls and guards draw on the same permits [S5][S4][B1][B2]", "[sync][parts]") {
  world w;
  const bulkhead_policy policy{.max_workers = 1, .queue_size = 0};
  sync::bulkhead pool{*w.home, "io", policy};
  auto guard = w.guard("g", {.bulkhead = w.home->bulkhead("io", policy)});
  door d;
  auto running = occupy(pool, d);
  CHECK(pool.available_capacity() == 0);
  CHECK(w.ask(guard, 1) == errc::bulkhead_full);
  const auto error = caught<bulkhead_error>([&] { pool.execute([] {}).get(); });
  CHECK(error.code() == errc::bulkhead_full);
  CHECK(error.report().part == "io");
  d.opening.set_value();
  running.get();
  CHECK_FALSE(w.ask(guard, 1));
  const auto stats = pool.get_stats();
  CHECK(stats.completed == 2);
  CHECK(stats.rejected == 2);
  CHECK(balanced(stats));
}

TEST_CASE("who waits too long in a node's queue gets a timeout error [S5][S4][B3][B9]",
          "[sync][parts]") {
  world w;
  sync::bulkhead pool{*w.home, "io", {.max_workers = 1, .queue_timeout = 5ms}};
  door d;
  auto running = occupy(pool, d);
  std::atomic<bool> started{false};
  CHECK_THROWS_AS(pool.execute([&] { started = true; }).get(), timeout_error);
  d.opening.set_value();
  running.get();
  CHECK_FALSE(started);
  CHECK(pool.get_stats().timed_out == 1);
  CHECK(pool.available_capacity() == 1);
}

TEST_CASE("shutting down what stands on a node's bulkhead leaves the part alone [S5][S4][B6][B7]",
          "[sync][parts]") {
  world w;
  const bulkhead_policy policy{.max_workers = 1};
  sync::bulkhead pool{*w.home, "io", policy};
  sync::bulkhead other{*w.home, "io", policy};
  door d;
  auto running = occupy(pool, d);
  std::atomic<bool> started{false};
  auto queued = pool.execute([&] { started = true; });
  auto of_other = other.execute([] { return 6; });
  pool.shutdown(false);
  CHECK(queued.wait_for(0s) == std::future_status::ready);
  CHECK(caught<bulkhead_error>([&] { queued.get(); }).code() == errc::shutting_down);
  CHECK(caught<bulkhead_error>([&] { pool.execute([] {}).get(); }).code() == errc::shutting_down);
  d.opening.set_value();
  pool.shutdown(true);
  CHECK(running.wait_for(0s) == std::future_status::ready);
  CHECK(of_other.get() == 6);
  CHECK_FALSE(started);
}

TEST_CASE("leaving the scope of what stands on a node's bulkhead waits for its own [S5][S4]",
          "[sync][parts]") {
  world w;
  door d;
  std::future<int> queued;
  {
    sync::bulkhead pool{*w.home, "io", {.max_workers = 1}};
    auto running = occupy(pool, d);
    queued = pool.execute([] { return 5; });
    d.opening.set_value();
  }
  CHECK(queued.wait_for(0s) == std::future_status::ready);
  CHECK(queued.get() == 5);
}

TEST_CASE("every future is answered when the node ends [S5][S4][G5]", "[sync][parts]") {
  world w;
  sync::bulkhead pool{*w.home, "io", {.max_workers = 1}};
  door d;
  auto running = occupy(pool, d);
  auto queued = pool.execute([] {});
  auto ended = std::async(std::launch::async, [&] { w.home.reset(); });
  CHECK(caught<bulkhead_error>([&] { queued.get(); }).code() == errc::shutting_down);
  d.opening.set_value(); // the node waits for what its threads run
  ended.get();
  CHECK(caught<bulkhead_error>([&] { pool.execute([] {}).get(); }).code() == errc::shutting_down);
  CHECK_THROWS_AS(pool.get_stats(), bulkhead_error);
}

// -- timeouts -------------------------------------------------------------------------------

TEST_CASE("the node's timeout manager bounds functions and counts them [S5][S3][M1][M6]",
          "[sync][parts]") {
  world w;
  door d;
  {
    sync::timeout_manager timeouts{*w.home};
    CHECK(timeouts.run(
              1h, [](int x) { return x + 1; }, 1)
          == 2);
    CHECK_THROWS_AS(timeouts.run(1h, [] { throw std::range_error{"x"}; }), std::range_error);
    const auto before = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(timeouts.run(5ms, [open = d.open] { open.wait(); }), timeout_error);
    CHECK(std::chrono::steady_clock::now() - before >= 5ms);
    d.opening.set_value();
  }
  timeout_manager_stats stats;
  compat::request(w.self, w.home->timeout_manager(), get_stats_atom_v)
      .receive([&](timeout_manager_stats& x) { stats = std::move(x); },
               [](const caf::error&) { FAIL("no statistics"); });
  CHECK(stats.calls.succeeded == 1);
  CHECK(stats.calls.failed == 1);
  CHECK(stats.calls.timed_out == 1);
  CHECK(stats.calls.balanced());
}

TEST_CASE("a timeout manager whose node has ended refuses [S5][S3]", "[sync][parts]") {
  world w;
  sync::timeout_manager timeouts{*w.home};
  w.home.reset();
  CHECK(caught<timeout_error>([&] { timeouts.run(1h, [] {}); }).code() == errc::shutting_down);
}

// -- all at once ----------------------------------------------------------------------------

TEST_CASE("eight threads and a guard on one bulkhead keep its limit and its books [S5][B1][K1][K2]",
          "[sync][parts]") {
  world w;
  const bulkhead_policy policy{.max_workers = 3, .queue_size = 8};
  auto guard = w.guard("g", {.bulkhead = w.home->bulkhead("io", policy)});
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> threads;
  for (auto t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      sync::bulkhead pool{*w.home, "io", policy};
      caf::scoped_actor self{w.system};
      for (auto round = 0; round < 50; ++round) {
        std::vector<std::future<void>> futures;
        for (auto i = 0; i < 3; ++i)
          futures.push_back(pool.execute([&] {
            const auto now = ++inside;
            for (auto seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);)
              ;
            std::this_thread::yield();
            --inside;
          }));
        compat::request(self, guard, ask_atom_v, std::int32_t{t})
            .receive([&](std::int32_t) { ++done; },
                     [&](const caf::error& reason) {
                       refused += reason == errc::bulkhead_full ? 1 : 0;
                     });
        for (auto& each : futures) {
          try {
            each.get();
            ++done;
          } catch (const bulkhead_error& error) {
            refused += error.code() == errc::bulkhead_full ? 1 : 0;
          }
        }
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  sync::bulkhead pool{*w.home, "io", policy};
  const auto stats = pool.get_stats();
  CHECK(most <= 3);
  CHECK(stats.calls == 8U * 50U * 4U);
  CHECK(stats.completed == done);
  CHECK(stats.rejected == refused);
  CHECK(stats.active == 0);
  CHECK(balanced(stats));
  CHECK(pool.available_capacity() == 3);
}

TEST_CASE("eight threads and a guard on one breaker keep its limit and its books [S5][C4][K1][K4]",
          "[sync][parts]") {
  world w;
  const circuit_breaker_policy policy{
      .failure_threshold = 3, .success_threshold = 3, .open_for = 1ms, .half_open_calls = 2};
  auto guard = w.guard("g", {.breaker = w.home->circuit_breaker("db", policy)});
  std::atomic<std::uint32_t> most{0};
  std::vector<std::thread> threads;
  for (auto t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      sync::circuit_breaker breaker{*w.home, "db", policy};
      caf::scoped_actor self{w.system};
      for (auto i = 0; i < 100; ++i) {
        try {
          breaker.call([&] {
            const auto now = breaker.stats().probes;
            for (auto seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);)
              ;
            if ((i + t) % 3 == 0)
              throw broken{};
          });
        } catch (const broken&) {
        } catch (const circuit_breaker_error&) {
        }
        compat::request(self, guard, ask_atom_v, std::int32_t{i % 3 == 0 ? -1 : 1})
            .receive([](std::int32_t) {}, [](const caf::error&) {});
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  sync::circuit_breaker breaker{*w.home, "db", policy};
  const auto stats = breaker.stats();
  CHECK(most <= 2);
  CHECK(stats.calls.balanced());
  CHECK(stats.calls.calls == 1600);
  CHECK(stats.calls.in_flight == 0);
  CHECK(stats.probes == 0);
}
