#include "support/catch.hpp"
#include "support/virtual_system.hpp"

#include "bulwark/random.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/deep_to_string.hpp>

#include <type_traits>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

using byte = caf::byte_buffer::value_type; // before CAF 0.19 not std::byte

// The only places that know how CAF makes bytes.
template <class T>
bool to_bytes(caf::actor_system& sys, const T& value, caf::byte_buffer& bytes,
              caf::error* why = nullptr) {
  caf::binary_serializer sink{sys, bytes};
  if (sink.apply(value))
    return true;
  if (why != nullptr)
    *why = sink.get_error();
  return false;
}

template <class T>
bool from_bytes(caf::actor_system& sys, const caf::byte_buffer& bytes, T& value) {
  caf::binary_deserializer source{sys, bytes};
  return source.apply(value);
}

// What comes back is what went out; cut off it is refused; changed at random it is refused, or a
// value that could have gone out.
template <class T>
void check(caf::actor_system& sys, const T& value) {
  INFO(caf::deep_to_string(value));
  caf::byte_buffer bytes;
  REQUIRE(to_bytes(sys, value, bytes));
  T copy{};
  REQUIRE(from_bytes(sys, bytes, copy));
  CHECK(caf::deep_to_string(copy) == caf::deep_to_string(value));
  caf::byte_buffer again;
  REQUIRE(to_bytes(sys, copy, again));
  CHECK(again == bytes);
  auto taken = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    T cut{};
    const caf::byte_buffer part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    taken += from_bytes(sys, part, cut) ? 1 : 0;
  }
  CHECK(taken == 0);
  random_stream random{bytes.size()};
  for (int round = 0; round < 300; ++round) {
    auto wrong = bytes;
    for (auto i = random.next() % 4 + 1; i > 0 && !wrong.empty(); --i)
      wrong[random.next() % wrong.size()] = static_cast<byte>(random.next());
    T hostile{};
    if (from_bytes(sys, wrong, hostile)) {
      caf::byte_buffer out;
      REQUIRE(to_bytes(sys, hostile, out));
      T back{};
      REQUIRE(from_bytes(sys, out, back));
    }
    // Nothing but noise.
    caf::byte_buffer noise(random.next() % 64);
    for (auto& each : noise)
      each = static_cast<byte>(random.next());
    T noisy{};
    static_cast<void>(from_bytes(sys, noise, noisy));
  }
}

latency_histogram some_latency(std::uint64_t seed) {
  latency_histogram result;
  random_stream random{seed};
  for (int i = 0; i < 500; ++i)
    result.record(timespan{static_cast<std::int64_t>(random.next() >> (random.next() % 60 + 2))});
  return result;
}

const counters some_counters{.calls = 21,
                             .succeeded = 1,
                             .failed = 2,
                             .rejected = 3,
                             .timed_out = 4,
                             .cancelled = 5,
                             .in_flight = 6};

guard_stats some_guard() {
  return {.name = "g",
          .calls = some_counters,
          .attempts = 1,
          .retries = 2,
          .late_replies = 3,
          .latency = some_latency(1)};
}

// Every number that is no enumerator is refused, every other one comes back.
template <class Enum>
void check_enum(caf::actor_system& sys, std::size_t expected) {
  std::size_t taken = 0;
  for (unsigned number = 0; number < 256; ++number) {
    const caf::byte_buffer bytes{static_cast<byte>(number)};
    Enum value{};
    if (!from_bytes(sys, bytes, value))
      continue;
    ++taken;
    CHECK(static_cast<unsigned>(value) == number);
    const auto name = to_string(value);
    Enum again{};
    CHECK(from_string(std::string_view{name}, again));
    CHECK(again == value);
  }
  CHECK(taken == expected);
  Enum value{};
  CHECK_FALSE(from_string(std::string_view{"no such name"}, value));
  CHECK_FALSE(from_string(std::string_view{}, value));
}

} // namespace

