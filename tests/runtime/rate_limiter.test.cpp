#include "bulwark/rate_limiter.hpp"
#include "bulwark/key_hash.hpp"

#include "support/catch.hpp"

#include <string>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr instant begin{timespan{1'700'000'000'000'000'000}};

policy_mistakes mistakes_of(const rate_limit_policy& policy) {
  return find_mistakes(policy);
}

} // namespace

TEST_CASE("a burst passes at once and then one call in each interval [Q1]", "[rate_limiter]") {
  rate_limiter limit{{.calls = 10, .period = 1s, .burst = 3}};
  for (auto i = 0; i < 3; ++i)
    CHECK(limit.ask(begin) == rate_decision{true, 0ns});
  CHECK(limit.ask(begin) == rate_decision{false, 100ms});
  CHECK(limit.ask(begin + 100ms - 1ns) == rate_decision{false, 1ns});
  CHECK(limit.ask(begin + 100ms) == rate_decision{true, 0ns});
  CHECK(limit.ask(begin + 100ms) == rate_decision{false, 100ms});
  // After a pause no more than a burst.
  for (auto i = 0; i < 3; ++i)
    CHECK(limit.ask(begin + 1h).admitted);
  CHECK(!limit.ask(begin + 1h).admitted);
}

TEST_CASE("intervals that are no whole nanoseconds add up exactly [Q1]", "[rate_limiter]") {
  rate_limiter limit{{.calls = 3, .period = 1s, .burst = 1, .max_wait = 1h}};
  for (auto i = 0; i < 3 * 3'600; ++i)
    REQUIRE(limit.ask(begin).admitted);
  CHECK(limit.ask(begin) == rate_decision{true, 1h});
  CHECK(limit.ask(begin) == rate_decision{false, 333'333'334ns});
}

TEST_CASE("a call that came too early waits where it may and its place is taken [Q2]",
          "[rate_limiter]") {
  rate_limiter limit{{.calls = 10, .period = 1s, .burst = 1, .max_wait = 250ms}};
  CHECK(limit.ask(begin) == rate_decision{true, 0ns});
  CHECK(limit.ask(begin) == rate_decision{true, 100ms});
  CHECK(limit.ask(begin) == rate_decision{true, 200ms});
  CHECK(limit.ask(begin) == rate_decision{false, 50ms});
  // One that has less time than it would have to wait takes no place.
  CHECK(limit.ask(begin + 50ms, 1, 100ms) == rate_decision{false, 150ms});
  CHECK(limit.ask(begin + 50ms) == rate_decision{true, 250ms});
}

TEST_CASE("a weight counts as that many calls, and more than a burst never passes [Q1]",
          "[rate_limiter]") {
  rate_limiter limit{{.calls = 10, .period = 1s, .burst = 5}};
  CHECK(limit.ask(begin, 6) == rate_decision{false, 0ns});
  CHECK(limit.ask(begin, 4) == rate_decision{true, 0ns});
  CHECK(limit.ask(begin, 3) == rate_decision{false, 200ms});
  CHECK(limit.ask(begin, 1) == rate_decision{true, 0ns});
}

TEST_CASE("a changed rate goes on with what was used [Q3]", "[rate_limiter]") {
  rate_limiter limit{{.calls = 1, .period = 1h, .burst = 1}};
  CHECK(limit.ask(begin).admitted);
  CHECK(limit.ask(begin) == rate_decision{false, 1h});
  limit.change_policy({.calls = 10, .period = 1s, .burst = 2}, begin);
  CHECK(limit.ask(begin) == rate_decision{false, 100ms});
  CHECK(limit.ask(begin + 100ms).admitted);
}

TEST_CASE("each key has a rate of its own in a table that forgets whose time has come [Q4]",
          "[rate_limiter]") {
  keyed_rate_limiter limits{{.calls = 1, .period = 1s, .burst = 1, .max_keys = 1'000'000}};
  const hash_secret secret{1, 2};
  for (auto i = 0; i < 1'000; ++i) {
    CHECK(limits.ask(hash_of(std::to_string(i), secret), begin).admitted);
    CHECK(limits.ask(hash_of(std::to_string(i), secret), begin) == rate_decision{false, 1s});
  }
  CHECK(limits.live(begin) == 1'000);
  CHECK(limits.live(begin + 1s) == 0);
  // Millions come by, a thousand at a time: the table stays that of a thousand.
  for (auto i = 0; i < 1'000'000; ++i)
    REQUIRE(limits.ask(hash_of(std::to_string(i), secret), begin + 1s + i * 1ms).admitted);
  CHECK(limits.places() <= 8'192);
}

TEST_CASE("where all places are taken newcomers get what is left and nobody more than its rate "
          "[Q4]",
          "[rate_limiter]") {
  keyed_rate_limiter limits{{.calls = 1, .period = 1s, .burst = 1, .max_keys = 16}};
  const hash_secret secret{1, 2};
  auto admitted = 0;
  for (auto i = 0; i < 10'000; ++i)
    admitted += limits.ask(hash_of(std::to_string(i), secret), begin).admitted ? 1 : 0;
  CHECK(limits.places() == 32);
  CHECK(admitted == 32 + 2); // one more for each of two neighbourhoods: then they have a floor
  // Those who were first find no way to twice their rate by having been forgotten.
  for (auto i = 0; i < 10'000; ++i)
    CHECK(!limits.ask(hash_of(std::to_string(i), secret), begin + 999ms).admitted);
}

TEST_CASE("a rate out of range is refused with its field [Q5]", "[rate_limiter]") {
  CHECK(mistakes_of({}).empty());
  CHECK(mistakes_of({.calls = 0}).at(0)
        == policy_mistake{"rate_limit.calls", "0", "1 .. 1000000000"});
  CHECK(mistakes_of({.period = 0s}).at(0).field == "rate_limit.period");
  CHECK(mistakes_of({.burst = 0}).at(0) == policy_mistake{"rate_limit.burst", "0", "1 .. 1000000"});
  CHECK(mistakes_of({.calls = 1, .period = 8760h, .burst = 101}).at(0)
        == policy_mistake{"rate_limit.burst", "101", "1 .. 99"});
  CHECK(mistakes_of({.max_wait = -1ns}).at(0).field == "rate_limit.max_wait");
  CHECK(mistakes_of({.max_keys = 15}).at(0)
        == policy_mistake{"rate_limit.max_keys", "15", "16 .. 16777216"});
}

TEST_CASE("a keyed hash is SipHash as published [Q4]", "[rate_limiter]") {
  const hash_secret secret{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  std::string input;
  for (char c = 0; c < 15; ++c)
    input += c;
  CHECK(hash_of(input, secret) == 0xa129ca6149be45e5U);
  CHECK(hash_of("", secret) == 0x726fdb47dd0e0e31U);
}
