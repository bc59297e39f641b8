#include "bulwark/retry.hpp"

#include "support/catch.hpp"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <vector>

/// @file Backoff against a model of it, with random and extreme parameters.
///
/// The model multiplies step by step, as the textbook has it, in long double, and stops at the cap.
/// Where that were too many steps it takes logarithms, which the implementation does not.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

using real = long double;

constexpr auto largest_attempt = std::numeric_limits<std::uint32_t>::max();
constexpr auto most_steps = 2'000U;

// What rounding may cost: some units in a double's last place, and half a nanosecond.
real tolerance(real expected) {
  return expected * 2e-15L + 0.51L;
}

real nanoseconds(timespan length) {
  return static_cast<real>(length.count());
}

real modelled_delay(const retry_limits& policy, std::uint32_t attempt) {
  auto cap = nanoseconds(policy.max_delay);
  auto delay = std::min(nanoseconds(policy.base_delay), cap);
  for (auto step = 1U; step < attempt; ++step) {
    if (delay == 0 || delay == cap || policy.exponential_base == 1.0)
      return delay;
    if (step == most_steps) {
      auto rest = static_cast<real>(attempt - step);
      auto growth = rest * std::log1p(static_cast<real>(policy.exponential_base) - 1);
      return growth > std::log(cap) ? cap : std::min(delay * std::exp(growth), cap);
    }
    delay = std::min(delay * static_cast<real>(policy.exponential_base), cap);
  }
  return delay;
}

// -- parameters -------------------------------------------------------------------

struct parameters {
  retry_limits policy;
  std::uint32_t attempt;
  timespan previous;
  std::uint64_t seed;
};

std::ostream& operator<<(std::ostream& out, const parameters& all) {
  return out << fmt::format("attempt {}, base_delay {}, exponential_base {}, max_delay {}, jitter "
                            "{}, previous {}, seed {}",
                            all.attempt, all.policy.base_delay.count(), all.policy.exponential_base,
                            all.policy.max_delay.count(), to_string(all.policy.jitter),
                            all.previous.count(), all.seed);
}

// Of each order of magnitude as many, and the ends.
rc::Gen<timespan> any_delay() {
  auto most = static_cast<std::uint64_t>(longest_timespan.count());
  auto spread = rc::gen::apply(
      [most](std::uint64_t bits, int shift) {
        return timespan{static_cast<timespan::rep>(bits % (most + 1) >> shift)};
      },
      rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>()), rc::gen::inRange(0, 62));
  auto special = rc::gen::element<timespan>(0ns, 1ns, 2ns, 1ms, 1s, 60s, longest_timespan - 1ns,
                                            longest_timespan);
  return rc::gen::weightedOneOf<timespan>({{3, spread}, {1, special}});
}

rc::Gen<double> any_base() {
  auto tiny =
      rc::gen::map(rc::gen::inRange(1, 52), [](int e) { return 1.0 + std::ldexp(1.0, -e); });
  auto human = rc::gen::map(rc::gen::inRange(100, 1001), [](int x) { return x / 100.0; });
  auto huge = rc::gen::map(rc::gen::inRange(1, 1024), [](int e) { return std::ldexp(1.0, e); });
  auto special = rc::gen::element(1.0, std::nextafter(1.0, 2.0), 1.1, 2.0, 1e300,
                                  std::numeric_limits<double>::max());
  return rc::gen::oneOf(tiny, human, huge, special);
}

rc::Gen<std::uint32_t> any_attempt() {
  auto early = rc::gen::inRange(1U, 80U);
  auto spread = rc::gen::map(rc::gen::inRange(0, 32), [](int e) { return 1U << e; });
  auto special = rc::gen::element(1U, 2U, 1'000'000U, largest_attempt - 1, largest_attempt);
  return rc::gen::oneOf(early, spread, special);
}

rc::Gen<parameters> any_parameters() {
  auto jitter = rc::gen::element(jitter_kind::none, jitter_kind::full, jitter_kind::equal,
                                 jitter_kind::decorrelated);
  return rc::gen::apply(
      [](timespan base_delay, double base, timespan max_delay, jitter_kind kind,
         std::uint32_t attempt, timespan previous, std::uint64_t seed) {
        auto policy = retry_limits{.base_delay = base_delay,
                                   .exponential_base = base,
                                   .max_delay = max_delay,
                                   .jitter = kind};
        return parameters{policy, attempt, previous, seed};
      },
      any_delay(), any_base(), any_delay(), jitter, any_attempt(), any_delay(),
      rc::gen::arbitrary<std::uint64_t>());
}

// Many at once: rapidcheck makes a hundred cases of each property.
auto many_parameters() {
  return rc::gen::scale(5.0, rc::gen::container<std::vector<parameters>>(any_parameters()));
}

// -- what must hold ---------------------------------------------------------------

struct bounds {
  timespan low;
  timespan high;
};