TEST_CASE("what users are told comes back from bytes as it was [E1] [E2]", "[protocol]") {
  virtual_system sys;
  check(*sys, failure_report{.guard = "g",
                             .part = "p",
                             .attempts = 3,
                             .elapsed = 5s,
                             .retry_after = 1ms,
                             .last_error = "x",
                             .code = errc::retries_exhausted});
  check(*sys, some_counters);
  check(*sys, latency_histogram{});
  check(*sys, some_latency(7));
  check(*sys, circuit_event{.name = "b",
                            .from = circuit_state::open,
                            .to = circuit_state::half_open,
                            .why = transition_cause::open_elapsed,
                            .when = 3s,
                            .generation = 9,
                            .failures = 2,
                            .successes = 1});
  check(*sys, rejection_event{.guard = "g", .part = "p", .why = errc::bulkhead_full, .when = 1s});
  check(*sys, some_guard());
  check(*sys, circuit_breaker_stats{.name = "b",
                                    .state = circuit_state::disabled,
                                    .generation = 5,
                                    .failures = 1,
                                    .successes = 2,
                                    .probes = 3,
                                    .transitions = 4,
                                    .calls = some_counters,
                                    .window = {.calls = 9, .failed = 8, .slow = 7},
                                    .trips = 6});
  check(*sys, bulkhead_stats{.name = "b", .max_workers = 1, .queue_size = 2, .calls = 9});
  check(*sys,
        timeout_manager_stats{
            .name = "t", .pending = 1, .wake_ups = 5, .calls = some_counters, .late_replies = 4});
  check(*sys, part_info{.name = "nobody", .kind = part_kind::bulkhead});
  check(*sys, std::vector<bulkhead_stats>(3));
  check(*sys, std::vector<part_info>(3));
  check(*sys, call_context{});
  check(*sys, call_context{.remaining = 3s, .more = {{"what", "comes later"}}});
}

TEST_CASE("policies come back from bytes as they were", "[protocol]") {
  virtual_system sys;
  check(*sys, circuit_breaker_policy{.failure_threshold = 7,
                                     .success_threshold = 8,
                                     .open_for = 9s,
                                     .half_open_calls = 10,
                                     .failure_on = always});
  check(*sys, circuit_breaker_policy{.failure_threshold = 0,
                                     .count_window = count_window{.size = 7, .minimum_calls = 6},
                                     .time_window = time_window{.span = 5s, .buckets = 4},
                                     .slow_call_duration = 3s,
                                     .open_growth = 2.0,
                                     .max_open_for = 70s,
                                     .open_jitter = 0.3,
                                     .open_on_retry_after = true,
                                     .max_half_open_for = 4s,
                                     .ramp_for = 6s,
                                     .ramp_from = 0.2,
                                     .initial_state = circuit_state::metrics_only});
  check(*sys, circuit_breaker_policy{.failure_on = codes{errc::timed_out, target_error::busy,
                                                         caf::sec::runtime_error}});
  check(*sys, retry_policy{.max_attempts = 7,
                           .base_delay = 1ms,
                           .exponential_base = 1.5,
                           .max_delay = 2s,
                           .jitter = jitter_kind::decorrelated,
                           .retry_on = never});
  check(*sys, bulkhead_policy{.max_workers = 1, .queue_size = 0, .queue_timeout = 5ms});
  check(*sys, bulkhead_policy{});
}

TEST_CASE("what bulwark's actors tell each other comes back from bytes as it was", "[protocol]") {
  virtual_system sys;
  check(*sys, attempt_id{3, 4});
  check(*sys, permit{5, 6});
  check(*sys, rejection{errc::circuit_open, 3s});
  check(*sys, probe_request{.attempt = {1, 2}, .hold_for = 3s});
  check(*sys, probe_decision{.attempt = {1, 2}, .granted = true, .given = {3, 4}});
  check(*sys, outcome_report{.held = {1, 2}, .failed = true});
  check(*sys, outcome_report{.held = {1, 2}});
  check(*sys, outcome_report{.held = {1, 2}, .failed = false, .slow = true, .retry_after = 3s});
  check(*sys, success_batch{.generation = 5, .calls = 4, .slow = 3, .at = instant{2h}});
  check(*sys, permit_request{.attempt = {1, 2}});
  check(*sys, permit_withdrawal{.attempt = {1, 2}});
  check(*sys, permit_return{.count = 7});
  check(*sys, permit_grant{.attempt = {1, 2}, .extra = 3, .keep = true});
  check(*sys, permit_refusal{.attempt = {1, 2}, .why = errc::shutting_down});
  check(*sys, lease_recall{.round = 5});
  check(*sys, lease_answer{.round = 5, .returned = 6});
  check(*sys, books_request{.round = 5});
  check(*sys, books_report{.round = 5, .calls = some_counters, .abandoned = 6});
  check(*sys, wake_request{.at = 3s});
  check(*sys, failed_reply{.reason = caf::make_error(target_error::busy, error_mark::transient)});
  check(*sys, retry_after{-1500us});
  check(*sys, stats_request{.round = 5});
  check(*sys, door_change{});
}

