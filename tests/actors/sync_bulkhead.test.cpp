#include "bulwark/sync.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// A door that functions wait at until the test opens it.
struct door {
  std::promise<void> opening;
  std::shared_future<void> open = opening.get_future().share();
};

// Occupies workers until the door opens; the futures are of functions that have begun.
std::vector<std::future<void>> occupy(sync::bulkhead& pool, door& d, int workers) {
  std::vector<std::future<void>> result;
  for (auto i = 0; i < workers; ++i) {
    auto begun = std::make_shared<std::promise<void>>();
    auto has_begun = begun->get_future();
    result.push_back(pool.execute([begun, open = d.open] {
      begun->set_value();
      open.wait();
    }));
    has_begun.wait();
  }
  return result;
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

template <class T>
errc refusal_of(std::future<T> future) {
  return caught<bulkhead_error>([&] { future.get(); }).code();
}

bool balanced(const bulkhead_stats& s) {
  return s.calls
             == s.completed + s.failed + s.rejected + s.timed_out + s.cancelled + s.active
                    + s.queued
         && s.active <= s.max_workers && s.queued <= s.queue_size;
}

} // namespace

TEST_CASE("a function runs on a thread of the bulkhead and its future has the result [S4][B4]",
          "[sync][bulkhead]") {
  sync::bulkhead pool;
  CHECK(pool.execute([](int a, int b) { return a + b; }, 1, 2).get() == 3);
  CHECK(pool.execute([] { return std::this_thread::get_id(); }).get()
        != std::this_thread::get_id());
  pool.execute([] {}).get();
  static int referred = 0;
  CHECK(&pool.execute([]() -> int& { return referred; }).get() == &referred);
}

TEST_CASE("results and arguments and functions that can only be moved work [S4]",
          "[sync][bulkhead]") {
  sync::bulkhead pool;
  auto result = pool.execute(
                        [own = std::make_unique<int>(2)](std::unique_ptr<int> x) {
                          *x *= *own;
                          return x;
                        },
                        std::make_unique<int>(21))
                    .get();
  CHECK(*result == 42);
}

TEST_CASE("what a function throws comes through its future [S4][S6]", "[sync][bulkhead]") {
  sync::bulkhead pool;
  CHECK_THROWS_AS(pool.execute([] { throw std::range_error{"x"}; }).get(), std::range_error);
  CHECK(pool.get_stats().failed == 1);
  CHECK(pool.available_capacity() == 10);
}

TEST_CASE("no more than max_workers run at once and no more than queue_size wait [S4][B1][B2]",
          "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 2, .queue_size = 1}, "pool"};
  door d;
  auto running = occupy(pool, d, 2);
  auto queued = pool.execute([] { return 7; });
  auto refused = pool.execute([] {});
  CHECK(refused.wait_for(0s) == std::future_status::ready); // at once
  const auto error = caught<bulkhead_error>([&] { refused.get(); });
  CHECK(error.code() == errc::bulkhead_full);
  CHECK(std::string{error.what()}.find("pool") != std::string::npos);
  const auto stats = pool.get_stats();
  CHECK(stats.active == 2);
  CHECK(stats.queued == 1);
  CHECK(stats.rejected == 1);
  CHECK(balanced(stats));
  d.opening.set_value();
  CHECK(queued.get() == 7);
}

TEST_CASE("capacity and statistics are told [S4][B5][K2]", "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 3, .queue_size = 5}, "pool"};
  CHECK(pool.available_capacity() == 3);
  door d;
  auto running = occupy(pool, d, 2);
  CHECK(pool.available_capacity() == 1);
  const auto inside = pool.get_stats();
  CHECK(inside.name == "pool");
  CHECK(inside.max_workers == 3);
  CHECK(inside.queue_size == 5);
  CHECK(inside.active == 2);
  d.opening.set_value();
  for (auto& each : running)
    each.get();
  // When a future is ready, the books have it.
  CHECK(pool.available_capacity() == 3);
  CHECK(pool.get_stats().completed == 2);
  CHECK(balanced(pool.get_stats()));
}

TEST_CASE("first in is first out outside of actors [S4][B8]", "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 1}};
  door d;
  auto running = occupy(pool, d, 1);
  std::vector<int> order;
  std::vector<std::future<void>> queued;
  for (auto i = 0; i < 20; ++i)
    queued.push_back(pool.execute([&order, i] { order.push_back(i); }));
  d.opening.set_value();
  for (auto& each : queued)
    each.get();
  for (auto i = 0; i < 20; ++i)
    CHECK(order.at(static_cast<std::size_t>(i)) == i);
}

TEST_CASE("who waits longer than queue_timeout is answered in time and never started [S4][B3][B9]",
          "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 1, .queue_timeout = 20ms}};
  door d;
  auto running = occupy(pool, d, 1);
  std::atomic<bool> started{false};
  const auto before = std::chrono::steady_clock::now();
  auto first = pool.execute([&] { started = true; });
  auto second = pool.execute([&] { started = true; });
  // The only worker is busy until the door opens: the answer can only come from the queue.
  const auto error = caught<timeout_error>([&] { first.get(); });
  CHECK(std::chrono::steady_clock::now() - before >= 20ms);
  CHECK(error.code() == errc::timed_out);
  CHECK_THROWS_AS(second.get(), timeout_error);
  CHECK(pool.get_stats().timed_out == 2);
  CHECK(pool.get_stats().queued == 0);
  CHECK(balanced(pool.get_stats()));
  d.opening.set_value();
  running[0].get();
  CHECK(pool.available_capacity() == 1);
  CHECK_FALSE(started);
}