bounds bounds_of(const parameters& all, timespan delay) {
  switch (all.policy.jitter) {
  case jitter_kind::none:
    return {delay, delay};
  case jitter_kind::full:
    return {0ns, delay};
  case jitter_kind::equal:
    return {delay / 2, delay};
  case jitter_kind::decorrelated:
    break;
  }
  // Three times a hundred years fits into 64 bits without a sign, and only there.
  auto last = static_cast<std::uint64_t>(std::max(all.previous, all.policy.base_delay).count());
  auto cap = static_cast<std::uint64_t>(all.policy.max_delay.count());
  return {std::min(all.policy.base_delay, all.policy.max_delay),
          timespan{static_cast<timespan::rep>(std::min(3 * last, cap))}};
}

void check_capped(const parameters& all) {
  auto& policy = all.policy;
  auto delay = capped_delay(policy, all.attempt);
  auto expected = modelled_delay(policy, all.attempt);
  RC_ASSERT(delay >= 0ns);
  RC_ASSERT(delay <= policy.max_delay);
  RC_ASSERT(delay >= std::min(policy.base_delay, policy.max_delay));
  RC_ASSERT(std::abs(nanoseconds(delay) - expected) <= tolerance(expected));
  RC_ASSERT(capped_delay(policy, 1) == std::min(policy.base_delay, policy.max_delay));
  if (all.attempt != largest_attempt) {
    auto next = capped_delay(policy, all.attempt + 1);
    RC_ASSERT(nanoseconds(next) >= nanoseconds(delay) - tolerance(expected));
  }
}

void check_jitter(const parameters& all) {
  random_stream random{all.seed};
  random_stream again{all.seed};
  auto [low, high] = bounds_of(all, capped_delay(all.policy, all.attempt));
  for (auto i = 0; i < 4; ++i) {
    auto wait = backoff_delay(all.policy, all.attempt, all.previous, random);
    RC_ASSERT(wait >= low);
    RC_ASSERT(wait <= high);
    RC_ASSERT(wait == backoff_delay(all.policy, all.attempt, all.previous, again));
  }
}

// Whole retries, each wait handed in as the next one's previous: how many they were.
std::uint64_t check_chain(const parameters& all) {
  random_stream random{all.seed};
  auto step = all;
  step.previous = 0ns;
  for (step.attempt = 1; step.attempt <= 50; ++step.attempt) {
    auto [low, high] = bounds_of(step, capped_delay(step.policy, step.attempt));
    auto wait = backoff_delay(step.policy, step.attempt, step.previous, random);
    RC_ASSERT(wait >= low);
    RC_ASSERT(wait <= high);
    RC_ASSERT(wait <= step.policy.max_delay);
    step.previous = wait;
  }
  return 50;
}

// The permitted range is really used: of many draws each tenth of it gets its share, within ten
// standard deviations, so that no seed fails by chance. 0: the range is too small to be divided.
std::uint64_t check_spread(const parameters& all) {
  constexpr auto draws = 2'000;
  constexpr auto least = 66; // of 200; the standard deviation is 13.4
  constexpr auto most = 334;
  auto [low, high] = bounds_of(all, capped_delay(all.policy, all.attempt));
  const auto width = nanoseconds(high - low) + 1;
  if (all.policy.jitter == jitter_kind::none || width < 10'000)
    return 0;
  random_stream random{all.seed};
  auto tenths = std::array<int, 10>{};
  for (auto i = 0; i < draws; ++i) {
    const auto wait = backoff_delay(all.policy, all.attempt, all.previous, random);
    const auto part = static_cast<std::size_t>(nanoseconds(wait - low) * 10 / width);
    ++tenths.at(std::min<std::size_t>(part, 9));
  }
  for (auto count : tenths) {
    RC_ASSERT(count >= least);
    RC_ASSERT(count <= most);
  }
  return 1;
}

// The seed is another each time; RC_PARAMS="seed=…" repeats one, and asks for no minimum.
bool seed_is_given() {
  return std::getenv("RC_PARAMS") != nullptr;
}

} // namespace

TEST_CASE("the capped delay is what multiplying step by step gives", "[retry]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("capped delay and model agree", [&] {
    for (const auto& all : *many_parameters()) {
      check_capped(all);
      ++checked;
    }
  }));
  CHECK((seed_is_given() || checked >= 5'000));
}

TEST_CASE("every kind of jitter stays within its bounds and can be repeated", "[retry]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("jitter stays within its bounds", [&] {
    for (const auto& all : *many_parameters()) {
      check_jitter(all);
      ++checked;
    }
  }));
  CHECK((seed_is_given() || checked >= 5'000));
}

TEST_CASE("every kind of jitter uses all of its range and no part of it more than another",
          "[retry]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("each tenth of the range is drawn as often", [&] {
    for (const auto& all : *many_parameters())
      checked += check_spread(all);
  }));
  CHECK((seed_is_given() || checked >= 1'000));
}

TEST_CASE("wait after wait of the same retry stays within its bounds", "[retry]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("chains of waits stay within their bounds", [&] {
    for (const auto& all : *many_parameters())
      checked += check_chain(all);
  }));
  CHECK((seed_is_given() || checked >= 250'000));
}
