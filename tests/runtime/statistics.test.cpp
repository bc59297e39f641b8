#include "bulwark/statistics.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr auto largest_count = std::numeric_limits<std::uint64_t>::max();
constexpr auto last_bucket = std::uint32_t{1887};

latency_histogram histogram_of(std::initializer_list<timespan> values) {
  latency_histogram result;
  for (auto value : values)
    result.record(value);
  return result;
}

bool within_error(timespan found, timespan expected) {
  auto off = static_cast<long double>((found - expected).count());
  return std::abs(off) <= static_cast<long double>(expected.count()) / 64;
}

// A histogram that must not change when something is refused.
struct restoring {
  latency_histogram histogram = histogram_of({5ms});

  bool restore(const std::map<std::uint32_t, std::uint64_t>& buckets, timespan sum, timespan min,
               timespan max) {
    const auto before = histogram;
    const auto result = histogram.restore(buckets, sum, min, max);
    CHECK((result || histogram == before));
    return result;
  }
};

} // namespace

// -- counters ---------------------------------------------------------------------

TEST_CASE("the books balance when each call is in exactly one place [K1]", "[statistics]") {
  CHECK(counters{}.balanced());
  const counters all{.calls = 21,
                     .succeeded = 1,
                     .failed = 2,
                     .rejected = 3,
                     .timed_out = 4,
                     .cancelled = 5,
                     .in_flight = 6};
  CHECK(all.balanced());
  for (auto book : {&counters::calls, &counters::succeeded, &counters::failed, &counters::rejected,
                    &counters::timed_out, &counters::cancelled, &counters::in_flight}) {
    auto one_more = all;
    ++(one_more.*book);
    CHECK_FALSE(one_more.balanced());
    CHECK(one_more != all);
  }
}

TEST_CASE("books are added field by field and balance if each did [Y3] [K1]", "[statistics]") {
  counters sum{.calls = 3, .succeeded = 2, .in_flight = 1};
  sum += counters{.calls = 63,
                  .succeeded = 1,
                  .failed = 2,
                  .rejected = 4,
                  .timed_out = 8,
                  .cancelled = 16,
                  .in_flight = 32};
  CHECK(sum
        == counters{.calls = 66,
                    .succeeded = 3,
                    .failed = 2,
                    .rejected = 4,
                    .timed_out = 8,
                    .cancelled = 16,
                    .in_flight = 33});
  CHECK(sum.balanced());
  sum += counters{};
  CHECK(sum.calls == 66);
}

// -- recording --------------------------------------------------------------------

TEST_CASE("an empty histogram answers with nothing", "[statistics]") {
  const latency_histogram empty;
  CHECK(empty.count() == 0);
  CHECK(empty.sum() == 0ns);
  CHECK(empty.min() == 0ns);
  CHECK(empty.max() == 0ns);
  CHECK(empty.buckets().empty());
  for (auto q : {0.0, 0.5, 1.0})
    CHECK(empty.quantile(q) == 0ns);
}

TEST_CASE("count sum least and greatest are exact", "[statistics]") {
  const auto histogram = histogram_of({1234567ns, 89ns, 1234567891ns});
  CHECK(histogram.count() == 3);
  CHECK(histogram.sum() == 1235802547ns);
  CHECK(histogram.min() == 89ns);
  CHECK(histogram.max() == 1234567891ns);
  CHECK(histogram.quantile(0) == 89ns);
  CHECK(histogram.quantile(1) == 1234567891ns);
}

TEST_CASE("values below 64 ns are exact [Y8]", "[statistics]") {
  latency_histogram histogram;
  for (auto i = 0; i < 64; ++i)
    histogram.record(timespan{i});
  CHECK(histogram.buckets().size() == 64);
  for (auto i = 0; i < 64; ++i) {
    CAPTURE(i);
    CHECK(histogram.quantile((i + 1) / 64.0) == timespan{i});
  }
}

TEST_CASE("every value is known within the relative error [Y8]", "[statistics]") {
  CHECK(latency_histogram::relative_error == 1.0 / 64);
  const auto check = [](std::int64_t value) {
    CAPTURE(value);
    // Between two others: neither least nor greatest, which are exact.
    const auto histogram = histogram_of({0ns, timespan{value}, timespan::max()});
    CHECK(within_error(histogram.quantile(0.5), timespan{value}));
  };
  for (auto bit = 0; bit < 63; ++bit) {
    const auto power = std::int64_t{1} << bit;
    for (auto value : {power - 1, power, power + 1, power + power / 64, power + power / 32 - 1,
                       power + power / 3, power + (power - power / 64 - 1)})
      check(value);
  }
  check(timespan::max().count());
}

TEST_CASE("a negative value counts as 0", "[statistics]") {
  const auto histogram = histogram_of({-1ns, timespan::min(), 7ns});
  CHECK(histogram == histogram_of({0ns, 0ns, 7ns}));
  CHECK(histogram.min() == 0ns);
  CHECK(histogram.sum() == 7ns);
}

