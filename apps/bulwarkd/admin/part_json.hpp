#pragma once

#include "bulwark/protocol.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace bulwarkd {

/// All parts of a node, by kind, then by name.
[[nodiscard]] nlohmann::json parts_of(const bulwark::node_stats& stats);

/// The nodes that this one is connected to, itself first, and their total.
[[nodiscard]] nlohmann::json nodes_of(const bulwark::cluster_stats& stats);

/// An error that a breaker's attempts had lately.
struct recent_error {
  std::string error = {};
  std::uint64_t count = 0;
  std::string last = {}; ///< When, RFC 3339.
  std::string last_text = {};
  std::string node = {};
  std::string guard = {};
};

/// Why a breaker is in its state, beside what it counts.
struct breaker_history {
  std::optional<std::string> since = {};      ///< RFC 3339
  std::optional<std::string> next_probe = {}; ///< The same.
  std::optional<double> next_probe_in = {};   ///< Seconds.
  std::optional<std::string> cause = {};      ///< A transition_cause's name.
  std::optional<std::uint32_t> failure_threshold = {};
  std::vector<recent_error> errors = {};
};

/// The answer to "why is it open?": figures, and a sentence of them.
[[nodiscard]] nlohmann::json why_of(const bulwark::circuit_breaker_stats& breaker,
                                    const breaker_history& history);

} // namespace bulwarkd
