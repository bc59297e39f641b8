#include "bulwark/sync.hpp"

#include "support/catch.hpp"
#include "support/types.hpp"
#include "support/virtual_system.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// A clock that only sleeping moves.
struct test_time {
  instant now{};
  std::vector<timespan> slept;

  sync::time_source source() {
    return {.now = [this] { return now; },
            .sleep =
                [this](timespan length) {
                  slept.push_back(length);
                  now += length;
                }};
  }
};

struct busy : sync::carried_error {
  busy() : carried_error(caf::make_error(target_error::busy, error_mark::transient)) {}
};

retry_policy without_jitter(std::uint32_t attempts) {
  init_types();
  return {.max_attempts = attempts, .base_delay = 100ms, .jitter = jitter_kind::none};
}

template <class F>
std::exception_ptr thrown_by(F f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
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

} // namespace

TEST_CASE("a loop over a retry ends with the first success [S2]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(5), {.time = time.source()}};
  std::vector<std::uint32_t> numbers;
  for (auto& attempt : retry)
    attempt.run([&] {
      numbers.push_back(attempt.number());
      if (attempt.number() < 3)
        throw busy{};
    });
  CHECK(numbers == std::vector<std::uint32_t>{1, 2, 3});
}

TEST_CASE("one attempt where it succeeds at once and nothing is slept [S2]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(5), {.time = time.source()}};
  auto calls = 0;
  for (auto& attempt : retry)
    CHECK(attempt.run([&] { ++calls; }));
  CHECK(calls == 1);
  CHECK(time.slept.empty());
}

TEST_CASE("no more than max_attempts are made outside of actors [S2][T1]", "[sync][retry]") {
  const auto most = GENERATE(values({1U, 2U, 7U}));
  test_time time;
  sync::retry retry{without_jitter(most), {.time = time.source()}};
  auto calls = 0U;
  CHECK_THROWS_AS(retry.call([&] {
    ++calls;
    throw busy{};
  }),
                  retry_error);
  CHECK(calls == most);
}

TEST_CASE("the waits between attempts grow and are capped outside of actors [S2][T2][T3]",
          "[sync][retry]") {
  test_time time;
  auto policy = without_jitter(6);
  policy.max_delay = 500ms;
  sync::retry retry{policy, {.time = time.source()}};
  CHECK_THROWS_AS(retry.call([] { throw busy{}; }), retry_error);
  CHECK(time.slept == std::vector<timespan>{100ms, 200ms, 400ms, 500ms, 500ms});
}

TEST_CASE("jitter spreads the waits within their bounds outside of actors [S2][T4]",
          "[sync][retry]") {
  test_time time;
  auto policy = without_jitter(4);
  policy.jitter = jitter_kind::full;
  sync::retry retry{policy, {.time = time.source()}};
  for (auto i = 0; i < 100; ++i)
    CHECK_THROWS_AS(retry.call([] { throw busy{}; }), retry_error);
  REQUIRE(time.slept.size() == 300);
  auto distinct = 0;
  for (std::size_t i = 0; i < time.slept.size(); ++i) {
    CHECK(time.slept[i] >= 0ms);
    CHECK(time.slept[i] <= 100ms * (1 << (i % 3)));
    distinct += i >= 3 && time.slept[i] != time.slept[i - 3] ? 1 : 0;
  }
  CHECK(distinct > 290); // each loop draws its own
}

TEST_CASE("when all attempts are used the retry error has attempts and time and cause [S2][S6][T7]",
          "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(3), {.time = time.source()}};
  const auto error = caught<retry_error>([&] { retry.call([] { throw busy{}; }); });
  CHECK(error.code() == errc::retries_exhausted);
  CHECK(error.report().attempts == 3);
  CHECK(error.report().elapsed == 300ms);
  CHECK_THROWS_AS(std::rethrow_exception(error.last_exception()), busy);
  CHECK(std::string{error.what()}.find(busy{}.what()) != std::string::npos);
}

TEST_CASE("an exception that is not to be retried comes out unchanged [S2][T6]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(3), {.time = time.source()}};
  auto calls = 0;
  CHECK_THROWS_AS(retry.call([&] {
    ++calls;
    throw std::invalid_argument{"no such user"};
  }),
                  std::invalid_argument);
  CHECK(calls == 1);
  const auto original = std::make_exception_ptr(std::runtime_error{"the very one"});
  CHECK(thrown_by([&] {
          for (auto& attempt : retry)
            attempt.run([&] { std::rethrow_exception(original); });
        })
        == original);
}

TEST_CASE("exception types say what is retried where they are given [S2][T5]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(3),
                    {.retry_on = sync::exceptions<std::range_error>(), .time = time.source()}};
  auto calls = 0;
  CHECK_THROWS_AS(retry.call([&] {
    ++calls;
    throw std::range_error{"x"};
  }),
                  retry_error);
  CHECK(calls == 3);
  CHECK_THROWS_AS(retry.call([] { throw busy{}; }), busy); // the policy would have
}