TEST_CASE("the sum saturates", "[statistics]") {
  auto histogram = histogram_of({timespan::max() - 5ns, 5ns});
  CHECK(histogram.sum() == timespan::max());
  histogram.record(1ns);
  CHECK(histogram.sum() == timespan::max());
  const auto other = histogram;
  histogram += other;
  CHECK(histogram.sum() == timespan::max());
  CHECK(histogram.count() == 6);
}

// -- quantiles --------------------------------------------------------------------

TEST_CASE("a quantile is the value that this share doesn't exceed [Y8]", "[statistics]") {
  latency_histogram histogram;
  for (auto i = 1; i <= 10; ++i)
    histogram.record(timespan{i});
  CHECK(histogram.quantile(0) == 1ns);
  CHECK(histogram.quantile(0.01) == 1ns);
  CHECK(histogram.quantile(0.5) == 5ns);
  CHECK(histogram.quantile(0.51) == 6ns);
  CHECK(histogram.quantile(0.99) == 10ns);
  CHECK(histogram.quantile(1) == 10ns);
}

TEST_CASE("a quantile stays between the least and the greatest value [Y8]", "[statistics]") {
  // All in one bucket, whose middle is beyond them.
  const auto low = histogram_of({1'000'000ns, 1'000'001ns, 1'000'002ns});
  CHECK(low.quantile(0.5) >= low.min());
  CHECK(low.quantile(0.5) <= low.max());
  const auto one = histogram_of({123'456'789ns});
  for (auto q : {0.0, 0.5, 0.999, 1.0})
    CHECK(one.quantile(q) == 123'456'789ns);
}

