#include "bulwark/worker_pool.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace bulwark;

namespace {

/// Jobs that run until they are let go.
struct gate {
  std::promise<void> opened;
  std::shared_future<void> open{opened.get_future()};

  void let_go() { opened.set_value(); }
};

/// Until all threads are back from what was submitted.
void until_idle(const worker_pool& pool) {
  while (pool.pending() > 0)
    std::this_thread::yield();
}

} // namespace

TEST_CASE("a job runs on a thread that is not the caller's [B4]", "[worker_pool]") {
  worker_pool pool;
  std::promise<std::thread::id> ran_on;
  pool.submit([&] { ran_on.set_value(std::this_thread::get_id()); });
  CHECK(ran_on.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("a pool without work has no thread [B4]", "[worker_pool]") {
  worker_pool pool;
  CHECK(pool.threads() == 0);
  pool.join();
  CHECK(pool.threads() == 0);
}

TEST_CASE("jobs that wait for each other all get a thread at once [B4]", "[worker_pool]") {
  constexpr int n = 16;
  worker_pool pool;
  std::latch all{n};
  for (int i = 0; i < n; ++i)
    pool.submit([&] { all.arrive_and_wait(); });
  all.wait(); // hangs where two shared a thread
  CHECK(pool.threads() == n);
}

TEST_CASE("there are never more threads than jobs at once [B4]", "[worker_pool]") {
  worker_pool pool;
  for (int i = 0; i < 100; ++i) {
    std::latch both{2};
    pool.submit([&] { both.arrive_and_wait(); });
    pool.submit([&] { both.arrive_and_wait(); });
    until_idle(pool);
    REQUIRE(pool.threads() == 2);
  }
}

TEST_CASE("a thread that is idle takes the next job [B4]", "[worker_pool]") {
  worker_pool pool;
  std::set<std::thread::id> seen;
  for (int i = 0; i < 100; ++i) {
    pool.submit([&] { seen.insert(std::this_thread::get_id()); });
    until_idle(pool);
  }
  CHECK(pool.threads() == 1);
  pool.join();
  CHECK(seen.size() == 1);
}

TEST_CASE("a job holds nothing any more when the next one runs on its thread [B4]",
          "[worker_pool]") {
  worker_pool pool;
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watched = held;
  pool.submit([held = std::move(held)] { static_cast<void>(*held); });
  pool.join();
  CHECK(watched.expired());
}

TEST_CASE("join runs to its end what was submitted before [B6]", "[worker_pool]") {
  worker_pool pool;
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i)
    pool.submit([&] { ++ran; });
  pool.join();
  CHECK(ran == 100);
}

TEST_CASE("a job after close is refused and those before it run [B6]", "[worker_pool]") {
  worker_pool pool;
  gate door;
  std::atomic<int> ran{0};
  pool.submit([&] {
    door.open.wait();
    ++ran;
  });
  pool.close();
  CHECK_THROWS_AS(pool.submit([] {}), std::logic_error);
  CHECK_FALSE(pool.finished());
  door.let_go();
  pool.join();
  CHECK(ran == 1);
  CHECK(pool.finished());
  CHECK_THROWS_AS(pool.submit([] {}), std::logic_error);
}

TEST_CASE("all who join at once wait until the last job has returned [B6]", "[worker_pool]") {
  constexpr int n = 8;
  worker_pool pool;
  gate door;
  std::atomic<bool> returned{false};
  pool.submit([&] {
    door.open.wait();
    returned = true;
  });
  std::atomic<int> too_early{0};
  std::latch ready{n + 1};
  std::vector<std::thread> joining;
  for (int i = 0; i < n; ++i)
    joining.emplace_back([&] {
      ready.arrive_and_wait();
      pool.join();
      too_early += returned ? 0 : 1;
    });
  ready.arrive_and_wait();
  // Opened by one more who joins late: when it starts, the others are on their way or in it.
  std::thread opener{[&] { door.let_go(); }};
  for (auto& thread : joining)
    thread.join();
  opener.join();
  CHECK(too_early == 0);
}

TEST_CASE("a second join waits for the job that the first one waits for [B6]", "[worker_pool]") {
  worker_pool pool;
  gate door;
  std::atomic<bool> returned{false};
  pool.submit([&] {
    door.open.wait();
    returned = true;
  });
  std::thread first{[&] { pool.join(); }};
  while (pool.threads() != 0) // until the first one has taken the threads over
    std::this_thread::yield();
  std::promise<void> asked;
  auto second = std::async(std::launch::async, [&] {
    asked.set_value();
    pool.join();
    return returned.load();
  });
  asked.get_future().wait();
  std::thread opener{[&] { door.let_go(); }};
  CHECK(second.get());
  first.join();
  opener.join();
}

TEST_CASE("no job is lost among a hundred thousand of many threads [B4]", "[worker_pool]") {
  constexpr int submitters = 4;
  constexpr int jobs = 25'000;
  worker_pool pool;
  std::atomic<int> ran{0};
  std::latch all{submitters * jobs};
  std::vector<std::thread> threads;
  // As many under way as a bulkhead would allow: who bounds the work bounds the threads.
  std::atomic<int> under_way{0};
  for (int i = 0; i < submitters; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < jobs; ++j) {
        while (under_way.fetch_add(1) >= 8) {
          under_way.fetch_sub(1);
          std::this_thread::yield();
        }
        pool.submit([&] {
          ++ran;
          under_way.fetch_sub(1);
          all.count_down();
        });
      }
    });
  all.wait(); // not join(): that would wake whoever sleeps
  CHECK(ran == submitters * jobs);
  for (auto& thread : threads)
    thread.join();
}

TEST_CASE("a pool is destroyed with idle threads and with running ones [B4]", "[worker_pool]") {
  std::atomic<int> ran{0};
  {
    worker_pool pool;
    std::promise<void> done;
    pool.submit([&] { done.set_value(); });
    done.get_future().wait();
  }
  {
    worker_pool pool;
    for (int i = 0; i < 10; ++i)
      pool.submit([&] { ++ran; });
  }
  CHECK(ran == 10);
}
