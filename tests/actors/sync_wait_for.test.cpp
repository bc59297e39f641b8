#include "bulwark/sync.hpp"

#include "support/catch.hpp"
#include "support/types.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
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

TEST_CASE("what a function returns in time comes back [S3][M2]", "[sync][wait_for]") {
  CHECK(sync::wait_for(
            1h, [](int a, int b) { return a + b; }, 1, 2)
        == 3);
  auto moved = sync::wait_for(
      1h, [](std::unique_ptr<int> x) { return x; }, std::make_unique<int>(5));
  CHECK(*moved == 5);
  auto called = false;
  sync::wait_for(
      1h, [](bool& x) { x = true; }, std::ref(called));
  CHECK(called);
  static int referred = 0;
  CHECK(&sync::wait_for(1h, []() -> int& { return referred; }) == &referred);
}

TEST_CASE("what a function throws in time comes back [S3][S6]", "[sync][wait_for]") {
  CHECK_THROWS_AS(sync::wait_for(1h, [] { throw std::range_error{"x"}; }), std::range_error);
}

TEST_CASE("a timeout error comes no earlier than the timeout [S3][S6][M4]", "[sync][wait_for]") {
  door d;
  sync::timeout_manager timeouts;
  const auto before = std::chrono::steady_clock::now();
  const auto error = caught<timeout_error>([&] {
    timeouts.run(
        20ms, [](std::shared_future<void> open) { open.wait(); }, d.open);
  });
  CHECK(std::chrono::steady_clock::now() - before >= 20ms);
  CHECK(error.code() == errc::timed_out);
  CHECK(error.report().elapsed == 20ms);
  d.opening.set_value();
}

TEST_CASE("what comes too late is dropped and nothing dangles [S3][M6]", "[sync][wait_for]") {
  door d;
  std::promise<std::string> told;
  std::atomic<bool> begun{false};
  {
    sync::timeout_manager timeouts;
    const auto call = [&] {
      std::string text(1000, 'x'); // gone when the function looks at it: it has its own
      timeouts.run(
          1ms,
          [&](std::shared_future<void> open, const std::string& own) {
            const auto first = !begun.exchange(true);
            open.wait();
            if (first)
              told.set_value(own);
            return own;
          },
          d.open, text);
    };
    while (!begun) // one that hasn't begun in time never does
      CHECK_THROWS_AS(call(), timeout_error);
    d.opening.set_value();
  }
  CHECK(told.get_future().get() == std::string(1000, 'x'));
}

TEST_CASE("leaving the scope waits for what still runs [S3]", "[sync][wait_for]") {
  door d;
  std::atomic<bool> begun{false};
  std::atomic<bool> returned{false};
  {
    sync::timeout_manager timeouts;
    while (!begun) // one that hasn't begun in time never does
      CHECK_THROWS_AS(timeouts.run(1ms,
                                   [&] {
                                     begun = true;
                                     d.open.wait();
                                     returned = true;
                                   }),
                      timeout_error);
    d.opening.set_value();
  }
  CHECK(returned);
}

TEST_CASE("a function that is out of time before it has begun never begins [S3][M9]",
          "[sync][wait_for]") {
  auto called = false;
  auto [what, future] = sync::make_job([&] { called = true; });
  what->refuse(std::make_exception_ptr(timeout_error{errc::timed_out, {}}));
  CHECK(what->run() == nullptr); // its thread comes now
  what->publish();
  CHECK_FALSE(called);
  CHECK_THROWS_AS(future.get(), timeout_error);
}

TEST_CASE("what comes of a function after its future was refused is dropped [S3][M6]",
          "[sync][wait_for]") {
  auto held = std::make_shared<int>(1);
  auto [what, future] = sync::make_job([held] { return held; });
  static_cast<void>(what->run());
  what->refuse(std::make_exception_ptr(timeout_error{errc::timed_out, {}}));
  what->publish();
  CHECK_THROWS_AS(future.get(), timeout_error);
  what = nullptr;
  CHECK(held.use_count() == 1);
}

TEST_CASE("many functions run at once each with its own timeout [S3][M1]", "[sync][wait_for]") {
  door d;
  sync::timeout_manager timeouts;
  std::vector<std::future<bool>> results;
  for (auto i = 0; i < 20; ++i)
    results.push_back(std::async(std::launch::async, [&, i] {
      try {
        timeouts.run(i % 2 == 0 ? timespan{5ms} : timespan{1h}, [&] { d.open.wait(); });
        return true;
      } catch (const timeout_error&) {
        return false;
      }
    }));
  for (std::size_t i = 0; i < results.size(); i += 2)
    CHECK_FALSE(results[i].get());
  d.opening.set_value();
  for (std::size_t i = 1; i < results.size(); i += 2)
    CHECK(results[i].get());
}

TEST_CASE("trap 18: a timeout of nothing or less is refused and not ignored [S3][G13]",
          "[sync][wait_for]") {
  auto called = false;
  for (auto wrong : {timespan{0}, timespan{-1}, timespan::max()}) {
    const auto error = caught<policy_error>([&] { sync::wait_for(wrong, [&] { called = true; }); });
    CHECK(error.code() == errc::invalid_policy);
    CHECK(std::string{error.what()}.find("wait_for.timeout is ") != std::string::npos);
    CHECK(std::string{error.what()}.find("permitted: 1ns .. 36500d") != std::string::npos);
  }
  CHECK_FALSE(called);
}
