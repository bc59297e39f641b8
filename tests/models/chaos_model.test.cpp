#include "bulwark/chaos.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

/// @file What goes wrong on purpose: how often, to whom, and that it can be had again.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

constexpr std::array all_criticalities = {criticality::critical, criticality::normal,
                                          criticality::sheddable};

chaos_policy any_policy() {
  // Tenths, of which the three that exclude each other are ten at most.
  const auto errors = any(0, 10);
  const auto losses = any(0, 10 - errors);
  const auto kills = any(0, 10 - errors - losses);
  const auto least = 1us * any(0, 1000);
  return {.latency_rate = any(0, 10) / 10.0,
          .min_latency = least,
          .max_latency = least + 1us * any(0, 1000),
          .error_rate = errors / 10.0,
          .lost_reply_rate = losses / 10.0,
          .kill_rate = kills / 10.0,
          .critical = any(0, 1) == 1,
          .normal = any(0, 1) == 1,
          .sheddable = any(0, 1) == 1,
          .seed = any<std::uint64_t>(0, 1'000'000)};
}

bool may_hit(const chaos_policy& policy, criticality call) {
  return (call == criticality::critical && policy.critical)
         || (call == criticality::normal && policy.normal)
         || (call == criticality::sheddable && policy.sheddable);
}

// Six deviations: less than one in a hundred million.
bool is_share(std::uint64_t count, double rate, double of) {
  return std::abs(static_cast<double>(count) - rate * of)
         <= 6 * std::sqrt(of * rate * (1 - rate)) + 1e-6;
}

} // namespace

TEST_CASE("in every history chaos does what its rates say, to whom it may, and counts it [I1] [I2]",
          "[chaos]") {
  CHECK(rc::check("rates, ranges and counts", [] {
    const auto policy = any_policy();
    RC_ASSERT(find_mistakes(policy).empty());
    chaos core{policy};
    chaos_counts seen;
    for (auto i = 0; i < 4000; ++i) {
      const auto call = all_criticalities.at(any<std::size_t>(0, 2));
      const auto what = core.decide(call);
      if (!may_hit(policy, call)) {
        RC_ASSERT(what == injection{});
        continue;
      }
      ++seen.attempts;
      const auto late = what.latency > timespan{0};
      if (late) {
        RC_ASSERT(what.latency >= policy.min_latency);
        RC_ASSERT(what.latency <= policy.max_latency);
      }
      seen.errors += what.what == fault::error ? 1 : 0;
      seen.lost_replies += what.what == fault::lost_reply ? 1 : 0;
      seen.kills += what.what == fault::kill ? 1 : 0;
      seen.delayed += late ? 1 : 0;
    }
    const auto counted = core.counts();
    RC_ASSERT(counted.attempts == seen.attempts);
    RC_ASSERT(counted.errors == seen.errors);
    RC_ASSERT(counted.lost_replies == seen.lost_replies);
    RC_ASSERT(counted.kills == seen.kills);
    if (policy.min_latency > 0us)
      RC_ASSERT(counted.delayed == seen.delayed);
    const auto of = static_cast<double>(seen.attempts);
    RC_ASSERT(is_share(counted.delayed, policy.latency_rate, of));
    RC_ASSERT(is_share(counted.errors, policy.error_rate, of));
    RC_ASSERT(is_share(counted.lost_replies, policy.lost_reply_rate, of));
    RC_ASSERT(is_share(counted.kills, policy.kill_rate, of));
  }));
}

TEST_CASE("latencies lie all over their range, both ends included [I1]", "[chaos]") {
  chaos core{{.latency_rate = 1, .min_latency = 3ns, .max_latency = 7ns}};
  std::array<int, 11> met{};
  for (auto i = 0; i < 5000; ++i)
    ++met.at(static_cast<std::size_t>(core.decide(criticality::normal).latency.count()));
  for (auto i = std::size_t{0}; i < met.size(); ++i)
    CHECK((i >= 3 && i <= 7 ? met.at(i) > 800 : met.at(i) == 0));
}

TEST_CASE("the same seed gives the same faults, and who changes one rate changes that fault alone "
          "[I3]",
          "[chaos]") {
  CHECK(rc::check("two run side by side", [] {
    const auto policy = any_policy();
    auto no_latency = policy;
    no_latency.latency_rate = 0;
    auto no_kills = policy;
    no_kills.kill_rate = 0;
    chaos first{policy};
    chaos second{policy};
    chaos without_latency{no_latency};
    chaos without_kills{no_kills};
    for (auto i = 0; i < 200; ++i) {
      const auto call = all_criticalities.at(any<std::size_t>(0, 2));
      const auto what = first.decide(call);
      RC_ASSERT(second.decide(call) == what);
      RC_ASSERT(without_latency.decide(call).what == what.what);
      const auto spared = without_kills.decide(call);
      RC_ASSERT(spared.latency == what.latency);
      RC_ASSERT(spared.what == (what.what == fault::kill ? fault::none : what.what));
    }
  }));
}

TEST_CASE("what is out of range in a chaos policy is named [I4]", "[chaos]") {
  CHECK(find_mistakes(chaos_policy{}).empty());
  CHECK(find_mistakes(chaos_policy{.error_rate = 0.9, .lost_reply_rate = 0.1}).empty());
  CHECK(find_mistakes(chaos_policy{.error_rate = 0.7, .lost_reply_rate = 0.2, .kill_rate = 0.1})
            .empty());
  const auto mistakes = find_mistakes(chaos_policy{.latency_rate = -0.1,
                                                   .min_latency = 2s,
                                                   .max_latency = 1s,
                                                   .error_rate = 0.5,
                                                   .lost_reply_rate = 0.6,
                                                   .kill_rate = std::nan("")});
  CHECK(mistakes.size() == 4);
  const auto text = to_string(mistakes);
  CHECK(text.find("chaos.max_latency is 1s, permitted: 2s .. ") != std::string::npos);
  CHECK(text.find("chaos.lost_reply_rate is 0.6, permitted: 0 .. 0.5") != std::string::npos);
  CHECK(text.find("chaos.kill_rate is nan, permitted: 0 .. 0.5") != std::string::npos);
  CHECK(find_mistakes(chaos_policy{.min_latency = -1s}).size() == 1);
  CHECK(find_mistakes(chaos_policy{.max_latency = 25h}).size() == 1);
}
