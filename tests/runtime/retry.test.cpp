#include "bulwark/retry.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr auto largest_attempt = std::numeric_limits<std::uint32_t>::max();
constexpr auto largest_base = std::numeric_limits<double>::max();

retry_limits without_jitter(timespan base_delay, double exponential_base, timespan max_delay) {
  return {.base_delay = base_delay,
          .exponential_base = exponential_base,
          .max_delay = max_delay,
          .jitter = jitter_kind::none};
}

// Many waits of one policy, each as if the one before it was `previous`.
std::vector<timespan> draw(const retry_limits& policy, std::uint32_t attempt,
                           timespan previous = 0s) {
  random_stream random{42};
  std::vector<timespan> result;
  for (auto i = 0; i < 10'000; ++i)
    result.push_back(backoff_delay(policy, attempt, previous, random));
  return result;
}

timespan least(const std::vector<timespan>& waits) {
  return *std::min_element(waits.begin(), waits.end());
}

timespan greatest(const std::vector<timespan>& waits) {
  return *std::max_element(waits.begin(), waits.end());
}

timespan mean(const std::vector<timespan>& waits) {
  auto sum = 0s + timespan{0};
  for (auto wait : waits)
    sum += wait;
  return sum / waits.size();
}

} // namespace

// -- growth and cap ---------------------------------------------------------------

TEST_CASE("the defaults are 3 attempts, 1 s, doubling, up to 60 s, full jitter", "[retry]") {
  retry_limits policy;
  CHECK(policy.max_attempts == 3);
  CHECK(policy.base_delay == 1s);
  CHECK(policy.exponential_base == 2.0);
  CHECK(policy.max_delay == 60s);
  CHECK(policy.jitter == jitter_kind::full);
  CHECK(find_mistakes(policy).empty());
}

TEST_CASE("the wait doubles until it reaches max_delay and stays there", "[retry]") {
  retry_limits policy;
  CHECK(capped_delay(policy, 1) == 1s);
  CHECK(capped_delay(policy, 2) == 2s);
  CHECK(capped_delay(policy, 3) == 4s);
  CHECK(capped_delay(policy, 6) == 32s);
  CHECK(capped_delay(policy, 7) == 60s);
  CHECK(capped_delay(policy, 8) == 60s);
  CHECK(capped_delay(policy, 1000) == 60s);
}

TEST_CASE("a wait is rounded to the nearest nanosecond", "[retry]") {
  CHECK(capped_delay(without_jitter(100ms, 1.1, 60s), 2) == 110ms);
  CHECK(capped_delay(without_jitter(100ms, 1.1, 60s), 3) == 121ms);
  CHECK(capped_delay(without_jitter(3ns, 1.5, 60s), 2) == 5ns);
}

TEST_CASE("an exponential_base of 1 makes every wait the same, to the nanosecond", "[retry]") {
  auto policy = without_jitter(longest_timespan - 1ns, 1.0, longest_timespan);
  CHECK(capped_delay(policy, 1) == longest_timespan - 1ns);
  CHECK(capped_delay(policy, largest_attempt) == longest_timespan - 1ns);
}

TEST_CASE("a base_delay beyond max_delay is capped from the first attempt on", "[retry]") {
  auto policy = without_jitter(10s, 2.0, 3s);
  CHECK(capped_delay(policy, 1) == 3s);
  CHECK(capped_delay(policy, 2) == 3s);
}

TEST_CASE("no base_delay is no wait, whatever the attempt and the base", "[retry]") {
  CHECK(capped_delay(without_jitter(0s, 2.0, 60s), 1) == 0s);
  CHECK(capped_delay(without_jitter(0s, 2.0, 60s), largest_attempt) == 0s);
  CHECK(capped_delay(without_jitter(0s, largest_base, 60s), largest_attempt) == 0s);
}

TEST_CASE("a max_delay of nothing is no wait", "[retry]") {
  CHECK(capped_delay(without_jitter(1s, 2.0, 0s), 1) == 0s);
  CHECK(capped_delay(without_jitter(1s, 2.0, 0s), largest_attempt) == 0s);
}

// -- jitter -----------------------------------------------------------------------

TEST_CASE("without jitter the wait is the capped delay", "[retry]") {
  random_stream random{1};
  auto policy = without_jitter(1s, 2.0, 60s);
  CHECK(backoff_delay(policy, 3, 2s, random) == 4s);
}

