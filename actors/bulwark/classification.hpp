#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/envelope.hpp"
#include "bulwark/errc.hpp"
#include "bulwark/failure_report.hpp"
#include "bulwark/retry.hpp"

#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>
#include <caf/type_id.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// @file What an error means: whether to try again, and whether the target is to blame.
///
/// | error                                                             | retried | a failure |
/// | ----------------------------------------------------------------- | ------- | --------- |
/// | timed_out, target_lost, lost connections                          | yes     | yes       |
/// | marked transient by the target, or it says when to come back      | yes     | yes       |
/// | circuit_open, bulkhead_full, rate_limited, shutting_down          | no      | no        |
/// | owner_lost, cancelled                                             | no      | no        |
/// | unexpected_message, invalid_argument, marked client by the target | no      | no        |
/// | marked permanent by the target, or it says not to come back       | no      | yes       |
/// | everything else                                                   | no      | yes       |
///
/// A target marks its errors by putting an error_mark into their context:
///
///     return caf::make_error(my_error::overloaded, bulwark::error_mark::transient);
///
/// and says when to come back by a retry_after beside it or alone:
///
///     return caf::make_error(my_error::overloaded, bulwark::retry_after{2s});

namespace bulwark {

/// What a target says of its own error.
enum class error_mark : std::uint8_t {
  transient = 1, ///< It may work the next time.
  permanent = 2, ///< It will fail the next time too.
  client = 3,    ///< The caller's mistake: it will fail again, and the target is well.
};

std::string to_string(error_mark mark);
bool from_string(std::string_view name, error_mark& mark);
bool from_integer(std::uint8_t number, error_mark& mark);

/// In an error's context: when it makes sense to come again, by who made the error. Negative: never,
/// as gRPC's grpc-retry-pushback-ms has it. 0 says nothing.
struct retry_after {
  timespan delay{0};

  friend bool operator==(const retry_after&, const retry_after&) = default;
};

/// The mark in the error's context, if there is one.
[[nodiscard]] std::optional<error_mark> mark_of(const caf::error& reason);

/// When the error says to come back, by its retry_after or, where it is bulwark's own, by its
/// report. Greater than 0; nullopt: it doesn't say.
[[nodiscard]] std::optional<timespan> retry_after_of(const caf::error& reason);

/// Whether the error says that nobody shall try again: it has a negative retry_after.
[[nodiscard]] bool forbids_retry(const caf::error& reason);

/// Column "retried" of the table above.
[[nodiscard]] bool is_transient(const caf::error& reason);

/// Column "counts as failure" of the table above.
[[nodiscard]] bool counts_as_failure(const caf::error& reason);

/// A question about errors, as a policy's field: one of the ready ones, a list of codes, or a
/// function. All but a function can be compared and sent to other nodes.
class error_predicate {
public:
  enum class kind : std::uint8_t {
    transient = 0,
    counted = 1,
    always = 2,
    never = 3,
    codes = 4,
    function = 5
  };

  error_predicate(kind which) noexcept : kind_(which) {}

  /// Any function of the error. Called in the supervisor: short, and without waiting. Where it
  /// throws, the error counts as a failure and is not retried.
  template <class F>
  requires(
      std::is_invocable_r_v<bool, F, const caf::error&> && !std::is_base_of_v<error_predicate, F>)
      error_predicate(F f)
      : kind_(kind::function),
        function_(std::make_shared<const std::function<bool(const caf::error&)>>(std::move(f))) {}

  /// True for errors with one of these codes, whatever their context.
  static error_predicate of_codes(std::vector<caf::error> codes);

  [[nodiscard]] bool operator()(const caf::error& reason) const;

  friend bool operator==(const error_predicate& a, const error_predicate& b);

  template <class Inspector>
  friend bool inspect(Inspector& f, error_predicate& x) {
    if (x.kind_ == kind::function && !Inspector::is_loading && !f.has_human_readable_format()) {
      f.emplace_error(caf::sec::unsafe_type, "a function as an error predicate can't be sent");
      return false;
    }
    auto number = static_cast<std::uint8_t>(x.kind_);
    if (!f.object(x).fields(f.field("kind", number), f.field("codes", x.codes_)))
      return false;
    const auto unknown = [](const caf::error& code) { return code && !is_error_code(code); };
    if (Inspector::is_loading
        && (number >= static_cast<std::uint8_t>(kind::function)
            || std::any_of(x.codes_.begin(), x.codes_.end(), unknown))) {
      f.emplace_error(caf::sec::field_invariant_check_failed);
      return false;
    }
    x.kind_ = static_cast<kind>(number);
    return true;
  }

private:
  kind kind_;
  std::vector<caf::error> codes_;
  std::shared_ptr<const std::function<bool(const caf::error&)>> function_;
};

/// Timeouts, lost targets and connections, what targets mark as transient: see is_transient().
inline const error_predicate transient{error_predicate::kind::transient};
/// Everything that is the target's fault: see counts_as_failure().
inline const error_predicate counted{error_predicate::kind::counted};
/// Every error.
inline const error_predicate always{error_predicate::kind::always};
/// No error.
inline const error_predicate never{error_predicate::kind::never};

/// Errors with one of these codes: codes{errc::timed_out, caf::sec::runtime_error, my_error::busy}.
struct codes : error_predicate {
  template <class... Enums>
  requires(sizeof...(Enums) > 0) explicit codes(Enums... xs)
      : error_predicate(of_codes({caf::error{xs}...})) {}
};

/// A predicate that a policy's field begins with.
template <error_predicate::kind Default>
struct predicate_with_default : error_predicate {
  using error_predicate::error_predicate;
  predicate_with_default() : error_predicate(Default) {}
  predicate_with_default(error_predicate other) : error_predicate(std::move(other)) {}
};

/// How often, when, and after which errors to try again: see bulwark/retry.hpp.
using retry_policy = basic_retry_policy<predicate_with_default<error_predicate::kind::transient>>;

/// Another base delay after some errors: {.on = codes{my_error::busy}, .base_delay = 5s}.
using error_delay = basic_error_delay<predicate_with_default<error_predicate::kind::transient>>;

/// When a breaker opens, how it closes, and which errors count: see bulwark/circuit_breaker.hpp.
using circuit_breaker_policy =
    basic_circuit_breaker_policy<predicate_with_default<error_predicate::kind::counted>>;

/// An error of bulwark: its context is the report and, where there was one, the last error itself.
[[nodiscard]] caf::error make_failure(errc code, failure_report report, caf::error last = {});

/// The report in an error's context, if it is one of bulwark's.
[[nodiscard]] std::optional<failure_report> report_of(const caf::error& reason);

/// Whether a guard's error shows that no attempt was begun: refused, after none.
[[nodiscard]] bool shows_not_begun(const caf::error& reason);

/// The last attempt's error, whole, if `reason` carries it.
[[nodiscard]] caf::error last_error_of(const caf::error& reason);

/// How a report reads within an error's text.
std::string to_string(const failure_report& report);

} // namespace bulwark
