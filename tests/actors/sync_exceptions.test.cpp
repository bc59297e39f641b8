#include "bulwark/sync.hpp"

#include "support/catch.hpp"
#include "support/types.hpp"
#include "support/virtual_system.hpp"

#include <ios>
#include <stdexcept>
#include <system_error>

using namespace bulwark;
using namespace bulwark_tests;

namespace {

template <class E>
caf::error error_of(E thrown) {
  init_types();
  return sync::to_error(std::make_exception_ptr(std::move(thrown)));
}

caf::error error_of_system(std::errc code) {
  return error_of(std::system_error{std::make_error_code(code), "recv"});
}

struct overloaded : std::runtime_error, sync::error_carrier {
  overloaded()
      : std::runtime_error("overloaded"),
        error_carrier(caf::make_error(target_error::busy, error_mark::transient)) {}
};

bool is_resilience_error(const std::exception_ptr& thrown, errc code) {
  try {
    std::rethrow_exception(thrown);
  } catch (const resilience_error& error) {
    return error.code() == code && std::string{error.what()} == describe(code, error.report());
  } catch (...) {
    return false;
  }
}

} // namespace

TEST_CASE("every exception of bulwark has one base that tells code and report [S6]",
          "[sync][exceptions]") {
  CHECK(is_resilience_error(
      std::make_exception_ptr(circuit_breaker_error{errc::circuit_open, {.part = "db"}}),
      errc::circuit_open));
  CHECK(is_resilience_error(std::make_exception_ptr(retry_error{{.attempts = 3}, nullptr}),
                            errc::retries_exhausted));
  CHECK(is_resilience_error(std::make_exception_ptr(timeout_error{errc::timed_out, {}}),
                            errc::timed_out));
  CHECK(is_resilience_error(std::make_exception_ptr(bulkhead_error{errc::bulkhead_full, {}}),
                            errc::bulkhead_full));
  CHECK(is_resilience_error(std::make_exception_ptr(policy_error{errc::invalid_policy, {}}),
                            errc::invalid_policy));
}

TEST_CASE("an exception of bulwark is the error of its code with its report [S6]",
          "[sync][exceptions]") {
  const auto error = error_of(circuit_breaker_error{errc::circuit_open, {.part = "db"}});
  CHECK(error == errc::circuit_open);
  REQUIRE(report_of(error).has_value());
  CHECK(report_of(error)->part == "db");
  CHECK_FALSE(counts_as_failure(error));
  CHECK(is_transient(error_of(timeout_error{errc::timed_out, {}})));
}

TEST_CASE("a lost connection as an exception is transient and counts [S6][T6]",
          "[sync][exceptions]") {
  const auto code = GENERATE(
      values({std::errc::timed_out, std::errc::connection_refused, std::errc::connection_reset,
              std::errc::connection_aborted, std::errc::not_connected, std::errc::broken_pipe,
              std::errc::host_unreachable, std::errc::network_unreachable, std::errc::network_down,
              std::errc::network_reset, std::errc::resource_unavailable_try_again}));
  const auto error = error_of_system(code);
  CHECK(is_transient(error));
  CHECK(counts_as_failure(error));
}

TEST_CASE("another system error counts and is not transient [S6][T6]", "[sync][exceptions]") {
  const auto error = error_of_system(std::errc::no_space_on_device);
  CHECK(error == caf::sec::runtime_error);
  CHECK_FALSE(is_transient(error));
  CHECK(counts_as_failure(error));
}

TEST_CASE("a mistake of the caller's as an exception is neither transient nor counts [S6][C13]",
          "[sync][exceptions]") {
  for (const auto& error : {error_of(std::invalid_argument{"x"}), error_of(std::domain_error{"x"}),
                            error_of(std::out_of_range{"x"})}) {
    CHECK(error == caf::sec::invalid_argument);
    CHECK_FALSE(is_transient(error));
    CHECK_FALSE(counts_as_failure(error));
  }
}

TEST_CASE("an exception that carries an error is that error [S6]", "[sync][exceptions]") {
  CHECK(error_of(overloaded{}) == target_error::busy);
  CHECK(is_transient(error_of(overloaded{})));
  CHECK(error_of(sync::carried_error{caf::make_error(target_error::broken)})
        == target_error::broken);
}

TEST_CASE("any other exception is a runtime error with its text [S6]", "[sync][exceptions]") {
  const auto error = error_of(std::logic_error{"out of ink"});
  CHECK(error == caf::sec::runtime_error);
  CHECK(to_string(error).find("out of ink") != std::string::npos);
  CHECK(error_of(42) == caf::sec::runtime_error);
  CHECK(sync::to_text(std::make_exception_ptr(42)) == "unknown exception");
}

TEST_CASE("a list of exception types takes those and what derives from them [S6]",
          "[sync][exceptions]") {
  const auto either = sync::exceptions<std::ios_base::failure, std::logic_error>();
  CHECK(either(std::make_exception_ptr(std::ios_base::failure{"disk"})));
  CHECK(either(std::make_exception_ptr(std::out_of_range{"derived"})));
  CHECK_FALSE(either(std::make_exception_ptr(std::bad_alloc{})));
  CHECK_FALSE(either(std::make_exception_ptr(42)));
}