TEST_CASE("statistics of a node with a merged histogram come back from bytes as they were [Y8]",
          "[protocol]") {
  virtual_system sys;
  node_stats stats{.guards = {some_guard(), some_guard()},
                   .circuit_breakers = {circuit_breaker_stats{.name = "b"}},
                   .bulkheads = {bulkhead_stats{.name = "k"}},
                   .timeout_managers = {timeout_manager_stats{.name = "t"}},
                   .total = some_counters,
                   .latency = some_latency(3)};
  stats.latency += some_latency(4);
  stats.latency += some_latency(5);
  caf::byte_buffer bytes;
  REQUIRE(to_bytes(*sys, stats, bytes));
  node_stats copy;
  REQUIRE(from_bytes(*sys, bytes, copy));
  CHECK(copy.latency == stats.latency);
  CHECK(copy.total == stats.total);
  CHECK(copy.guards.at(1).latency == stats.guards.at(1).latency);
  for (auto q : {0.0, 0.5, 0.99, 1.0})
    CHECK(copy.latency.quantile(q) == stats.latency.quantile(q));
  CHECK(caf::deep_to_string(copy) == caf::deep_to_string(stats));
  stats.guards.resize(1);
  stats.latency = latency_histogram{};
  stats.guards[0].latency = latency_histogram{};
  check(*sys, stats);
}

TEST_CASE("statistics of several nodes come back from bytes as they were [D70]", "[protocol]") {
  virtual_system sys;
  check(*sys, cluster_policy{.interval = 3s});
  check(*sys, cluster_stats{.nodes = {cluster_node{.name = "n",
                                                   .address = "host:1",
                                                   .state = node_state::lost,
                                                   .age = 3s,
                                                   .stats = {.node = "n", .incarnation = 7},
                                                   .restarts = 1,
                                                   .earlier = some_counters}},
                            .total = some_counters,
                            .unresolved = 2});
  CHECK(to_string(node_state::awaited) == "awaited");
}

