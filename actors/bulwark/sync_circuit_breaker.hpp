#pragma once

#include "bulwark/sync_circuit.hpp"
#include "bulwark/sync_exceptions.hpp"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace bulwark::sync {

/// A circuit breaker for plain calls: see bulwark/circuit_breaker.hpp for what it decides.
///
///     bulwark::sync::circuit_breaker breaker{{.failure_threshold = 3, .open_for = 10s}};
///     auto user = breaker.call(fetch_user, 42); // or circuit_breaker_error, at once
///
/// Thread safety: all members may be called from any thread; the function runs in the caller's, and
/// under no lock.
class circuit_breaker {
public:
  /// One that stands alone. Throws policy_error where the policy is out of range.
  explicit circuit_breaker(circuit_breaker_policy policy = {}, time_source time = {});

  /// The node's breaker of that name, made where there is none: guards that use it and this object
  /// open and close together. While it is closed a call costs no message; a failure, and the
  /// outcome of a probe, has reached the breaker when call() returns.
  /// Throws policy_error as node::circuit_breaker() does. Not from within an actor.
  circuit_breaker(node& home, const std::string& name, const circuit_breaker_policy& policy = {});

  circuit_breaker(const circuit_breaker&) = delete;
  circuit_breaker& operator=(const circuit_breaker&) = delete;

  /// Returns what `f(args…)` returns and throws what it throws. Throws circuit_breaker_error
  /// without calling it where the circuit is open (report().retry_after: until the next probe), and
  /// with errc::shutting_down where the node's part has ended.
  template <class F, class... Ts>
  std::invoke_result_t<F, Ts...> call(F&& f, Ts&&... args) {
    using result = std::invoke_result_t<F, Ts...>;
    const auto leave = circuit_->admit();
    try {
      if constexpr (std::is_void_v<result>) {
        std::invoke(std::forward<F>(f), std::forward<Ts>(args)...);
        circuit_->succeeded(leave);
      } else if constexpr (std::is_reference_v<result>) {
        auto&& value = std::invoke(std::forward<F>(f), std::forward<Ts>(args)...);
        circuit_->succeeded(leave);
        return static_cast<result>(value);
      } else {
        result value = std::invoke(std::forward<F>(f), std::forward<Ts>(args)...);
        circuit_->succeeded(leave);
        return value;
      }
    } catch (...) {
      circuit_->failed(leave, to_error(std::current_exception()));
      throw;
    }
  }

  /// What a call would meet now: an open circuit whose time is up is half_open.
  [[nodiscard]] circuit_state state() const { return circuit_->state(); }
  /// Open, also by an operator's hand.
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool is_closed() const { return state() == circuit_state::closed; }
  [[nodiscard]] bool is_half_open() const { return state() == circuit_state::half_open; }

  /// An outcome seen outside of call().
  void record_success() { circuit_->tell(circuit_command::record_success); }
  void record_failure() { circuit_->tell(circuit_command::record_failure); }

  /// By an operator's hand: see bulwark/circuit_breaker.hpp.
  void reset() { circuit_->tell(circuit_command::reset); }
  void force_open() { circuit_->tell(circuit_command::force_open); }
  void disable() { circuit_->tell(circuit_command::disable); }
  void metrics_only() { circuit_->tell(circuit_command::metrics_only); }

  /// Of a node's part: what all who use it have done.
  [[nodiscard]] circuit_breaker_stats stats() const { return circuit_->stats(); }

private:
  std::unique_ptr<circuit> circuit_;
};

} // namespace bulwark::sync
