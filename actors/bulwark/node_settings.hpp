#pragma once

#include "bulwark/classification.hpp"
#include "bulwark/guard.hpp"
#include "bulwark/lease.hpp"

#include <caf/settings.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// @file What settings say of guards and their parts, as plain data. A program's own are read by
/// node::load(); bulwarkd's have these, and some more.

namespace bulwark {

/// A part of a guard: none, a named one, or one of the guard's own.
template <class Policy>
using part_choice = std::variant<std::monostate, std::string, Policy>;

/// How a bulkhead is shared with other nodes.
struct bulkhead_sharing {
  timespan lease_time = default_lease_time;

  friend bool operator==(const bulkhead_sharing&, const bulkhead_sharing&) = default;
};

struct bulkhead_settings {
  bulkhead_policy policy;
  std::optional<bulkhead_sharing> shared; ///< Guards of other nodes use it too.
};

struct circuit_breaker_settings {
  circuit_breaker_policy policy;
  std::optional<sharing_policy> shared;
};

/// Parts that have names: for all guards that name them.
struct part_settings {
  std::map<std::string, circuit_breaker_settings> circuit_breakers;
  std::map<std::string, bulkhead_settings> bulkheads;
};

/// What can be said of a guard: all of its policy but functions, error codes and fallbacks.
struct guard_settings {
  std::optional<timespan> deadline;
  std::optional<timespan> attempt_timeout;
  std::optional<retry_policy> retry;
  std::optional<rate_limit_policy> rate_limit;
  std::optional<reply_sharing_limits> reply_sharing;
  std::optional<chaos_policy> chaos;
  std::optional<hedge_policy> hedge;
  part_choice<circuit_breaker_policy> circuit_breaker;
  part_choice<bulkhead_policy> bulkhead;
  cancel_signal cancel = cancel_signal::automatic;
  bool shows_permit = false; ///< Only with a bulkhead that nodes share.
  bool shows_context = false;
  bool watches_callers = false;

  friend bool operator==(const guard_settings&, const guard_settings&) = default;
};

/// A guard whose targets are the program's: one, several, or such as it makes itself.
struct program_guard_settings : guard_settings {
  replica_policy replicas;
  restart_policy restart;

  friend bool operator==(const program_guard_settings&, const program_guard_settings&) = default;
};

/// The group `bulwark` of a program's settings.
struct node_settings : part_settings {
  std::map<std::string, program_guard_settings> guards;
};

/// Sentences for an operator, each with key, value and what is permitted.
using setting_mistakes = std::vector<std::string>;

/// What came of reading settings, beside what was read.
struct setting_notes {
  setting_mistakes wrong = {}; ///< Not empty: nothing of what was read is to be used.
  std::map<std::string, std::string> written = {}; ///< By a key's path, as it was written.
};

/// Reads the group `bulwark` of the settings, and checks it as a whole.
[[nodiscard]] std::pair<node_settings, setting_mistakes>
read_node_settings(const caf::settings& settings);

/// The policy that a guard's settings come to; parts that have names are empty in it.
[[nodiscard]] guard_policy own_policy(const guard_settings& guard);
[[nodiscard]] guard_policy own_policy(const program_guard_settings& guard);

} // namespace bulwark