TEST_CASE("quantiles rise with the share", "[statistics]") {
  const auto histogram = histogram_of({1us, 2us, 4us, 1ms, 3ms, 3ms, 900ms, 60s, 1h});
  auto last = 0ns;
  for (auto i = 0; i <= 1'000; ++i) {
    const auto now = histogram.quantile(i / 1'000.0);
    CHECK(now >= last);
    last = now;
  }
}

// -- merging ----------------------------------------------------------------------

TEST_CASE("adding histograms equals recording everything in one [Y3] [Y8]", "[statistics]") {
  auto left = histogram_of({1ms, 2ms, 900ns});
  SECTION("that lie within each other") {
    left += histogram_of({1500us});
    CHECK(left == histogram_of({1500us, 1ms, 2ms, 900ns}));
  }
  SECTION("that reach further down and up") {
    left += histogram_of({3ns, 2h});
    CHECK(left == histogram_of({3ns, 900ns, 1ms, 2ms, 2h}));
  }
  SECTION("that lie far below") {
    left += histogram_of({3ns});
    CHECK(left == histogram_of({3ns, 900ns, 1ms, 2ms}));
  }
  SECTION("that lie far above") {
    left += histogram_of({5h});
    CHECK(left == histogram_of({5h, 900ns, 1ms, 2ms}));
  }
  SECTION("to an empty one") {
    latency_histogram empty;
    empty += left;
    CHECK(empty == left);
    CHECK(empty.min() == 900ns);
  }
  SECTION("that are empty") {
    const auto before = left;
    left += latency_histogram{};
    CHECK(left == before);
  }
  SECTION("to themselves") {
    left += left;
    CHECK(left == histogram_of({900ns, 1ms, 2ms, 900ns, 1ms, 2ms}));
  }
}

// -- there and back ---------------------------------------------------------------

TEST_CASE("a histogram can be taken to pieces and restored", "[statistics]") {
  for (const auto& original :
       {latency_histogram{}, histogram_of({0ns}), histogram_of({63ns, 64ns}),
        histogram_of({1us, 1us, 50ms, 3h}), histogram_of({timespan::max(), 5ns, timespan::max()}),
        histogram_of({1'000'000ns, 1'000'001ns, 1'000'007ns})}) {
    restoring copy;
    CHECK(copy.restore(original.buckets(), original.sum(), original.min(), original.max()));
    CHECK(copy.histogram == original);
  }
}

TEST_CASE("buckets are those that hold something", "[statistics]") {
  const auto buckets = histogram_of({7ns, 7ns, 64ns, 65ns, timespan::max()}).buckets();
  CHECK(buckets == std::map<std::uint32_t, std::uint64_t>{{7, 2}, {64, 2}, {last_bucket, 1}});
}

TEST_CASE("what no histogram could have given is refused and changes nothing", "[statistics]") {
  restoring r;
  SECTION("a bucket that there isn't") {
    CHECK_FALSE(r.restore({{last_bucket + 1, 1}}, 1h, 1h, 1h));
    CHECK_FALSE(r.restore({{std::numeric_limits<std::uint32_t>::max(), 1}}, timespan::max(),
                          timespan::max(), timespan::max()));
    CHECK(r.restore({{last_bucket, 1}}, timespan::max(), timespan::max(), timespan::max()));
  }
  SECTION("a bucket that holds nothing") {
    CHECK_FALSE(r.restore({{7, 0}}, 7ns, 7ns, 7ns));
    CHECK_FALSE(r.restore({{7, 1}, {8, 0}}, 7ns, 7ns, 7ns));
    CHECK_FALSE(r.restore({{7, 1}, {8, 0}, {9, 1}}, 16ns, 7ns, 9ns));
  }
  SECTION("counts that overflow") {
    CHECK_FALSE(r.restore({{7, largest_count}, {8, 1}}, timespan::max(), 7ns, 8ns));
    CHECK_FALSE(r.restore({{7, largest_count / 2 + 1}, {8, largest_count / 2 + 1}}, timespan::max(),
                          7ns, 8ns));
  }
  SECTION("more observations than there can have been") {
    CHECK_FALSE(r.restore({{7, largest_count}}, timespan::max(), 7ns, 7ns));
    CHECK_FALSE(r.restore({{0, (std::uint64_t{1} << 53) + 1}}, 0ns, 0ns, 0ns));
    CHECK(r.restore({{0, std::uint64_t{1} << 53}}, 0ns, 0ns, 0ns));
  }
  SECTION("a least value that isn't in the first bucket") {
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 16ns, 6ns, 9ns));
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 17ns, 8ns, 9ns));
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 16ns, -1ns, 9ns));
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 16ns, timespan::min(), 9ns));
  }
  SECTION("a greatest value that isn't in the last bucket") {
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 16ns, 7ns, 8ns));
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 17ns, 7ns, 10ns));
    CHECK_FALSE(r.restore({{7, 1}, {9, 1}}, 17ns, 7ns, timespan::max()));
  }
  SECTION("a greatest value below the least") {
    CHECK_FALSE(r.restore({{64, 2}}, 129ns, 65ns, 64ns));
    CHECK(r.restore({{64, 2}}, 129ns, 64ns, 65ns));
  }
  SECTION("a sum that the values can't have") {
    // 64 or 65, and 128 .. 131.
    const auto buckets = std::map<std::uint32_t, std::uint64_t>{{64, 2}, {96, 3}};
    CHECK_FALSE(r.restore(buckets, 64ns + 64ns + 128ns + 128ns + 130ns - 1ns, 64ns, 130ns));
    CHECK(r.restore(buckets, 64ns + 64ns + 128ns + 128ns + 130ns, 64ns, 130ns));
    CHECK(r.restore(buckets, 64ns + 65ns + 130ns + 130ns + 130ns, 64ns, 130ns));
    CHECK_FALSE(r.restore(buckets, 64ns + 65ns + 130ns + 130ns + 130ns + 1ns, 64ns, 130ns));
    CHECK_FALSE(r.restore(buckets, -1ns, 64ns, 130ns));
    CHECK_FALSE(r.restore(buckets, timespan::max(), 64ns, 130ns));
  }
  SECTION("a single value that isn't least and greatest at once") {
    CHECK_FALSE(r.restore({{64, 1}}, 64ns, 64ns, 65ns));
    CHECK_FALSE(r.restore({{64, 1}}, 65ns, 64ns, 64ns));
    CHECK(r.restore({{64, 1}}, 65ns, 65ns, 65ns));
  }
  SECTION("a sum that should have saturated") {
    const auto half = timespan{timespan::max().count() / 2 + 1};
    const auto buckets = histogram_of({half, half, half}).buckets();
    CHECK_FALSE(r.restore(buckets, timespan::max() - 1ns, half, half));
    CHECK(r.restore(buckets, timespan::max(), half, half));
  }
  SECTION("values where there are no buckets") {
    CHECK_FALSE(r.restore({}, 1ns, 0ns, 0ns));
    CHECK_FALSE(r.restore({}, 0ns, 1ns, 1ns));
    CHECK_FALSE(r.restore({}, 1ns, 1ns, 1ns));
    CHECK(r.restore({}, 0ns, 0ns, 0ns));
    CHECK(r.histogram == latency_histogram{});
  }
}

TEST_CASE("trap 11: no count makes a quantile overflow", "[statistics]") {
  auto total = histogram_of({7ns});
  for (auto bit = 1; bit < 64; ++bit) {
    total += total;
    total.record(9ns);
  }
  // As a double that is 2^64, which no integer of 64 bits holds.
  REQUIRE(total.count() == largest_count);
  CHECK(total.quantile(0) == 7ns);
  CHECK(total.quantile(0.49) == 7ns);
  CHECK(total.quantile(0.51) == 9ns);
  CHECK(total.quantile(1) == 9ns);
}