TEST_CASE("full jitter waits anything from nothing to the capped delay", "[retry]") {
  auto waits = draw({.jitter = jitter_kind::full}, 3);
  CHECK(least(waits) >= 0s);
  CHECK(least(waits) < 40ms);
  CHECK(mean(waits) > 1950ms);
  CHECK(mean(waits) < 2050ms);
  CHECK(greatest(waits) > 3960ms);
  CHECK(greatest(waits) <= 4s);
}

TEST_CASE("equal jitter waits at least half of the capped delay", "[retry]") {
  auto waits = draw({.jitter = jitter_kind::equal}, 3);
  CHECK(least(waits) >= 2s);
  CHECK(least(waits) < 2020ms);
  CHECK(mean(waits) > 2970ms);
  CHECK(mean(waits) < 3030ms);
  CHECK(greatest(waits) > 3980ms);
  CHECK(greatest(waits) <= 4s);
}

TEST_CASE("decorrelated jitter waits from base_delay to three times the last wait", "[retry]") {
  auto waits = draw({.jitter = jitter_kind::decorrelated}, 3, 5s);
  CHECK(least(waits) >= 1s);
  CHECK(least(waits) < 1200ms);
  CHECK(mean(waits) > 7800ms);
  CHECK(mean(waits) < 8200ms);
  CHECK(greatest(waits) > 14800ms);
  CHECK(greatest(waits) <= 15s);
}

TEST_CASE("decorrelated jitter starts from base_delay, as if that had been the last wait",
          "[retry]") {
  auto waits = draw({.jitter = jitter_kind::decorrelated}, 1);
  CHECK(least(waits) >= 1s);
  CHECK(greatest(waits) > 2900ms);
  CHECK(greatest(waits) <= 3s);
}

TEST_CASE("decorrelated jitter never waits longer than max_delay", "[retry]") {
  CHECK(greatest(draw({.jitter = jitter_kind::decorrelated}, 3, 60s)) <= 60s);
  CHECK(greatest(draw({.jitter = jitter_kind::decorrelated}, 3, 20s + 1ns)) <= 60s);
  CHECK(greatest(draw({.base_delay = 2h, .jitter = jitter_kind::decorrelated}, 1)) == 60s);
}

TEST_CASE("the smallest spans are hit at both ends", "[retry]") {
  auto waits = draw({.base_delay = 1ns, .jitter = jitter_kind::full}, 1);
  CHECK(least(waits) == 0ns);
  CHECK(greatest(waits) == 1ns);
  waits = draw({.base_delay = 3ns, .jitter = jitter_kind::equal}, 1);
  CHECK(least(waits) == 1ns);
  CHECK(greatest(waits) == 3ns);
}

TEST_CASE("the same seed gives the same waits", "[retry]") {
  CHECK(draw({.jitter = jitter_kind::full}, 4) == draw({.jitter = jitter_kind::full}, 4));
}

// -- traps others fell into (FIELD.md, section 4) ---------------------------------

TEST_CASE("trap 11: jitter after the cap spreads late attempts instead of bunching them there",
          "[retry]") {
  for (auto attempt : {7U, 20U, largest_attempt}) {
    auto waits = draw({.jitter = jitter_kind::full}, attempt);
    auto at_the_cap = std::count(waits.begin(), waits.end(), timespan{60s});
    CHECK(at_the_cap < 10);
    CHECK(mean(waits) > 29s);
    CHECK(mean(waits) < 31s);
  }
}

TEST_CASE("trap 11: no attempt and no base makes the wait overflow or negative", "[retry]") {
  for (auto base : {1.0, 1.0000001, 2.0, 1e18, 1e300, largest_base}) {
    for (auto attempt : {1U, 2U, 63U, 64U, 65U, 1024U, 1'000'000U, largest_attempt}) {
      auto delay = capped_delay(without_jitter(1s, base, longest_timespan), attempt);
      CHECK(delay >= 1s);
      CHECK(delay <= longest_timespan);
    }
  }
  CHECK(capped_delay(without_jitter(1ns, largest_base, longest_timespan), 2) == longest_timespan);
  CHECK(capped_delay(without_jitter(1s, 2.0, longest_timespan), 64) == longest_timespan);
}

