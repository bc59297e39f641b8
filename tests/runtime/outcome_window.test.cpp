#include "bulwark/outcome_window.hpp"
#include "bulwark/circuit_breaker_policy.hpp"
#include "bulwark/outcome_batch.hpp"

#include "support/catch.hpp"

#include <limits>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr seen_outcome fine{};
constexpr seen_outcome failed{.failed = true, .slow = false};
constexpr seen_outcome slow{.failed = false, .slow = true};

std::string mistakes_of(const circuit_breaker_limits& policy) {
  return to_string(find_mistakes(policy));
}

} // namespace

TEST_CASE("a window says nothing before it has its minimum of calls [C16]", "[outcome_window]") {
  count_window_log log{{.size = 10, .failure_ratio = 0.5, .minimum_calls = 4}};
  log.record(failed, 3);
  CHECK(log.verdict() == window_verdict::fine);
  log.record(fine);
  CHECK(log.verdict() == window_verdict::failing);
}

TEST_CASE("the share that is named is reached to the last call [C16]", "[outcome_window]") {
  // 0.07 * 100 is more than 7 in binary.
  count_window_log log{{.size = 100, .failure_ratio = 0.07, .minimum_calls = 100}};
  log.record(fine, 94);
  log.record(failed, 6);
  CHECK(log.verdict() == window_verdict::fine);
  log.record(failed);
  CHECK(log.verdict() == window_verdict::failing);
}

TEST_CASE("a batch greater than the window fills it and no more [C16]", "[outcome_window]") {
  count_window_log log{{.size = 3, .minimum_calls = 3}};
  log.record(failed);
  log.record(slow, std::numeric_limits<std::uint32_t>::max());
  CHECK(log.counts() == outcome_counts{.calls = 3, .failed = 0, .slow = 3});
  CHECK(log.verdict() == window_verdict::slow);
}

TEST_CASE("failures come before slow calls [C19]", "[outcome_window]") {
  CHECK(judge({.calls = 2, .failed = 2, .slow = 2}, 2, 1.0, 1.0) == window_verdict::failing);
  CHECK(judge({.calls = 2, .failed = 1, .slow = 2}, 2, 1.0, 1.0) == window_verdict::slow);
  CHECK(judge({.calls = 2, .failed = 1, .slow = 1}, 2, 1.0, 1.0) == window_verdict::fine);
}

TEST_CASE("a time window forgets a bucket at a time, and after a long rest all of it [C17]",
          "[outcome_window]") {
  const auto start = instant{1h};
  time_window_log log{{.span = 10s, .buckets = 5, .minimum_calls = 1}};
  log.record(failed, start, 3);
  log.record(fine, start + 2s, 2);
  log.on_time(start + 10s - 1ns);
  CHECK(log.counts() == outcome_counts{.calls = 5, .failed = 3, .slow = 0});
  log.on_time(start + 10s);
  CHECK(log.counts() == outcome_counts{.calls = 2, .failed = 0, .slow = 0});
  log.record(fine, start + 100h);
  CHECK(log.counts() == outcome_counts{.calls = 1, .failed = 0, .slow = 0});
}

TEST_CASE("what a time window is told late goes into the bucket of its time, or nowhere [C17 C20]",
          "[outcome_window]") {
  const auto start = instant{1h};
  time_window_log log{{.span = 10s, .buckets = 5, .minimum_calls = 1}};
  log.on_time(start + 9s);
  log.record(fine, start + 1s);
  log.record(fine, start - 1s);
  CHECK(log.counts().calls == 1);
  log.on_time(start + 10s);
  CHECK(log.counts().calls == 0);
}

TEST_CASE("windows out of range are mistakes, each named with its path [P4]", "[outcome_window]") {
  CHECK(mistakes_of({.count_window = count_window{}, .time_window = time_window{}}).empty());
  CHECK(mistakes_of({.count_window = count_window{.size = 0, .minimum_calls = 1}})
        == "circuit_breaker.count_window.size is 0, permitted: 1 .. 100000");
  CHECK(mistakes_of({.count_window = count_window{.size = 10, .minimum_calls = 11}})
        == "circuit_breaker.count_window.minimum_calls is 11, permitted: 1 .. 10");
  CHECK(mistakes_of({.count_window = count_window{.failure_ratio = 0.0}})
        == "circuit_breaker.count_window.failure_ratio is 0, permitted: 0.001 .. 1");
  CHECK(mistakes_of({.time_window = time_window{.slow_ratio = 1.1}})
        == "circuit_breaker.time_window.slow_ratio is 1.1, permitted: 0.001 .. 1");
  CHECK(mistakes_of({.time_window = time_window{.span = 9ms}})
        == "circuit_breaker.time_window.span is 9ms, permitted: 10ms .. 1d");
  CHECK(mistakes_of({.time_window = time_window{.buckets = 0}})
        == "circuit_breaker.time_window.buckets is 0, permitted: 1 .. 1000");
  CHECK(mistakes_of({.time_window = time_window{.minimum_calls = 0}})
        == "circuit_breaker.time_window.minimum_calls is 0, permitted: 1 .. 1000000");
}

TEST_CASE("a policy without windows has no successes told [C20]", "[outcome_batch]") {
  CHECK_FALSE(batching_of(circuit_breaker_limits{}));
}

TEST_CASE("successes are told sooner where fewer calls decide, and by the bucket [C20]",
          "[outcome_batch]") {
  const auto how = [](const circuit_breaker_limits& policy) { return *batching_of(policy); };
  CHECK(how({.count_window = count_window{}}) == outcome_batching{.size = 25, .slot = 1s});
  CHECK(how({.count_window = count_window{.size = 5'000, .minimum_calls = 5'000}}).size == 64);
  CHECK(how({.time_window = time_window{}, .slow_call_duration = 2s})
        == outcome_batching{.size = 8, .slot = 1s, .slow_call_duration = 2s});
  CHECK(how({.time_window = time_window{.span = 60s, .buckets = 4}}).slot == 15s);
}

TEST_CASE("successes of an earlier generation are nobody's [C10 C20]", "[outcome_batch]") {
  success_counter counter;
  const outcome_batching how{.size = 3};
  const auto now = instant{1h};
  CHECK_FALSE(counter.add(how, 7, false, now));
  CHECK_FALSE(counter.add(how, 8, true, now)); // that of 7 is dropped
  CHECK_FALSE(counter.add(how, 7, false, now));
  CHECK(counter.take() == success_batch{.generation = 8, .calls = 1, .slow = 1, .at = now});
  CHECK_FALSE(counter.take());
  CHECK_FALSE(counter.add(how, 7, false, now)); // also after it was told
  CHECK_FALSE(counter.take());
}