TEST_CASE("trap 9: a waiter whose time is up takes no permit with it [S4][B10]",
          "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 1, .queue_timeout = 1ms}};
  for (auto i = 0; i < 10; ++i) {
    door d;
    auto running = occupy(pool, d, 1);
    auto late = pool.execute([] {});
    CHECK_THROWS_AS(late.get(), timeout_error);
    d.opening.set_value();
    running[0].get();
    CHECK(pool.available_capacity() == 1);
  }
}

TEST_CASE("a shutdown that waits finishes what runs and what is queued [S4][B6]",
          "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 1}};
  door d;
  auto running = occupy(pool, d, 1);
  auto queued = pool.execute([] { return 5; });
  auto ended = std::async(std::launch::async, [&] { pool.shutdown(true); });
  // The door opens only when new work is refused for that reason: so the shutdown has begun.
  const auto is_refused = [&] {
    auto refused = pool.execute([] {});
    return refused.wait_for(0s) == std::future_status::ready
           && refusal_of(std::move(refused)) == errc::shutting_down;
  };
  while (!is_refused())
    std::this_thread::yield();
  d.opening.set_value();
  ended.get();
  CHECK(running[0].wait_for(0s) == std::future_status::ready);
  CHECK(queued.wait_for(0s) == std::future_status::ready);
  CHECK(queued.get() == 5);
  CHECK(balanced(pool.get_stats()));
}

TEST_CASE("a shutdown that does not wait refuses what is queued [S4][B7]", "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 1}};
  door d;
  auto running = occupy(pool, d, 1);
  std::atomic<bool> started{false};
  auto queued = pool.execute([&] { started = true; });
  pool.shutdown(false);
  CHECK(queued.wait_for(0s) == std::future_status::ready);
  CHECK(refusal_of(std::move(queued)) == errc::shutting_down);
  CHECK(refusal_of(pool.execute([] {})) == errc::shutting_down);
  d.opening.set_value();
  running[0].get(); // what ran went on
  pool.shutdown(true);
  CHECK_FALSE(started);
  CHECK(balanced(pool.get_stats()));
}

TEST_CASE("leaving the scope shuts it down and waits [S4]", "[sync][bulkhead]") {
  door d;
  std::vector<std::future<void>> running;
  std::future<int> queued;
  {
    sync::bulkhead pool{{.max_workers = 1}};
    running = occupy(pool, d, 1);
    queued = pool.execute([] { return 5; });
    d.opening.set_value();
  }
  CHECK(running[0].wait_for(0s) == std::future_status::ready);
  CHECK(queued.wait_for(0s) == std::future_status::ready);
}

TEST_CASE("a function of the bulkhead may use it [S4]", "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 2}};
  CHECK(pool.execute([&] { return pool.execute([] { return 4; }).get() + 1; }).get() == 5);
}

TEST_CASE("what a function holds is gone when its future is ready [S4]", "[sync][bulkhead]") {
  sync::bulkhead pool;
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watch = held;
  pool.execute([own = std::move(held)] {}).get();
  CHECK(watch.expired());
}

TEST_CASE("a wrong bulkhead policy throws and names field and value and range [S4][S6][G13]",
          "[sync][bulkhead]") {
  const auto error = caught<policy_error>([] { sync::bulkhead{{.max_workers = 0}, "pool"}; });
  CHECK(error.code() == errc::invalid_policy);
  CHECK(std::string{error.what()}.find("bulkhead.max_workers is 0, permitted: 1 .. 10000000")
        != std::string::npos);
  CHECK_THROWS_AS((sync::bulkhead{{.queue_timeout = 0s}}), policy_error);
}

TEST_CASE("eight threads on one bulkhead never exceed its limit and the books balance [S4][B1][K1]",
          "[sync][bulkhead]") {
  sync::bulkhead pool{{.max_workers = 3, .queue_size = 8, .queue_timeout = 50ms}};
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> late{0};
  std::vector<std::thread> threads;
  for (auto t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (auto round = 0; round < 100; ++round) {
        std::vector<std::future<void>> futures;
        for (auto i = 0; i < 4; ++i)
          futures.push_back(pool.execute([&, i] {
            const auto now = ++inside;
            for (auto seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);)
              ;
            std::this_thread::yield();
            --inside;
            if (i == 3)
              throw std::runtime_error{"x"};
          }));
        for (auto& each : futures) {
          try {
            each.get();
            ++done;
          } catch (const bulkhead_error&) {
            ++refused;
          } catch (const timeout_error&) {
            ++late;
          } catch (const std::runtime_error&) {
            ++failed;
          }
        }
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  const auto stats = pool.get_stats();
  CHECK(most <= 3);
  CHECK(stats.calls == 3200);
  CHECK(stats.completed == done);
  CHECK(stats.failed == failed);
  CHECK(stats.rejected == refused);
  CHECK(stats.timed_out == late);
  CHECK(stats.active == 0);
  CHECK(stats.queued == 0);
  CHECK(balanced(stats));
  CHECK(pool.available_capacity() == 3);
}
