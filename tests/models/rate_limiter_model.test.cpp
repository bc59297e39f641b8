#include "bulwark/rate_limiter.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <cstdlib>
#include <map>
#include <vector>

// The rate limiter on random histories, beside a bucket of tokens as the books have it: each call
// takes its tokens, and each nanosecond brings some back. Counted in parts so small that all numbers
// are whole.

using namespace bulwark;

namespace {

__extension__ using wide = __int128;

// What an instant holds, less what a policy may add.
constexpr std::int64_t most_time = std::int64_t{1} << 62U;

struct command {
  std::int64_t pause; // in nanoseconds
  std::uint32_t weight;
  std::uint64_t key;
};

struct token_bucket {
  rate_limit_policy policy;
  wide tokens = full(); // of policy.period parts; below 0: promised to those who wait
  std::int64_t filled_at = 0;

  wide period() const { return policy.period.count(); }
  wide full() const { return static_cast<wide>(policy.burst) * period(); }

  rate_decision ask(std::int64_t now, std::uint32_t weight) {
    tokens = std::min(full(), tokens + wide{now - filled_at} * wide{policy.calls});
    filled_at = now;
    if (weight > policy.burst)
      return {.admitted = false, .wait = timespan{0}};
    const auto missing = wide{weight} * period() - tokens;
    const auto calls = static_cast<wide>(policy.calls);
    const auto wait = missing <= 0 ? wide{0} : (missing + calls - 1) / calls;
    if (wait > policy.max_wait.count())
      return {.admitted = false,
              .wait = timespan{static_cast<std::int64_t>(wait) - policy.max_wait.count()}};
    tokens -= wide{weight} * period();
    return {.admitted = true, .wait = timespan{static_cast<std::int64_t>(wait)}};
  }
};

struct coverage {
  std::uint64_t admitted = 0;
  std::uint64_t waited = 0;
  std::uint64_t refused = 0;
  std::uint64_t forgotten = 0; // refused by a full table, where a table without end would not have
};

rc::Gen<rate_limit_policy> any_policy() {
  return rc::gen::apply(
      [](std::uint64_t calls, std::int64_t period, std::uint64_t burst, std::int64_t wait) {
        return rate_limit_policy{.calls = calls,
                                 .period = timespan{period},
                                 .burst = burst,
                                 .max_wait = timespan{wait},
                                 .max_keys = 16};
      },
      rc::gen::element<std::uint64_t>(1, 2, 3, 7, 10, 999, 1'000'000'000),
      rc::gen::element<std::int64_t>(1'000, 10'007, 1'000'000'000, 31'536'000'000'000'000),
      rc::gen::element<std::uint64_t>(1, 2, 5, 90),
      rc::gen::element<std::int64_t>(0, 0, 500, 1'000'000'000));
}

/// Pauses around what is interesting: the interval and the burst.
rc::Gen<std::vector<command>> any_commands(const rate_limit_policy& policy, std::uint64_t keys) {
  const auto interval = policy.period.count() / static_cast<std::int64_t>(policy.calls);
  const auto pause = rc::gen::oneOf(
      rc::gen::element<std::int64_t>(0, 0, 0, 1, interval, interval + 1),
      rc::gen::inRange<std::int64_t>(0, interval + 2),
      rc::gen::inRange<std::int64_t>(0, static_cast<std::int64_t>(policy.burst) * interval + 2));
  return rc::gen::scale(
      4.0, rc::gen::container<std::vector<command>>(rc::gen::construct<command>(
               pause, rc::gen::weightedElement<std::uint32_t>({{20, 1}, {3, 2}, {2, 5}, {1, 91}}),
               rc::gen::inRange<std::uint64_t>(0, keys))));
}

} // namespace

TEST_CASE("in every history a rate limiter is a bucket of tokens to the nanosecond [Q1] [Q2]",
          "[rate_limiter]") {
  coverage met;
  CHECK(rc::check("limiter and bucket agree", [&] {
    for (auto i = 0; i < 20; ++i) {
      const auto policy = *any_policy();
      RC_ASSERT(find_mistakes(policy).empty());
      rate_limiter limit{policy};
      token_bucket bucket{.policy = policy};
      std::int64_t now = 0;
      for (const auto& each : *any_commands(policy, 1)) {
        now += each.pause;
        if (now > most_time)
          break;
        const auto said = limit.ask(instant{timespan{now}}, each.weight);
        RC_ASSERT(said == bucket.ask(now, each.weight));
        met.admitted += said.admitted && said.wait == timespan{0} ? 1 : 0;
        met.waited += said.admitted && said.wait > timespan{0} ? 1 : 0;
        met.refused += said.admitted ? 0 : 1;
      }
    }
  }));
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(met.admitted >= 5'000);
    CHECK(met.waited >= 1'000);
    CHECK(met.refused >= 5'000);
  }
}

TEST_CASE("in every history no key exceeds its rate, whatever a full table forgets [Q4]",
          "[rate_limiter]") {
  coverage met;
  CHECK(rc::check("each key's calls would pass a limiter of its own", [&] {
    for (auto i = 0; i < 20; ++i) {
      const auto policy = *any_policy();
      const auto keys = *rc::gen::element<std::uint64_t>(3, 20, 200);
      keyed_rate_limiter limits{policy};
      // What each key was let through, in a table that forgets nobody.
      std::map<std::uint64_t, token_bucket> own;
      std::int64_t now = 0;
      for (const auto& each : *any_commands(policy, keys)) {
        now += each.pause / 4; // so that many are live at once
        if (now > most_time)
          break;
        const auto said =
            limits.ask(each.key * 0x9e3779b97f4a7c15U, instant{timespan{now}}, each.weight);
        auto& bucket = own.try_emplace(each.key, token_bucket{.policy = policy}).first->second;
        auto asked = bucket;
        const auto alone = asked.ask(now, each.weight);
        if (said.admitted) {
          RC_ASSERT(alone.admitted);
          RC_ASSERT(said.wait >= alone.wait);
          bucket = asked;
        } else if (alone.admitted) {
          ++met.forgotten;
        }
        // As long as there is a place for each, nobody is forgotten.
        if (keys <= 3)
          RC_ASSERT(said == alone);
        RC_ASSERT(limits.places() <= 32U);
      }
    }
  }));
  if (std::getenv("RC_PARAMS") == nullptr)
    CHECK(met.forgotten >= 100);
}