TEST_CASE("trap 11: three times the longest wait doesn't overflow", "[retry]") {
  auto policy = retry_limits{.max_delay = longest_timespan, .jitter = jitter_kind::decorrelated};
  auto waits = draw(policy, largest_attempt, longest_timespan);
  CHECK(least(waits) >= 1s);
  CHECK(greatest(waits) <= longest_timespan);
}

TEST_CASE("trap 11: the wait after a late attempt isn't computed step by step", "[retry]") {
  // Iterating, these were four hundred trillion steps.
  auto policy = without_jitter(1ns, 1.0000000001, 1s);
  auto sum = timespan{0};
  for (auto i = 0U; i < 100'000; ++i)
    sum += capped_delay(policy, largest_attempt - i);
  CHECK(sum >= 100'000 * 1ns);
}

// -- the policy -------------------------------------------------------------------

TEST_CASE("a retry policy at the ends of its ranges is accepted", "[retry]") {
  CHECK(find_mistakes(retry_limits{1, 0s, 1.0, 0s, jitter_kind::none, {}}).empty());
  CHECK(find_mistakes(retry_limits{1'000'000,
                                   longest_timespan,
                                   largest_base,
                                   longest_timespan,
                                   jitter_kind::decorrelated,
                                   {}})
            .empty());
}

TEST_CASE("a refused retry policy is told by field, value and range", "[retry]") {
  auto text = [](const retry_limits& policy) { return to_string(find_mistakes(policy)); };
  CHECK(text({.max_attempts = 0}) == "retry.max_attempts is 0, permitted: 1 .. 1000000");
  CHECK(text({.max_attempts = 1'000'001})
        == "retry.max_attempts is 1000001, permitted: 1 .. 1000000");
  CHECK(text({.base_delay = -1ns}) == "retry.base_delay is -1ns, permitted: 0s .. 36500d");
  CHECK(text({.max_delay = -1s}) == "retry.max_delay is -1s, permitted: 0s .. 36500d");
  CHECK(text({.max_delay = longest_timespan + 1ns})
        == "retry.max_delay is 3153600000000000001ns, permitted: 0s .. 36500d");
  CHECK(text({.exponential_base = 0.5})
        == "retry.exponential_base is 0.5, permitted: 1 .. 1.7976931348623157e+308");
  CHECK(text({.jitter = static_cast<jitter_kind>(4)})
        == "retry.jitter is 4, permitted: none, full, equal, decorrelated");
}

TEST_CASE("an exponential_base that is no finite number is refused", "[retry]") {
  auto with = [](double base) { return find_mistakes(retry_limits{.exponential_base = base}); };
  CHECK(with(std::numeric_limits<double>::quiet_NaN()).size() == 1);
  CHECK(with(std::numeric_limits<double>::infinity()).size() == 1);
  CHECK(with(-std::numeric_limits<double>::infinity()).size() == 1);
  CHECK(with(std::nextafter(1.0, 0.0)).size() == 1);
}

TEST_CASE("all mistakes of a retry policy are found at once, in the order of its fields",
          "[retry]") {
  auto mistakes = find_mistakes(retry_limits{0, -1s, 0.0, -1s, static_cast<jitter_kind>(255), {}});
  REQUIRE(mistakes.size() == 5);
  CHECK(mistakes[0].field == "retry.max_attempts");
  CHECK(mistakes[1].field == "retry.base_delay");
  CHECK(mistakes[2].field == "retry.exponential_base");
  CHECK(mistakes[3].field == "retry.max_delay");
  CHECK(mistakes[4].field == "retry.jitter");
}

TEST_CASE("a retry policy's numbers are taken over whole", "[retry]") {
  struct picky {
    bool operator==(const picky&) const = default;
  };
  auto policy = basic_retry_policy<picky>{7, 8s, 9.0, 10s, jitter_kind::equal, {}};
  CHECK(limits_of(policy) == retry_limits{7, 8s, 9.0, 10s, jitter_kind::equal, {}});
}

TEST_CASE("kinds of jitter have the names of their enumerators", "[retry]") {
  CHECK(to_string(jitter_kind::none) == "none");
  CHECK(to_string(jitter_kind::full) == "full");
  CHECK(to_string(jitter_kind::equal) == "equal");
  CHECK(to_string(jitter_kind::decorrelated) == "decorrelated");
  CHECK(to_string(static_cast<jitter_kind>(7)) == "jitter_kind(7)");
}
