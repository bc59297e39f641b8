#pragma once

#include "bulwark/protocol.hpp"
#include "bulwarkd/control.hpp"

#include <string>
#include <unordered_map>
#include <vector>

namespace bulwarkd {

/// A guard with its parts: what the registry counts, and what the settings say of it.
struct guard_row {
  const bulwark::guard_stats* guard = nullptr;
  const guard_summary* told = nullptr; ///< Null: the settings don't know it.
  const bulwark::circuit_breaker_stats* breaker = nullptr;
  const bulwark::bulkhead_stats* bulkhead = nullptr;
};

/// All guards of a node by name. Refers to both: they have to outlive it. A guard that the settings
/// don't know has the parts of its own name, where there are such.
[[nodiscard]] std::vector<guard_row> join(const bulwark::node_stats& stats,
                                          const std::vector<guard_summary>& told);

/// The API's GUARD, appended. A thousand of them are written each second for a dashboard: as text
/// they take a tenth of what they take as a tree. `recent`: the latencies of the last seconds, where
/// they are known, as "latency_recent".
void append_guard(std::string& to, const guard_row& row,
                  const bulwark::latency_histogram* recent = nullptr);

} // namespace bulwarkd
