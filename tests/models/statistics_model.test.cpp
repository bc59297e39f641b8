#include "bulwark/statistics.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

/// @file The latency histogram against all that was recorded, sorted.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

using values = std::vector<timespan>;

// Of each order of magnitude as many, some of them often, and the ends.
rc::Gen<timespan> any_value() {
  const auto spread = rc::gen::apply(
      [](std::uint64_t bits, int shift) {
        return timespan{static_cast<timespan::rep>(bits >> 1 >> shift)};
      },
      rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>()), rc::gen::inRange(0, 63));
  const auto power =
      rc::gen::apply([](int bit, int off) { return timespan{(timespan::rep{1} << bit) + off}; },
                     rc::gen::inRange(1, 62), rc::gen::inRange(-1, 2));
  const auto special =
      rc::gen::element<timespan>(0ns, 1ns, 63ns, 64ns, 1ms, 1s, timespan::max(), -1ns, -1h);
  return rc::gen::weightedOneOf<timespan>({{4, spread}, {2, power}, {1, special}});
}

// What calls really look like: many values near each other.
rc::Gen<values> any_values() {
  const auto spread = rc::gen::container<values>(any_value());
  const auto near = rc::gen::mapcat(any_value(), [](timespan base) {
    const auto low = std::max(base, timespan{0}) / 2;
    return rc::gen::container<values>(rc::gen::map(
        rc::gen::inRange(0, 10'000), [low](int share) { return low + low / 10'000 * share; }));
  });
  return rc::gen::scale(8.0, rc::gen::oneOf(spread, near));
}

latency_histogram recorded(const values& all) {
  latency_histogram result;
  for (auto each : all)
    result.record(each);
  return result;
}

values sorted(values all) {
  for (auto& each : all)
    each = std::max(each, timespan{0});
  std::sort(all.begin(), all.end());
  return all;
}

timespan saturated_sum(const values& all) {
  auto result = 0.0L; // exact for what doesn't saturate: 64 bits of mantissa
  for (auto each : all)
    result += static_cast<long double>(each.count());
  const auto most = static_cast<long double>(timespan::max().count());
  return result >= most ? timespan::max() : timespan{static_cast<timespan::rep>(result)};
}

bool within_error(timespan found, timespan expected) {
  const auto off =
      static_cast<long double>(found.count()) - static_cast<long double>(expected.count());
  return std::abs(off) <= static_cast<long double>(expected.count()) / 64;
}

// The rank is a product of which the last bit may be rounded either way.
void check_quantile(const latency_histogram& histogram, const values& all, double q) {
  const auto size = static_cast<std::int64_t>(all.size());
  const auto exact = static_cast<long double>(q) * static_cast<long double>(size);
  const auto at = [&](long double rank) {
    const auto index = static_cast<std::int64_t>(std::ceil(rank)) - 1;
    return all[static_cast<std::size_t>(std::clamp(index, std::int64_t{0}, size - 1))];
  };
  const auto found = histogram.quantile(q);
  const auto low = at(exact - 1e-12L);
  const auto high = at(exact + 1e-12L);
  RC_ASSERT((within_error(found, low) || within_error(found, high)));
  RC_ASSERT((low >= 64ns || high >= 64ns || found == low || found == high));
}

// How many values were compared.
std::uint64_t check_against(const latency_histogram& histogram, const values& unsorted) {
  const auto all = sorted(unsorted);
  RC_ASSERT(histogram.count() == all.size());
  RC_ASSERT(histogram.sum() == saturated_sum(all));
  RC_ASSERT(histogram.min() == (all.empty() ? 0ns : all.front()));
  RC_ASSERT(histogram.max() == (all.empty() ? 0ns : all.back()));
  if (all.empty())
    return 0;
  for (auto q : {0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0})
    check_quantile(histogram, all, q);
  // Every single value by its own rank.
  for (std::size_t i = 1; i <= all.size(); ++i)
    check_quantile(histogram, all, static_cast<double>(i) / static_cast<double>(all.size()));
  return all.size();
}

// The seed is another each time; RC_PARAMS="seed=…" repeats one, and asks for no minimum.
bool seed_is_given() {
  return std::getenv("RC_PARAMS") != nullptr;
}

} // namespace

