#pragma once

#include "bulwark/errc.hpp"
#include "bulwark/failure_report.hpp"

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulwark {

/// What bulwark throws outside of actors; what() is a sentence for an operator.
class resilience_error : public std::runtime_error {
public:
  resilience_error(errc code, failure_report report)
      : std::runtime_error(describe(code, report)), code_(code), report_(std::move(report)) {
    report_.code = code;
  }

  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] const failure_report& report() const noexcept { return report_; }

private:
  errc code_;
  failure_report report_;
};

/// errc::circuit_open.
class circuit_breaker_error : public resilience_error {
  using resilience_error::resilience_error;
};

/// errc::retries_exhausted.
class retry_error : public resilience_error {
public:
  retry_error(failure_report report, std::exception_ptr last)
      : resilience_error(errc::retries_exhausted, std::move(report)), last_(std::move(last)) {}

  /// What the last attempt threw.
  [[nodiscard]] const std::exception_ptr& last_exception() const noexcept { return last_; }

private:
  std::exception_ptr last_;
};

/// errc::timed_out.
class timeout_error : public resilience_error {
  using resilience_error::resilience_error;
};

/// errc::bulkhead_full, and errc::shutting_down of a bulkhead.
class bulkhead_error : public resilience_error {
  using resilience_error::resilience_error;
};

/// A policy out of range (errc::invalid_policy), a name that is in use (errc::duplicate_name), or one
/// that nothing has (errc::unknown_name).
class policy_error : public resilience_error {
  using resilience_error::resilience_error;
};

/// Settings that can't be used (errc::invalid_policy): nothing of them is in force.
class settings_error : public policy_error {
public:
  explicit settings_error(std::vector<std::string> mistakes)
      : policy_error(errc::invalid_policy, {.last_error = joined(mistakes)}),
        mistakes_(std::move(mistakes)) {}

  /// All there are, a sentence each: key, value, what is permitted.
  [[nodiscard]] const std::vector<std::string>& mistakes() const noexcept { return mistakes_; }

private:
  std::vector<std::string> mistakes_;

  static std::string joined(const std::vector<std::string>& mistakes) {
    std::string result;
    for (const auto& each : mistakes)
      result += (result.empty() ? "" : "; ") + each;
    return result;
  }
};

} // namespace bulwark
