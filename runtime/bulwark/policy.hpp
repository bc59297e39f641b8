#pragma once

#include "bulwark/time.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark {

/// One field of a policy that is out of range.
struct policy_mistake {
  std::string field;     ///< With its path: "circuit_breaker.failure_threshold".
  std::string value;     ///< As given.
  std::string permitted; ///< "1 .. 1000000".

  friend bool operator==(const policy_mistake&, const policy_mistake&) = default;
};

/// What is wrong with a policy; empty: nothing. All mistakes at once, so that they can be mended at
/// once.
using policy_mistakes = std::vector<policy_mistake>;

/// "circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000; …"
std::string to_string(const policy_mistakes& mistakes);

/// The longest duration that a policy may name: a hundred years. Sums of two fit into an instant.
inline constexpr timespan longest_timespan = std::chrono::hours{24 * 365 * 100};

/// Adds a mistake unless low <= value <= high.
void check_range(policy_mistakes& mistakes, std::string_view field, std::uint64_t value,
                 std::uint64_t low, std::uint64_t high);
void check_range(policy_mistakes& mistakes, std::string_view field, timespan value, timespan low,
                 timespan high);
/// NaN is out of every range.
void check_range(policy_mistakes& mistakes, std::string_view field, double value, double low,
                 double high);

/// The place of a policy's error predicate where nothing classifies errors: in the cores.
struct no_predicate {
  friend bool operator==(no_predicate, no_predicate) = default;
};

} // namespace bulwark
