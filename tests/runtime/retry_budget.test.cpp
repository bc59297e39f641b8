#include "bulwark/retry_budget.hpp"

#include "support/catch.hpp"

#include <cmath>

// What a retry budget gives, on cases that can be counted by hand. Random ones:
// tests/models/retry_budget_model.test.cpp.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr auto start = instant{} + 1h;

void call(retry_budget& budget, int times, instant now) {
  for (auto i = 0; i < times; ++i)
    budget.on_call(now);
}

int spend_all(retry_budget& budget, instant now) {
  auto result = 0;
  while (budget.try_spend(now))
    ++result;
  return result;
}

} // namespace

TEST_CASE("of ten calls that are not tried again one more may be by default [T31]",
          "[retry_budget]") {
  retry_budget budget{{}};
  call(budget, 1'100, start);
  CHECK(spend_all(budget, start) == 100);
  call(budget, 10, start);
  CHECK_FALSE(budget.try_spend(start)); // it would be of one of the ten
  call(budget, 1, start);
  CHECK(spend_all(budget, start) == 1);
}

TEST_CASE("retries are fewer than calls whatever the ratio [T31]", "[retry_budget]") {
  retry_budget generous{{.ratio = 100, .min_per_second = 0}};
  call(generous, 101, start);
  CHECK(spend_all(generous, start) == 100);
  retry_budget every_other{{.ratio = 1, .min_per_second = 0}};
  call(every_other, 101, start);
  CHECK(spend_all(every_other, start) == 50);
}

TEST_CASE("few calls have the minimum and many don't get it on top [T31]", "[retry_budget]") {
  retry_budget budget{{.ratio = 0.1, .min_per_second = 2, .window = 5s}};
  CHECK(spend_all(budget, start) == 10); // without any call
  call(budget, 110, start);
  CHECK(budget.available(start) == 0); // the greater of the two, not their sum
  call(budget, 55, start);
  CHECK(spend_all(budget, start) == 5);
}

TEST_CASE("a minimum below one retry in a window is none [T31]", "[retry_budget]") {
  retry_budget budget{{.ratio = 0, .min_per_second = 0.9, .window = 1s}};
  call(budget, 1'000, start);
  CHECK_FALSE(budget.try_spend(start));
}

TEST_CASE("what leaves the window neither earns nor counts as spent [T31]", "[retry_budget]") {
  retry_budget budget{{.ratio = 0.5, .min_per_second = 0, .window = 1s}};
  call(budget, 15, start);
  CHECK(spend_all(budget, start) == 5);
  CHECK(spend_all(budget, start + 899ms) == 0);
  call(budget, 6, start + 899ms);
  CHECK(spend_all(budget, start + 899ms) == 2);
  CHECK(spend_all(budget, start + 1s) == 0); // 6 calls and 2 retries are in the window
  CHECK(spend_all(budget, start + 10s) == 0);
  call(budget, 3, start + 10s);
  CHECK(spend_all(budget, start + 10s) == 1);
}

TEST_CASE("while all calls fail one of eleven is tried again [T31]", "[retry_budget]") {
  // Calls at an even pace, for ten windows.
  retry_budget budget{{.ratio = 0.1, .min_per_second = 1, .window = 10s}};
  auto retries = 0;
  for (auto now = start; now < start + 100s; now += 1ms) {
    budget.on_call(now);
    retries += budget.try_spend(now) ? 1 : 0;
  }
  CHECK(retries <= 100'000 / 11);
  CHECK(retries >= 100'000 / 11 - 100);
}

TEST_CASE("what calls before an outage have earned adds nothing beyond the ratio to it [T31 V1]",
          "[retry_budget]") {
  // A twentieth more calls in the window before it than in each of the six that it lasts.
  retry_budget budget{{.ratio = 0.1, .min_per_second = 1, .window = 10s}};
  for (auto i = 0; i < 10'500; ++i)
    budget.on_call(start + i * 10s / 10'500);
  auto calls = 0;
  auto retries = 0;
  for (auto now = start + 10s; now < start + 70s; now += 1ms) {
    budget.on_call(now);
    ++calls;
    retries += spend_all(budget, now);
  }
  CHECK(retries <= calls / 10);
}

TEST_CASE("a budget's policy is checked as a whole [P4]", "[retry_budget]") {
  CHECK(find_mistakes(retry_budget_policy{}).empty());
  const auto mistakes = find_mistakes(
      retry_budget_policy{.ratio = std::nan(""), .min_per_second = -1, .window = 9ms});
  REQUIRE(mistakes.size() == 3);
  CHECK(to_string(mistakes)
        == "retry.budget.ratio is nan, permitted: 0 .. 100; retry.budget.min_per_second is -1, "
           "permitted: 0 .. 1000000; retry.budget.window is 9ms, permitted: 10ms .. 1d");
  CHECK(find_mistakes(retry_budget_policy{.ratio = 100.1, .window = 25h}).size() == 2);
}
