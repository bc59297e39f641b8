#include "bulwark/errc.hpp"
#include "bulwark/failure_report.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include "support/catch.hpp"

#include <limits>
#include <set>
#include <string>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr auto first_code = 1;
constexpr auto last_code = 12;

errc code_of(int number) {
  return static_cast<errc>(number);
}

} // namespace

// -- codes ------------------------------------------------------------------------

TEST_CASE("the numbers of the codes are what the wire protocol says", "[errc]") {
  CHECK(errc::circuit_open == code_of(1));
  CHECK(errc::retries_exhausted == code_of(2));
  CHECK(errc::timed_out == code_of(3));
  CHECK(errc::bulkhead_full == code_of(4));
  CHECK(errc::rate_limited == code_of(5));
  CHECK(errc::cancelled == code_of(6));
  CHECK(errc::shutting_down == code_of(7));
  CHECK(errc::target_lost == code_of(8));
  CHECK(errc::invalid_policy == code_of(9));
  CHECK(errc::duplicate_name == code_of(10));
  CHECK(errc::unknown_name == code_of(11));
  CHECK(errc::owner_lost == code_of(12));
}

TEST_CASE("codes have the names of their enumerators", "[errc]") {
  CHECK(to_string(errc::circuit_open) == "circuit_open");
  CHECK(to_string(errc::retries_exhausted) == "retries_exhausted");
  CHECK(to_string(errc::timed_out) == "timed_out");
  CHECK(to_string(errc::bulkhead_full) == "bulkhead_full");
  CHECK(to_string(errc::rate_limited) == "rate_limited");
  CHECK(to_string(errc::cancelled) == "cancelled");
  CHECK(to_string(errc::shutting_down) == "shutting_down");
  CHECK(to_string(errc::target_lost) == "target_lost");
  CHECK(to_string(errc::invalid_policy) == "invalid_policy");
  CHECK(to_string(errc::duplicate_name) == "duplicate_name");
  CHECK(to_string(errc::unknown_name) == "unknown_name");
  CHECK(to_string(errc::owner_lost) == "owner_lost");
  CHECK(to_string(code_of(0)) == "errc(0)");
  CHECK(to_string(code_of(255)) == "errc(255)");
}

TEST_CASE("a code comes back from its number and from its name", "[errc]") {
  for (auto number = first_code; number <= last_code; ++number) {
    auto code = errc{};
    CHECK(from_integer(static_cast<std::uint8_t>(number), code));
    CHECK(code == code_of(number));
    code = errc{};
    CHECK(from_string(to_string(code_of(number)), code));
    CHECK(code == code_of(number));
  }
}

TEST_CASE("what is no code leaves the code as it was", "[errc]") {
  auto code = errc::timed_out;
  CHECK(!from_integer(0, code));
  for (auto number = last_code + 1; number <= 255; ++number)
    CHECK(!from_integer(static_cast<std::uint8_t>(number), code));
  for (auto name : {"", "timed", "timed_out ", "TIMED_OUT", "errc(3)", "circuit_state"})
    CHECK(!from_string(name, code));
  CHECK(code == errc::timed_out);
}

TEST_CASE("refused before it touched the target: exactly five codes", "[errc]") {
  auto rejections = std::set<errc>{};
  for (auto number = first_code; number <= last_code; ++number)
    if (is_rejection(code_of(number)))
      rejections.insert(code_of(number));
  CHECK(rejections
        == std::set<errc>{errc::circuit_open, errc::bulkhead_full, errc::rate_limited,
                          errc::shutting_down, errc::owner_lost});
}

// -- sentences --------------------------------------------------------------------

TEST_CASE("a report of nothing still makes a sentence of each code, all different",
          "[failure_report]") {
  CHECK(describe(errc::circuit_open, {}) == "circuit is open");
  CHECK(describe(errc::retries_exhausted, {}) == "gave up");
  CHECK(describe(errc::timed_out, {}) == "no answer in time");
  CHECK(describe(errc::bulkhead_full, {}) == "bulkhead is full");
  CHECK(describe(errc::rate_limited, {}) == "rate limit is reached");
  CHECK(describe(errc::cancelled, {}) == "cancelled by the caller");
  CHECK(describe(errc::shutting_down, {}) == "shutting down");
  CHECK(describe(errc::target_lost, {}) == "the target is gone");
  CHECK(describe(errc::invalid_policy, {}) == "policy refused");
  CHECK(describe(errc::duplicate_name, {}) == "the name is in use for something else");
  CHECK(describe(errc::unknown_name, {}) == "nothing has that name");
  CHECK(describe(errc::owner_lost, {}) == "the node that owns it can't be reached");
  CHECK(describe(code_of(99), {}) == "failed with code 99");
}

