#include "bulwark/hedge.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

/// @file When a second copy goes out, against a list of all that calls took.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

struct reply {
  instant when;
  timespan took;
};

timespan exact_quantile(std::vector<timespan> all, double q) {
  std::sort(all.begin(), all.end());
  const auto rank = std::ceil(q * static_cast<double>(all.size()) - 1e-9);
  return all[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

} // namespace

TEST_CASE(
    "the measured wait is the percentile of what calls took lately, give or take an eighth of "
    "them [J1]",
    "[hedge]") {
  auto compared = 0;
  CHECK(rc::check("core and list agree", [&] {
    const auto policy = hedge_policy{.percentile = any(50, 99) / 100.0,
                                     .min_delay = 1us * any(0, 100),
                                     .minimum_calls = any(1U, 50U),
                                     .memory = 100ms * any(1, 10)};
    RC_ASSERT(find_mistakes(policy).empty());
    auto now = instant{1s};
    hedging core{policy, now};
    std::vector<reply> all;
    for (auto steps = any(1, 400); steps > 0; --steps) {
      now += any(0, 50) == 0 ? 1ms * any(0, 1500) : 10us * any(0, 100);
      const auto took = 1us * any(1, 10'000);
      core.on_success(took, now);
      all.push_back({now, took});
      const auto wait = core.delay(now);
      // Surely known is what half of the memory has, surely forgotten what is older than all of it.
      const auto younger_than = [&](timespan age) {
        return std::count_if(all.begin(), all.end(),
                             [&](const reply& each) { return now - each.when < age; });
      };
      if (younger_than(policy.memory) < policy.minimum_calls) {
        RC_ASSERT(!wait);
        continue;
      }
      if (younger_than(policy.memory / 2) >= policy.minimum_calls)
        RC_ASSERT(wait.has_value());
      if (!wait)
        continue;
      // It was right at some moment of the last few calls, for what was known then.
      auto low = timespan::max();
      auto high = timespan{0};
      const auto last = all.size();
      const auto oldest = last - std::min<std::size_t>(last, last / 8 + 64);
      for (auto end = std::max<std::size_t>(oldest, 1); end <= last; ++end) {
        for (auto age : {policy.memory / 2, policy.memory}) {
          std::vector<timespan> known;
          for (std::size_t i = 0; i < end; ++i)
            if (all[end - 1].when - all[i].when < age)
              known.push_back(all[i].took);
          const auto exact = exact_quantile(known, policy.percentile);
          low = std::min(low, exact);
          high = std::max(high, exact);
        }
      }
      // Between the two is what a part of them would say.
      RC_ASSERT(*wait >= policy.min_delay);
      RC_ASSERT(*wait >= std::max(policy.min_delay, low - low / 4 - 1us));
      RC_ASSERT(*wait <= std::max(policy.min_delay, high + high / 4 + 1us));
      ++compared;
    }
  }));
  CHECK(compared > 1000);
}

TEST_CASE("a steady stream's percentile is measured to within a hundredth, and follows a change "
          "[J1]",
          "[hedge]") {
  hedging core{{.percentile = 0.95, .min_delay = 0ms, .memory = 10s}, instant{}};
  auto now = instant{};
  const auto feed = [&](timespan unit) {
    for (auto i = 0; i < 20'000; ++i) {
      now += 1ms;
      core.on_success(unit * (i * 7919 % 1000 + 1), now);
    }
    return core.delay(now).value();
  };
  CHECK(std::abs((feed(1us) - 950us).count()) < (20us / 1ns));
  CHECK(std::abs((feed(10us) - 9500us).count()) < (200us / 1ns));
}

TEST_CASE("second copies are at most their share of all calls [J2]", "[hedge]") {
  hedging core{{.delay = 10ms, .ratio = 0.02, .window = 1s}, instant{}};
  auto now = instant{};
  auto copies = 0;
  const auto calls = 100'000;
  for (auto i = 0; i < calls; ++i) {
    now += 100us;
    core.on_call(now);
    copies += core.try_spend(now) ? 1 : 0;
  }
  CHECK(copies <= calls / 50);
  CHECK(copies >= calls / 50 * 9 / 10);
}

TEST_CASE("what is out of range in a hedge policy is named [J3]", "[hedge]") {
  CHECK(find_mistakes(hedge_policy{}).empty());
  const auto mistakes = find_mistakes(hedge_policy{.delay = -1ns,
                                                   .percentile = 1,
                                                   .min_delay = -1ns,
                                                   .minimum_calls = 0,
                                                   .memory = 1ms,
                                                   .ratio = 1.5,
                                                   .window = 1ms});
  CHECK(mistakes.size() == 7);
  CHECK(to_string(mistakes).find("hedge.percentile is 1, permitted: 0.5 .. 0.9999")
        != std::string::npos);
}
