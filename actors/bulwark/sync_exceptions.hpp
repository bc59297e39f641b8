#pragma once

#include "bulwark/classification.hpp"
#include "bulwark/exceptions.hpp"

#include <caf/error.hpp>

#include <exception>
#include <functional>
#include <string>
#include <utility>

/// @file What an exception means to policies, whose predicates ask about errors.
///
/// | exception                                                     | error                            |
/// | ------------------------------------------------------------- | -------------------------------- |
/// | error_carrier, carried_error                                  | the one it carries               |
/// | resilience_error: circuit_breaker_error, timeout_error, …     | its errc, with its report        |
/// | std::system_error: timed_out                                  | sec::request_timeout             |
/// | …: connection refused, reset, aborted, broken; not connected  | sec::connection_closed, …        |
/// | …: host or network unreachable, down or reset                 | sec::network_syscall_failed      |
/// | …: would block, try again                                     | sec::unavailable_or_would_block  |
/// | std::invalid_argument, std::domain_error, std::out_of_range   | sec::invalid_argument            |
/// | any other                                                     | sec::runtime_error               |
///
/// So with the policies' defaults a lost connection and a timeout are retried and count as
/// failures, a caller's mistake is neither, and everything else counts and is not retried: the
/// columns of classification.hpp.

namespace bulwark::sync {

/// For exceptions that know better what they are: derive from it beside std::exception.
///
///     struct overloaded : std::runtime_error, bulwark::sync::error_carrier { … };
class error_carrier {
public:
  explicit error_carrier(caf::error carried) : carried_(std::move(carried)) {}
  virtual ~error_carrier() = default;

  [[nodiscard]] const caf::error& carried() const noexcept { return carried_; }

protected:
  error_carrier(const error_carrier&) = default;
  error_carrier& operator=(const error_carrier&) = default;

private:
  caf::error carried_;
};

/// A caf::error as an exception, ready to throw.
class carried_error : public std::runtime_error, public error_carrier {
public:
  explicit carried_error(caf::error reason);
};

/// By the table above. Requires: `thrown` is not null.
[[nodiscard]] caf::error to_error(const std::exception_ptr& thrown);

/// The text of the exception: what(), or "unknown exception".
[[nodiscard]] std::string to_text(const std::exception_ptr& thrown);

/// A question about exceptions, where their types say more than errors do.
using exception_predicate = std::function<bool(const std::exception_ptr&)>;

/// True for exceptions of these types, and for those derived from them.
///
///     sync::retry retry{policy, {.retry_on = sync::exceptions<std::ios_base::failure>()}};
template <class... Exceptions>
[[nodiscard]] exception_predicate exceptions() {
  return [](const std::exception_ptr& thrown) {
    const auto is_a = [&thrown]<class E>(E*) {
      try {
        std::rethrow_exception(thrown);
      } catch (const E&) {
        return true;
      } catch (...) {
        return false;
      }
    };
    return (is_a(static_cast<Exceptions*>(nullptr)) || ...);
  };
}

} // namespace bulwark::sync