TEST_CASE("an operator reads where, what, how often, how long, and when to come again",
          "[failure_report]") {
  CHECK(describe(errc::circuit_open, {.guard = "db", .retry_after = 12s})
        == "guard 'db': circuit is open, next probe in 12s");
  CHECK(describe(
            errc::retries_exhausted,
            {.guard = "db", .attempts = 3, .elapsed = 7200ms, .last_error = "connection refused"})
        == "guard 'db': gave up after 3 attempts in 7.2s, last error: connection refused");
  CHECK(describe(errc::timed_out, {.guard = "db", .attempts = 1, .elapsed = 5s})
        == "guard 'db': no answer in time after 1 attempt in 5s");
  CHECK(describe(errc::bulkhead_full, {.part = "pool", .retry_after = 250ms})
        == "part 'pool': bulkhead is full, try again in 250ms");
  CHECK(describe(errc::target_lost, {.guard = "db", .part = "pool", .attempts = 2})
        == "guard 'db', part 'pool': the target is gone after 2 attempts");
  CHECK(describe(errc::cancelled, {.guard = "db", .elapsed = 90s})
        == "guard 'db': cancelled by the caller after 1m30s");
  CHECK(describe(errc::duplicate_name, {.part = "pool"})
        == "part 'pool': the name is in use for something else");
  CHECK(describe(errc::duplicate_name, {.part = "pool", .last_error = "with another policy"})
        == "part 'pool': the name is in use for something else: with another policy");
}

TEST_CASE("a refused policy tells its mistakes", "[failure_report]") {
  auto mistakes = policy_mistakes{{"retry.max_attempts", "0", "1 .. 1000000"}};
  CHECK(describe(errc::invalid_policy, {.part = "db", .last_error = to_string(mistakes)})
        == "part 'db': policy refused: retry.max_attempts is 0, permitted: 1 .. 1000000");
}

TEST_CASE("every field that is set is in the sentence, whatever the code", "[failure_report]") {
  auto report = failure_report{.guard = "the guard",
                               .part = "the part",
                               .attempts = 17,
                               .elapsed = 23s,
                               .retry_after = 31s,
                               .last_error = "the last error"};
  for (auto number = first_code; number <= last_code; ++number) {
    auto text = describe(code_of(number), report);
    CAPTURE(text);
    for (auto field : {"the guard", "the part", "17 attempts", "23s", "31s", "the last error"})
      CHECK(text.find(field) != std::string::npos);
  }
}

// -- policy mistakes --------------------------------------------------------------

TEST_CASE("no mistakes are no text, and several are told one after the other", "[policy]") {
  CHECK(to_string(policy_mistakes{}).empty());
  CHECK(to_string(policy_mistakes{{"a.b", "0", "1 .. 2"}, {"a.c", "9s", "1s .. 2s"}})
        == "a.b is 0, permitted: 1 .. 2; a.c is 9s, permitted: 1s .. 2s");
}

TEST_CASE("a range holds both of its ends and nothing beyond", "[policy]") {
  auto mistakes = policy_mistakes{};
  check_range(mistakes, "n", std::uint64_t{1}, 1, 3);
  check_range(mistakes, "n", std::uint64_t{3}, 1, 3);
  check_range(mistakes, "t", timespan{1ms}, 1ms, 3ms);
  check_range(mistakes, "t", timespan{3ms}, 1ms, 3ms);
  check_range(mistakes, "x", 1.0, 1.0, 3.0);
  check_range(mistakes, "x", 3.0, 1.0, 3.0);
  CHECK(mistakes.empty());
  check_range(mistakes, "n", std::uint64_t{0}, 1, 3);
  check_range(mistakes, "n", std::uint64_t{4}, 1, 3);
  check_range(mistakes, "t", timespan{1us}, 1ms, 3ms);
  check_range(mistakes, "t", timespan{4ms}, 1ms, 3ms);
  check_range(mistakes, "x", 0.5, 1.0, 3.0);
  check_range(mistakes, "x", 3.5, 1.0, 3.0);
  CHECK(mistakes
        == policy_mistakes{{"n", "0", "1 .. 3"},
                           {"n", "4", "1 .. 3"},
                           {"t", "1us", "1ms .. 3ms"},
                           {"t", "4ms", "1ms .. 3ms"},
                           {"x", "0.5", "1 .. 3"},
                           {"x", "3.5", "1 .. 3"}});
}