TEST_CASE("the predicate of the policy is asked about the error of an exception [S2][T5]",
          "[sync][retry]") {
  test_time time;
  auto policy = without_jitter(3);
  policy.retry_on = codes{caf::sec::runtime_error};
  sync::retry retry{policy, {.time = time.source()}};
  auto calls = 0;
  CHECK_THROWS_AS(retry.call([&] {
    ++calls;
    throw std::logic_error{"x"};
  }),
                  retry_error);
  CHECK(calls == 3);
}

TEST_CASE("a call under retry returns the value of the attempt that succeeded [S2]",
          "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(3), {.time = time.source()}};
  auto calls = 0;
  auto value = retry.call(
      [&](const std::string& name) {
        if (++calls < 3)
          throw busy{};
        return std::make_unique<std::string>("hello " + name); // can only be moved
      },
      std::string{"world"});
  CHECK(*value == "hello world");
  auto referred = 0;
  CHECK(&retry.call([&]() -> int& { return referred; }) == &referred);
}

TEST_CASE("no wait is begun that could not end before the deadline [S2][T8]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(10), {.deadline = 300ms, .time = time.source()}};
  const auto error = caught<retry_error>([&] { retry.call([] { throw busy{}; }); });
  CHECK(error.report().attempts == 2); // at 0 and at 100 ms; the third would be at 300 ms
  CHECK(time.slept == std::vector<timespan>{100ms});
  CHECK(error.last_exception() != nullptr);
}

TEST_CASE("no attempt starts after the deadline even where sleeping took too long [S2][T8]",
          "[sync][retry]") {
  test_time time;
  auto source = time.source();
  source.sleep = [&](timespan) { time.now += 1h; };
  sync::retry retry{without_jitter(10), {.deadline = 300ms, .time = source}};
  auto calls = 0;
  CHECK_THROWS_AS(retry.call([&] {
    ++calls;
    throw busy{};
  }),
                  retry_error);
  CHECK(calls == 1);
}

TEST_CASE("the most attempts and the greatest base overflow nothing outside of actors [S2][T9]",
          "[sync][retry]") {
  test_time time;
  auto policy = without_jitter(1'000'000);
  policy.exponential_base = std::numeric_limits<double>::max();
  policy.max_delay = 1ms;
  sync::retry retry{policy, {.time = time.source()}};
  auto calls = 0; // 2^1023 is passed at the second: more need not be waited for
  retry.call([&] {
    if (++calls < 3000)
      throw busy{};
  });
  CHECK(time.slept.size() == 2999);
  CHECK(*std::max_element(time.slept.begin(), time.slept.end()) == 1ms);
}

TEST_CASE("a body that runs nothing ends the loop [S2]", "[sync][retry]") {
  sync::retry retry;
  auto rounds = 0;
  for ([[maybe_unused]] auto& attempt : retry)
    ++rounds;
  CHECK(rounds == 1);
}

TEST_CASE("each loop counts for itself [S2]", "[sync][retry]") {
  test_time time;
  sync::retry retry{without_jitter(2), {.time = time.source()}};
  for (auto i = 0; i < 3; ++i) {
    auto calls = 0;
    CHECK_THROWS_AS(retry.call([&] {
      ++calls;
      throw busy{};
    }),
                    retry_error);
    CHECK(calls == 2);
  }
}

TEST_CASE("a wrong retry policy throws and names field and value and range [S2][S6][G13]",
          "[sync][retry]") {
  const auto text = [](retry_policy policy, sync::retry_options options = {}) {
    const auto error = caught<policy_error>([&] { sync::retry{policy, options}; });
    CHECK(error.code() == errc::invalid_policy);
    return std::string{error.what()};
  };
  CHECK(text({.max_attempts = 0}).find("retry.max_attempts is 0, permitted: 1 .. 1000000")
        != std::string::npos);
  CHECK(text({.exponential_base = 0.5}).find("retry.exponential_base is 0.5") != std::string::npos);
  CHECK(text({}, {.deadline = 0s}).find("retry.deadline is 0s, permitted: 1ns .. 36500d")
        != std::string::npos);
}

TEST_CASE(
    "a retry's budget holds for all its loops and what was thrown comes out unchanged [S2 T32]",
    "[sync][retry]") {
  test_time time;
  auto policy = without_jitter(3);
  policy.budget = retry_budget_policy{.ratio = 1, .min_per_second = 0};
  const sync::retry retry{policy, {.time = time.source()}};
  auto attempts = 0;
  const auto fail = [&] {
    ++attempts;
    throw busy{};
  };
  for (auto i = 0; i < 10; ++i)
    CHECK_THROWS_AS(retry.call(fail), busy);
  CHECK(attempts == 15); // a retry for each of five that aren't tried again
}
