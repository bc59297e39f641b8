#include "support/catch.hpp"
#include "support/types.hpp"
#include "support/virtual_system.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

// What an error means, and what an error of bulwark carries and says.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// Errors with a context need their types known, also where no test makes a system.
const bool types_are_known = (init_types(), true);

const auto all_codes = {errc::circuit_open,   errc::retries_exhausted, errc::timed_out,
                        errc::bulkhead_full,  errc::rate_limited,      errc::cancelled,
                        errc::shutting_down,  errc::target_lost,       errc::invalid_policy,
                        errc::duplicate_name, errc::unknown_name,      errc::owner_lost};

bool says(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("an error that says there is none is no failure and has no code [C13]",
          "[classification]") {
  const caf::error none;
  CHECK_FALSE(is_transient(none));
  CHECK_FALSE(error_predicate::of_codes({errc::timed_out})(none));
  CHECK_FALSE(counts_as_failure(none));
}

TEST_CASE("timeouts and lost targets and connections are transient and count [T6 C13]",
          "[classification]") {
  using caf::sec;
  const std::vector<caf::error> all{errc::timed_out,
                                    errc::target_lost,
                                    sec::request_timeout,
                                    sec::request_receiver_down,
                                    sec::no_route_to_receiving_node,
                                    sec::cannot_connect_to_node,
                                    sec::disconnect_during_handshake,
                                    sec::network_syscall_failed,
                                    sec::socket_disconnected,
                                    sec::socket_operation_failed,
                                    sec::unavailable_or_would_block,
                                    sec::connection_closed,
                                    sec::connection_timeout,
                                    caf::exit_reason::remote_link_unreachable};
  for (const auto& reason : all) {
    INFO(to_string(reason));
    CHECK(is_transient(reason));
    CHECK(counts_as_failure(reason));
  }
}

TEST_CASE("rejections and cancellations are neither transient nor failures [C13 C14]",
          "[classification]") {
  for (auto code : {errc::circuit_open, errc::bulkhead_full, errc::rate_limited,
                    errc::shutting_down, errc::cancelled, errc::owner_lost}) {
    INFO(to_string(code));
    CHECK_FALSE(is_transient(caf::make_error(code)));
    CHECK_FALSE(counts_as_failure(caf::make_error(code)));
  }
}

TEST_CASE("a client's mistake is neither transient nor a failure [T6 C13]", "[classification]") {
  for (const auto& reason :
       {caf::make_error(caf::sec::unexpected_message), caf::make_error(caf::sec::invalid_argument),
        caf::make_error(target_error::broken, error_mark::client)}) {
    CHECK_FALSE(is_transient(reason));
    CHECK_FALSE(counts_as_failure(reason));
  }
}

TEST_CASE("all other errors are failures and not retried [T6 C13]", "[classification]") {
  for (const auto& reason :
       {caf::make_error(target_error::broken), caf::make_error(caf::sec::runtime_error),
        caf::make_error(errc::retries_exhausted), caf::make_error(caf::exit_reason::kill)}) {
    CHECK_FALSE(is_transient(reason));
    CHECK(counts_as_failure(reason));
  }
}

TEST_CASE("what a target marks is believed before its code [T6]", "[classification]") {
  CHECK(is_transient(caf::make_error(target_error::broken, error_mark::transient)));
  CHECK_FALSE(is_transient(caf::make_error(errc::timed_out, error_mark::permanent)));
  CHECK(counts_as_failure(caf::make_error(errc::circuit_open, error_mark::permanent)));
  CHECK_FALSE(counts_as_failure(caf::make_error(errc::timed_out, error_mark::client)));
}

TEST_CASE("a mark is found wherever it is in the context [T6]", "[classification]") {
  CHECK(mark_of(caf::make_error(target_error::broken, 1, "two", error_mark::permanent))
        == error_mark::permanent);
  CHECK(mark_of(caf::make_error(target_error::broken, "no mark")) == std::nullopt);
  CHECK(mark_of(caf::error{}) == std::nullopt);
  CHECK(mark_of(caf::make_error(target_error::broken)) == std::nullopt);
}

TEST_CASE("an error says when to come back [T30]", "[classification]") {
  CHECK(retry_after_of(caf::make_error(caf::sec::runtime_error, retry_after{2s})) == 2s);
  CHECK(retry_after_of(caf::make_error(caf::sec::runtime_error, "busy", error_mark::transient,
                                       retry_after{3ms}))
        == 3ms);
  CHECK(retry_after_of(make_failure(errc::circuit_open, {.retry_after = 5s})) == 5s);
  for (const auto& silent :
       {caf::error{}, caf::make_error(caf::sec::runtime_error, "no hint"),
        make_failure(errc::circuit_open, {}),
        caf::make_error(caf::sec::runtime_error, retry_after{0s}),
        caf::make_error(caf::sec::runtime_error, retry_after{-1s}),
        caf::make_error(caf::sec::runtime_error, failure_report{.retry_after = 5s})}) {
    INFO(to_string(silent));
    CHECK(retry_after_of(silent) == std::nullopt);
  }
}

TEST_CASE("an error that says when to come back is transient unless it is marked otherwise [T30]",
          "[classification]") {
  CHECK(is_transient(caf::make_error(caf::sec::runtime_error, retry_after{1ns})));
  CHECK_FALSE(is_transient(caf::make_error(caf::sec::runtime_error, retry_after{0s})));
  CHECK_FALSE(is_transient(
      caf::make_error(caf::sec::runtime_error, error_mark::permanent, retry_after{1s})));
  CHECK(counts_as_failure(caf::make_error(caf::sec::runtime_error, retry_after{1s})));
}

TEST_CASE("a negative retry_after says that nobody shall come back [T30]", "[classification]") {
  const auto stop = caf::make_error(caf::sec::request_timeout, retry_after{-1ns});
  CHECK(forbids_retry(stop));
  CHECK_FALSE(is_transient(stop));
  // What was put there last, by a guard further out, counts.
  CHECK(forbids_retry(caf::make_error(caf::sec::runtime_error, retry_after{1s}, retry_after{-1s})));
  CHECK_FALSE(forbids_retry(caf::make_error(caf::sec::runtime_error, retry_after{1s})));
  CHECK_FALSE(forbids_retry(caf::make_error(caf::sec::request_timeout)));
  CHECK_FALSE(forbids_retry(caf::error{}));
}

TEST_CASE("a list of codes matches codes whatever their context [T5]", "[classification]") {
  const codes list{errc::timed_out, caf::sec::runtime_error, target_error::busy};
  CHECK(list(make_failure(errc::timed_out, {.guard = "db"})));
  CHECK(list(caf::make_error(caf::sec::runtime_error, "text")));
  CHECK(list(caf::make_error(target_error::busy)));
  CHECK_FALSE(list(caf::make_error(target_error::broken)));
  // The same number in another category is another error.
  CHECK_FALSE(list(caf::make_error(static_cast<caf::sec>(errc::timed_out))));
}

TEST_CASE("predicates are compared by what they say and functions by identity [T5 G12]",
          "[classification]") {
  CHECK(error_predicate{transient} == error_predicate{transient});
  CHECK_FALSE(error_predicate{transient} == error_predicate{never});
  CHECK(error_predicate{codes{errc::timed_out}} == error_predicate{codes{errc::timed_out}});
  CHECK_FALSE(error_predicate{codes{errc::timed_out}} == error_predicate{codes{errc::cancelled}});
  const error_predicate f{[](const caf::error&) { return true; }};
  const auto copy = f;
  CHECK(f == copy);
  CHECK_FALSE(f == error_predicate{[](const caf::error&) { return true; }});
}

TEST_CASE("a predicate travels to other nodes unless it is a function [T5]", "[classification]") {
  virtual_system sys;
  const auto send = [&](const error_predicate& from, error_predicate& to) {
    caf::byte_buffer buffer;
    caf::binary_serializer sink{*sys, buffer};
    if (!sink.apply(from))
      return false;
    caf::binary_deserializer source{*sys, buffer};
    return source.apply(to);
  };
  for (const auto& each : {transient, counted, always, never,
                           error_predicate{codes{errc::timed_out, target_error::busy}}}) {
    error_predicate arrived = never;
    REQUIRE(send(each, arrived));
    CHECK(arrived == each);
  }
  error_predicate arrived = never;
  CHECK_FALSE(send(error_predicate{[](const caf::error&) { return true; }}, arrived));
}

TEST_CASE("all errors are of one category [E1]", "[classification]") {
  for (auto code : all_codes) {
    const auto made = make_failure(code, {.guard = "db"});
    CHECK(made.category() == caf::type_id_v<errc>);
    CHECK(made == code);
    CHECK(made == caf::make_error(code));
  }
}

TEST_CASE("an error's context holds its report and its last error [E2]", "[classification]") {
  const failure_report report{
      .guard = "db", .part = "pool", .attempts = 3, .elapsed = 2s, .retry_after = 5s};
  const auto last = caf::make_error(target_error::broken, "why");
  const auto made = make_failure(errc::retries_exhausted, report, last);
  const auto found = report_of(made);
  REQUIRE(found);
  CHECK(found->code == errc::retries_exhausted);
  CHECK(found->guard == "db");
  CHECK(found->part == "pool");
  CHECK(found->attempts == 3);
  CHECK(found->elapsed == 2s);
  CHECK(found->retry_after == 5s);
  CHECK(found->last_error == to_string(last));
  CHECK(last_error_of(made) == last);
  CHECK(to_string(last_error_of(made)) == to_string(last));
}

TEST_CASE("a report is found in errors of bulwark only [E2]", "[classification]") {
  CHECK_FALSE(report_of(caf::error{}));
  CHECK_FALSE(report_of(caf::make_error(errc::timed_out)));
  CHECK_FALSE(report_of(caf::make_error(target_error::broken, failure_report{})));
  CHECK_FALSE(last_error_of(caf::make_error(errc::timed_out)));
  CHECK_FALSE(last_error_of(make_failure(errc::timed_out, {})));
}

TEST_CASE("an error survives the way to another node with report and last error [E2]",
          "[classification]") {
  virtual_system sys;
  const auto made = make_failure(errc::retries_exhausted, {.guard = "db", .attempts = 3},
                                 caf::make_error(target_error::broken, "why"));
  caf::byte_buffer buffer;
  caf::binary_serializer sink{*sys, buffer};
  REQUIRE(sink.apply(made));
  caf::error arrived;
  caf::binary_deserializer source{*sys, buffer};
  REQUIRE(source.apply(arrived));
  CHECK(arrived == errc::retries_exhausted);
  CHECK(report_of(arrived) == report_of(made));
  CHECK(last_error_of(arrived) == target_error::broken);
  CHECK(to_string(arrived) == to_string(made));
}

TEST_CASE("the text of an error is a sentence with all that the operator needs [E3]",
          "[classification]") {
  REQUIRE(types_are_known);
  const auto open = to_string(
      make_failure(errc::circuit_open, {.guard = "db", .part = "db_breaker", .retry_after = 12s}));
  CHECK(says(open, "guard 'db'"));
  CHECK(says(open, "part 'db_breaker'"));
  CHECK(says(open, "circuit is open, next probe in 12s"));
  const auto gave_up = to_string(make_failure(errc::retries_exhausted,
                                              {.guard = "db", .attempts = 3, .elapsed = 7200ms},
                                              caf::make_error(target_error::broken, "disk")));
  CHECK(says(gave_up, "gave up after 3 attempts in 7.2s"));
  CHECK(says(gave_up, "broken"));
  CHECK(says(gave_up, "disk"));
  for (auto code : all_codes)
    CHECK(says(to_string(make_failure(code, {.guard = "db"})), describe(code, {.guard = "db"})));
}

TEST_CASE("an exception says what the error says and keeps the report [S6 E3]",
          "[classification]") {
  const failure_report report{.guard = "db", .part = "p", .attempts = 1, .retry_after = 3s};
  const auto check = [&](const auto& thrown, errc code) {
    const resilience_error& error = thrown; // one base
    CHECK(error.code() == code);
    CHECK(error.report().code == code);
    CHECK(error.report().guard == "db");
    CHECK(std::string{error.what()} == describe(code, report));
    const std::exception& standard = thrown;
    CHECK(says(standard.what(), "guard 'db'"));
  };
  check(circuit_breaker_error{errc::circuit_open, report}, errc::circuit_open);
  check(timeout_error{errc::timed_out, report}, errc::timed_out);
  check(bulkhead_error{errc::bulkhead_full, report}, errc::bulkhead_full);
  check(bulkhead_error{errc::shutting_down, report}, errc::shutting_down);
  check(policy_error{errc::invalid_policy, report}, errc::invalid_policy);
  check(retry_error{report, nullptr}, errc::retries_exhausted);
}

TEST_CASE("a retry_error keeps what the last attempt threw [S6]", "[classification]") {
  const retry_error error{{.attempts = 2, .last_error = "disk"},
                          std::make_exception_ptr(std::out_of_range{"disk"})};
  CHECK_THROWS_AS(std::rethrow_exception(error.last_exception()), std::out_of_range);
  CHECK(says(error.what(), "disk"));
}

TEST_CASE("an exception of bulwark is caught as what it is [S6]", "[classification]") {
  CHECK_THROWS_AS((throw circuit_breaker_error{errc::circuit_open, {}}), resilience_error);
  CHECK_THROWS_AS((throw timeout_error{errc::timed_out, {}}), std::runtime_error);
}
