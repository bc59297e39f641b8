#pragma once

#include "bulwark/node.hpp"
#include "bulwark/sync_time_source.hpp"

#include <caf/error.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace bulwark::sync {

/// What an operator, or an observer outside, tells a breaker.
enum class circuit_command : std::uint8_t {
  record_success,
  record_failure,
  reset,
  force_open,
  disable,
  metrics_only,
};

/// Leave to make one attempt, which is owed an outcome.
struct admitted {
  permit held;
  instant began{}; ///< Where the policy asks for it.
};

/// The truth that a sync::circuit_breaker acts on: its own, or that of a node's part.
///
/// Thread safety: all members may be called from any thread. No code of the user's runs under a
/// lock: neither the function, nor the policy's predicate, nor the clock.
class circuit {
public:
  virtual ~circuit() = default;

  /// Throws circuit_breaker_error.
  [[nodiscard]] virtual admitted admit() = 0;
  virtual void succeeded(const admitted& leave) = 0;
  /// Whether `reason` counts is the policy's; where it doesn't, the attempt says nothing.
  virtual void failed(const admitted& leave, const caf::error& reason) = 0;

  virtual void tell(circuit_command command) = 0;
  [[nodiscard]] virtual circuit_state state() = 0;
  [[nodiscard]] virtual circuit_breaker_stats stats() = 0;
};

/// A circuit of its own. Throws policy_error.
std::unique_ptr<circuit> make_own_circuit(circuit_breaker_policy policy, time_source time);

/// The circuit of a node's part. Throws policy_error.
std::unique_ptr<circuit> make_part_circuit(node& home, const std::string& name,
                                           const circuit_breaker_policy& policy);

/// Enters the end of an attempt into the books. Says what the breaker is to be told: whether the
/// attempt failed, no value: it says nothing about the target.
std::optional<bool> settle(counters& books, const caf::error& reason, bool counts);

/// Whether a predicate says that `reason` counts. One that throws can't say: then it does.
[[nodiscard]] bool counts(const error_predicate& failure_on, const caf::error& reason) noexcept;

} // namespace bulwark::sync