TEST_CASE("buckets that no histogram could have are refused", "[protocol]") {
  virtual_system sys;
  using buckets = std::map<std::uint32_t, std::uint64_t>;
  const auto refused = [&](const buckets& counts, timespan sum, timespan min, timespan max) {
    caf::byte_buffer bytes;
    REQUIRE(to_bytes(*sys, counts, bytes));
    REQUIRE(to_bytes(*sys, sum, bytes));
    REQUIRE(to_bytes(*sys, min, bytes));
    REQUIRE(to_bytes(*sys, max, bytes));
    latency_histogram out;
    return !from_bytes(*sys, bytes, out) && out == latency_histogram{};
  };
  CHECK_FALSE(refused({{5, 2}}, timespan{10}, timespan{5}, timespan{5}));
  CHECK(refused({{4'000'000'000U, 2}}, timespan{10}, timespan{5}, timespan{5}));
  CHECK(refused({{5, 0}}, timespan{10}, timespan{5}, timespan{5}));
  CHECK(refused({{5, 1}}, timespan{10}, timespan{-5}, timespan{5}));
  CHECK(refused({{5, 1}}, timespan{10}, timespan{6}, timespan{5}));
  CHECK(refused({}, timespan{10}, timespan{0}, timespan{0}));
}

TEST_CASE("enumerators out of range are refused", "[protocol]") {
  virtual_system sys;
  check_enum<errc>(*sys, 12);
  check_enum<error_mark>(*sys, 3);
  check_enum<part_kind>(*sys, 6);
  check_enum<circuit_state>(*sys, 6);
  check_enum<transition_cause>(*sys, 15);
  check_enum<jitter_kind>(*sys, 4);
}

TEST_CASE("an error keeps its report and its last error on the wire [E1] [E2] [E3]", "[protocol]") {
  virtual_system sys;
  const auto last = caf::make_error(target_error::busy, error_mark::transient);
  const auto reason =
      make_failure(errc::retries_exhausted, {.guard = "db", .attempts = 3, .elapsed = 2s}, last);
  check(*sys, reason);
  caf::byte_buffer bytes;
  REQUIRE(to_bytes(*sys, reason, bytes));
  caf::error copy;
  REQUIRE(from_bytes(*sys, bytes, copy));
  CHECK(copy == errc::retries_exhausted);
  REQUIRE(report_of(copy));
  CHECK(*report_of(copy) == *report_of(reason));
  CHECK(last_error_of(copy) == target_error::busy);
  CHECK(mark_of(last_error_of(copy)) == error_mark::transient);
  CHECK(to_string(copy) == to_string(reason));
}

TEST_CASE("functions can't be sent and say so", "[protocol]") {
  virtual_system sys;
  caf::byte_buffer bytes;
  caf::error why;
  circuit_breaker_policy breaker;
  breaker.failure_on = [](const caf::error&) { return true; };
  CHECK_FALSE(to_bytes(*sys, breaker, bytes, &why));
  CHECK(why == caf::sec::unsafe_type);
  CHECK(to_string(why).find("a function as an error predicate can't be sent") != std::string::npos);
  retry_policy retry;
  retry.retry_on = [](const caf::error&) { return true; };
  CHECK_FALSE(to_bytes(*sys, retry, bytes, &why));
  CHECK(why == caf::sec::unsafe_type);
  bytes.clear();
  CHECK_FALSE(to_bytes(*sys, caf::make_message(execute_atom_v, make_work([] {})), bytes, &why));
  CHECK(why == caf::sec::unsafe_type);
  // From outside, nobody can make us call one either.
  caf::byte_buffer codes_kind;
  circuit_breaker_policy by_codes;
  by_codes.failure_on = codes{errc::timed_out};
  REQUIRE(to_bytes(*sys, by_codes, codes_kind));
  auto seen = 0;
  for (auto& each : codes_kind) {
    const auto before = each;
    each = static_cast<byte>(error_predicate::kind::function);
    circuit_breaker_policy out;
    if (from_bytes(*sys, codes_kind, out))
      static_cast<void>(out.failure_on(caf::make_error(errc::timed_out))); // must not crash
    else
      ++seen;
    each = before;
  }
  CHECK(seen > 0);
}

TEST_CASE("whole messages of the protocol come back from bytes as they were", "[protocol]") {
  virtual_system sys;
  const auto inner = caf::make_message(ask_atom_v, std::int32_t{1});
  for (const auto& content :
       {caf::make_message(call_atom_v, caf::actor{}, inner),
        caf::make_message(run_atom_v, caf::actor{}, timespan{1s}, inner),
        caf::make_message(schedule_atom_v, timespan{1s}, inner),
        caf::make_message(cancel_atom_v, std::uint64_t{1}),
        caf::make_message(change_policy_atom_v, circuit_breaker_policy{}),
        caf::make_message(create_atom_v, std::string{"x"}, bulkhead_policy{}),
        caf::make_message(shutdown_atom_v, true), caf::make_message(subscribe_atom_v),
        caf::make_message(some_guard()), caf::make_message(std::vector<part_info>(2))})
    check(*sys, content);
}

TEST_CASE("what nodes and owners of shared parts tell each other is as small as docs/scale.md says",
          "[protocol]") {
  virtual_system sys;
  const auto bytes_of = [&sys](const auto& what) {
    caf::byte_buffer bytes;
    REQUIRE(to_bytes(*sys, what, bytes));
    return bytes.size();
  };
  CHECK(bytes_of(share_report{}) == 68);
  CHECK(bytes_of(share_grant{}) == 90);
  CHECK(bytes_of(circuit_report{}) == 33);
  CHECK(bytes_of(circuit_word{}) == 109);
}
