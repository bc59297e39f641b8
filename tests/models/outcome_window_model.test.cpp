// Windows of outcomes against a list that forgets nothing, on random histories.
#include "bulwark/outcome_batch.hpp"
#include "bulwark/outcome_window.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct seen {
  seen_outcome what;
  instant at;
};

outcome_counts summed(const std::vector<seen>& all) {
  outcome_counts result;
  for (const auto& each : all) {
    ++result.calls;
    result.failed += each.what.failed ? 1 : 0;
    result.slow += each.what.slow ? 1 : 0;
  }
  return result;
}

// What can be said of a history: so many outcomes of a kind, so long after the last, told so late.
struct told {
  std::uint32_t times;
  bool failed;
  bool slow;
  int wait; // in half milliseconds
  int late;
  int clears; // one in 40

  [[nodiscard]] seen_outcome what() const { return {.failed = failed, .slow = slow}; }
};

std::ostream& operator<<(std::ostream& out, const told& each) {
  return out << each.times << (each.failed ? " failed" : "") << (each.slow ? " slow" : "") << " +"
             << each.wait << " late " << each.late << (each.clears == 0 ? " clear" : "");
}

rc::Gen<std::vector<told>> any_history() {
  return rc::gen::container<std::vector<told>>(rc::gen::construct<told>(
      rc::gen::inRange(0U, 6U), rc::gen::arbitrary<bool>(), rc::gen::arbitrary<bool>(),
      rc::gen::weightedOneOf<int>({{20, rc::gen::inRange(0, 6)}, {1, rc::gen::inRange(0, 80)}}),
      rc::gen::weightedOneOf<int>({{6, rc::gen::just(0)}, {1, rc::gen::inRange(0, 40)}}),
      rc::gen::inRange(0, 40)));
}

} // namespace

TEST_CASE("a count window has the counts of the last so many outcomes in every history [C16]",
          "[outcome_window]") {
  CHECK(rc::check("count window and list agree", [] {
    const auto size = *rc::gen::inRange(1U, 12U);
    count_window_log log{{.size = size, .minimum_calls = 1}};
    std::vector<seen> all;
    for (const auto& next : *any_history()) {
      if (next.clears == 0) {
        log.clear();
        all.clear();
      }
      log.record(next.what(), next.times);
      all.insert(all.end(), next.times, {next.what(), {}});
      const auto kept = std::min<std::size_t>(all.size(), size);
      RC_ASSERT(log.counts() == summed({all.end() - static_cast<std::ptrdiff_t>(kept), all.end()}));
    }
  }));
}

TEST_CASE("a time window has the counts of the last so many buckets in every history [C17]",
          "[outcome_window]") {
  CHECK(rc::check("time window and list agree", [] {
    const auto buckets = *rc::gen::inRange(1U, 6U);
    const auto length = std::chrono::milliseconds{*rc::gen::inRange(1, 4)};
    auto now = *rc::gen::element(instant{}, instant{1h}, instant{-3ms});
    time_window_log log{{.span = length * buckets, .buckets = buckets}};
    const auto number = [&](instant at) { // rounded down, before zero too
      return (at + 1h).time_since_epoch() / length;
    };
    std::vector<seen> all;
    for (const auto& next : *any_history()) {
      now += next.wait * 500us;
      if (next.clears == 0) {
        log.clear();
        all.clear();
      }
      const auto at = now - next.late * 500us;
      log.on_time(now);
      log.record(next.what(), at, next.times);
      all.insert(all.end(), next.times, {next.what(), at});
      std::erase_if(all, [&](const seen& each) {
        return number(each.at) + std::int64_t{buckets} <= number(now);
      });
      RC_ASSERT(log.counts() == summed(all));
    }
  }));
}

TEST_CASE("batches tell every success of the newest generation once, in time, and within one slot "
          "[C20]",
          "[outcome_batch]") {
  CHECK(rc::check("what was told and what was counted agree", [] {
    const outcome_batching how{.size = *rc::gen::inRange(2U, 9U),
                               .slot = std::chrono::milliseconds{*rc::gen::inRange(1, 5)}};
    success_counter counter;
    auto now = instant{1h};
    std::uint64_t newest = 0;
    std::vector<seen> untold; // of the newest generation
    for (const auto& next : *any_history()) {
      now += next.wait * 500us;
      const auto generation = std::uint64_t{5} + (next.late > 0 ? next.times : newest % 7);
      auto batch = next.clears == 0 ? counter.take() : counter.add(how, generation, next.slow, now);
      if (next.clears != 0 && generation > newest)
        untold.clear();
      const seen mine{{.failed = false, .slow = next.slow}, now};
      const auto counts = next.clears != 0 && generation >= newest;
      newest = next.clears != 0 ? std::max(newest, generation) : newest;
      const auto slot_of = [&](instant at) { return at.time_since_epoch() / how.slot; };
      // Either what was before it, for its slot is over, or with it, for now they are enough.
      const auto over = !untold.empty() && slot_of(untold.back().at) != slot_of(now);
      if (counts && !over)
        untold.push_back(mine);
      const auto due =
          next.clears == 0 ? !untold.empty() : counts && (over || untold.size() == how.size);
      RC_ASSERT(batch.has_value() == due);
      if (batch) {
        const auto sum = summed(untold);
        RC_ASSERT((*batch
                   == success_batch{.generation = newest,
                                    .calls = static_cast<std::uint32_t>(sum.calls),
                                    .slow = static_cast<std::uint32_t>(sum.slow),
                                    .at = untold.back().at}));
        RC_ASSERT(slot_of(untold.front().at) == slot_of(untold.back().at));
        untold.clear();
      }
      if (counts && over)
        untold.push_back(mine);
    }
  }));
}