TEST_CASE("every quantile of every record is within its relative error [Y8]", "[statistics]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("histogram and sorted values agree", [&] {
    const auto all = *any_values();
    checked += check_against(recorded(all), all);
  }));
  CHECK((seed_is_given() || checked >= 5'000));
}

TEST_CASE("merged in any parts and order histograms are the same as one [Y3] [Y8]",
          "[statistics]") {
  auto checked = std::uint64_t{0};
  CHECK(rc::check("parts merged and whole agree", [&] {
    const auto parts = *rc::gen::scale(0.2, rc::gen::container<std::vector<values>>(any_values()));
    latency_histogram forwards;
    latency_histogram backwards;
    values all;
    for (const auto& each : parts) {
      forwards += recorded(each);
      all.insert(all.end(), each.begin(), each.end());
    }
    for (auto each = parts.rbegin(); each != parts.rend(); ++each)
      backwards += recorded(*each);
    RC_ASSERT(forwards == recorded(all));
    RC_ASSERT(backwards == forwards);
    checked += check_against(forwards, all);
  }));
  CHECK((seed_is_given() || checked >= 5'000));
}

TEST_CASE("what came after a former state of a histogram is told by itself [Y8]", "[statistics]") {
  CHECK(rc::check("what is left and a record of it agree", [] {
    const auto before = *any_values();
    const auto after = *any_values();
    auto all = before;
    all.insert(all.end(), after.begin(), after.end());
    const auto earlier = recorded(before);
    const auto whole = recorded(all);
    const auto found = whole.since(earlier);
    const auto wanted = recorded(after);
    RC_ASSERT(found.count() == wanted.count());
    RC_ASSERT(found.buckets() == wanted.buckets());
    RC_ASSERT(found.min() <= wanted.min());
    RC_ASSERT(found.max() >= wanted.max());
    for (auto q : {0.0, 0.5, 0.9, 0.99, 1.0})
      RC_ASSERT(std::abs(static_cast<double>((found.quantile(q) - wanted.quantile(q)).count()))
                <= 2 * latency_histogram::relative_error
                           * static_cast<double>(wanted.quantile(q).count())
                       + 1);
    if (whole.sum() < timespan::max())
      RC_ASSERT(found.sum() == wanted.sum());
    // What is no former state of it: it has more, or what this has not.
    if (!after.empty())
      RC_ASSERT(earlier.since(whole) == earlier);
  }));
}

TEST_CASE("a histogram restored from its buckets is the same [Y8]", "[statistics]") {
  CHECK(rc::check("restored and original agree", [] {
    const auto original = recorded(*any_values());
    const auto buckets = original.buckets();
    auto copy = recorded(*any_values());
    RC_ASSERT(copy.restore(buckets, original.sum(), original.min(), original.max()));
    RC_ASSERT(copy == original);
  }));
}

TEST_CASE("so many don't exceed a value, within its relative error [W19]", "[statistics]") {
  CHECK(rc::check([] {
    const auto given = *any_values();
    const auto histogram = recorded(given);
    const auto all = sorted(given);
    const auto count_to = [&](long double bound) {
      return static_cast<std::uint64_t>(
          std::count_if(all.begin(), all.end(), [bound](timespan each) {
            return static_cast<long double>(each.count()) <= bound;
          }));
    };
    auto last = std::uint64_t{0};
    for (const auto value : sorted(*any_values())) {
      const auto found = histogram.count_up_to(value);
      const auto exact = static_cast<long double>(value.count());
      // A bucket's middle is off by relative_error, the value in it by as much again.
      RC_ASSERT(found >= count_to(exact * (1 - 2 * latency_histogram::relative_error)));
      RC_ASSERT(found <= count_to(exact * (1 + 2 * latency_histogram::relative_error)));
      RC_ASSERT(found >= last);
      last = found;
    }
    RC_ASSERT(histogram.count_up_to(timespan{-1}) == 0);
    RC_ASSERT(histogram.count_up_to(histogram.max()) == histogram.count());
  }));
}

TEST_CASE("whatever is restored is refused or makes sense", "[statistics]") {
  auto taken = 0;
  CHECK(rc::check("hostile input is refused or makes sense", [&] {
    // From what makes sense, one thing changed at most: pure noise would hardly ever be near it.
    const auto original = recorded(*any_values());
    auto buckets = original.buckets();
    const auto number = *rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 1'900),
                                        rc::gen::arbitrary<std::uint32_t>());
    if (*rc::gen::inRange(0, 3) == 0)
      buckets[number] = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 4),
                                        rc::gen::arbitrary<std::uint64_t>());
    const auto changed = [](timespan from) {
      return rc::gen::weightedOneOf<timespan>({{3, rc::gen::just(from)}, {1, any_value()}});
    };
    const auto sum = *changed(original.sum());
    const auto min = *changed(original.min());
    const auto max = *changed(original.max());
    latency_histogram histogram;
    if (!histogram.restore(buckets, sum, min, max)) {
      RC_ASSERT(histogram == latency_histogram{});
      return;
    }
    ++taken;
    RC_ASSERT(histogram.buckets() == buckets);
    auto last = histogram.min();
    for (auto q : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
      RC_ASSERT(histogram.quantile(q) >= last);
      last = histogram.quantile(q);
    }
    RC_ASSERT(last == histogram.max());
    RC_ASSERT(histogram.min() <= histogram.max());
    RC_ASSERT(histogram.max() <= histogram.sum());
  }));
  CHECK((seed_is_given() || taken >= 5));
}