TEST_CASE("what is no number is in no range", "[policy]") {
  auto mistakes = policy_mistakes{};
  check_range(mistakes, "x", std::numeric_limits<double>::quiet_NaN(), 1.0, 3.0);
  CHECK(mistakes == policy_mistakes{{"x", "nan", "1 .. 3"}});
}

TEST_CASE("a duration a hair out of range doesn't read like the limit", "[policy]") {
  auto mistakes = policy_mistakes{};
  check_range(mistakes, "t", timespan{1s + 1ns}, 1ms, 1s);
  check_range(mistakes, "t", timespan{1ms - 1ns}, 1ms, 1s);
  check_range(mistakes, "t", timespan{1s}, 1s + 1ns, 2s);
  CHECK(mistakes
        == policy_mistakes{{"t", "1000000001ns", "1ms .. 1s"},
                           {"t", "999.999us", "1ms .. 1s"},
                           {"t", "1000000000ns", "1s .. 2s"}});
}

// -- time -------------------------------------------------------------------------

TEST_CASE("durations read as people write them", "[time]") {
  CHECK(to_text(0s) == "0s");
  CHECK(to_text(1ns) == "1ns");
  CHECK(to_text(999ns) == "999ns");
  CHECK(to_text(12us) == "12us");
  CHECK(to_text(1500ns) == "1.5us");
  CHECK(to_text(250ms) == "250ms");
  CHECK(to_text(1ms) == "1ms");
  CHECK(to_text(1s) == "1s");
  CHECK(to_text(1500ms) == "1.5s");
  CHECK(to_text(10s) == "10s");
  CHECK(to_text(1s + 20ms) == "1.02s");
  CHECK(to_text(1s + 3ms) == "1.003s");
  CHECK(to_text(60s) == "1m");
  CHECK(to_text(90s) == "1m30s");
  CHECK(to_text(90s + 500ms) == "1m30.5s");
  CHECK(to_text(60s + 5ms) == "1m0.005s");
  CHECK(to_text(60s + 999us) == "1m");
  CHECK(to_text(1h) == "1h");
  CHECK(to_text(1h + 1s) == "1h1s");
  CHECK(to_text(25h + 2min) == "1d1h2m");
  CHECK(to_text(longest_timespan) == "36500d");
}

TEST_CASE("durations are cut off after three decimals and never rounded up", "[time]") {
  CHECK(to_text(999'999ns) == "999.999us");
  CHECK(to_text(999'999'999ns) == "999.999ms");
  CHECK(to_text(1'999'999'999ns) == "1.999s");
  CHECK(to_text(1s + 1ns) == "1s");
  CHECK(to_text(60s - 1ns) == "59.999s");
}

TEST_CASE("negative durations have a sign, the least of all too", "[time]") {
  CHECK(to_text(-1500ms) == "-1.5s");
  CHECK(to_text(-1ns) == "-1ns");
  CHECK(to_text(timespan::max()) == "106751d23h47m16.854s");
  CHECK(to_text(timespan::min()) == "-106751d23h47m16.854s");
}

TEST_CASE("a sum beyond all time is the end of time", "[time]") {
  CHECK(saturating_add(instant{1s}, 2s) == instant{3s});
  CHECK(saturating_add(end_of_time, 0s) == end_of_time);
  CHECK(saturating_add(end_of_time, 1ns) == end_of_time);
  CHECK(saturating_add(end_of_time - 5s, 5s) == end_of_time);
  CHECK(saturating_add(end_of_time - 5s, 5s - 1ns) == end_of_time - 1ns);
  CHECK(saturating_add(end_of_time - 5s, longest_timespan) == end_of_time);
  // In a constant expression an overflow on the way would not compile.
  static_assert(saturating_add(instant::min(), timespan::max()) == instant{-1ns});
  static_assert(saturating_add(instant{-1ns}, timespan::max()) == end_of_time - 1ns);
}
