// Latency histograms against all that was recorded, sorted: recorded, merged, taken apart into
// buckets and restored, also from buckets that no histogram has given.
#include "fuzz/bytes.hpp"
#include "models/must.hpp"

#include "bulwark/statistics.hpp"

#include <algorithm>
#include <map>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;

namespace {

struct record {
  latency_histogram histogram;
  std::vector<timespan> values;
};

// Of each order of magnitude as many.
timespan value_from(bytes& input) {
  const auto shift = input.byte() % 64U;
  return timespan{static_cast<timespan::rep>(input.any<std::uint64_t>() >> shift)};
}

timespan exact_sum(const std::vector<timespan>& values) {
  timespan result{0};
  for (auto each : values)
    result = each > timespan::max() - result ? timespan::max() : result + each;
  return result;
}

void check(record& one) {
  auto& all = one.values;
  std::sort(all.begin(), all.end());
  const auto& is = one.histogram;
  MUST(is.count() == all.size());
  MUST(is.sum() == exact_sum(all));
  MUST(is.min() == (all.empty() ? timespan{0} : all.front()));
  MUST(is.max() == (all.empty() ? timespan{0} : all.back()));
  for (std::size_t i = 1; i <= all.size(); ++i) {
    // Half a rank below the whole: rounding can't make it another's.
    const auto share = (static_cast<double>(i) - 0.5) / static_cast<double>(all.size());
    const auto found = is.quantile(share).count();
    const auto exact = all[i - 1].count();
    const auto off = found > exact ? found - exact : exact - found;
    MUST(off <= exact / 64);
  }
  latency_histogram copy;
  MUST(copy.restore(is.buckets(), is.sum(), is.min(), is.max()));
  MUST(copy == is);
}

// As one from another node would come.
void restore_anything(bytes& input, latency_histogram from) {
  auto buckets = from.buckets();
  for (auto more = input.below(4); more > 0; --more)
    buckets[input.any<std::uint16_t>() % 2'048U] =
        input.any<std::uint64_t>() >> (input.byte() % 64U);
  const auto sum = input.byte() % 2 == 0 ? from.sum() : value_from(input);
  const auto min = input.byte() % 2 == 0 ? from.min() : value_from(input);
  const auto max = input.byte() % 2 == 0 ? from.max() : value_from(input);
  latency_histogram taken;
  if (!taken.restore(buckets, sum, min, max)) {
    MUST(taken == latency_histogram{});
    return;
  }
  MUST(taken.buckets() == buckets);
  auto last = taken.min();
  for (auto q : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    MUST(taken.quantile(q) >= last);
    last = taken.quantile(q);
  }
  MUST(last == taken.max());
  MUST(taken.max() <= taken.sum());
  taken += from;
  taken.record(max);
  MUST(taken.count() != 0);
}

} // namespace

BULWARK_FUZZ(input) {
  std::array<record, 2> both;
  while (!input.empty()) {
    const auto what = input.byte();
    auto& one = both[what & 1U];
    auto& other = both[1 - (what & 1U)];
    switch (what / 2 % 8) {
    case 6:
      if (one.values.size() + other.values.size() > 64)
        break;
      one.histogram += other.histogram;
      one.values.insert(one.values.end(), other.values.begin(), other.values.end());
      break;
    case 7:
      restore_anything(input, one.histogram);
      break;
    default: {
      const auto value = value_from(input);
      one.histogram.record(value);
      one.values.push_back(std::max(value, timespan{0}));
    }
    }
  }
  for (auto& each : both)
    check(each);
}
