#pragma once

#include "bulwark/protocol.hpp"
#include "bulwarkd/admin/guard_json.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bulwarkd {

/// What dashboards have been shown of the guards: only what has changed since is written again.
/// Versions are of all guards together, so that any number of readers, each at its own, share one
/// look at the node. A guard's "latency_recent" is of the last 5 to 10 s, or of the last two looks:
/// that of all calls since the start shows the less of a slow target, the longer the node has run.
/// Not thread-safe.
class sample_cache {
public:
  /// What was seen now; the version is one more than before.
  void update(const bulwark::node_stats& stats, const std::vector<guard_summary>& told,
              std::chrono::system_clock::time_point when);

  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  /// {"time","guards":[…]}: the guards that have changed after that version; all after version 0.
  /// With "gone":[names] where there are fewer.
  [[nodiscard]] std::shared_ptr<const std::string> changes_since(std::uint64_t version);

private:
  // What a guard's GUARD shows: calls by end, attempts, late replies, budget, hedges, fallbacks,
  // chaos; the circuit's state; permits. Latencies don't change without calls, but the recent ones end.
  using figures = std::array<std::uint64_t, 18>;

  struct entry {
    figures seen{};
    guard_summary told = {};
    std::string text = {};
    std::uint64_t changed = 0;                           // version
    std::uint64_t seen_in = 0;                           // the same
    bulwark::latency_histogram former = {}, latest = {}; // at the last two marks
    bool has_recent = false;                             // calls, in the text
  };

  std::map<std::string, entry> guards_;
  std::map<std::string, std::uint64_t> gone_; // name to version
  std::uint64_t version_ = 0;
  std::string time_;
  std::chrono::system_clock::time_point marked_;
  std::map<std::uint64_t, std::shared_ptr<const std::string>>
      written_; // of this version, by reader's

  void mark(const bulwark::node_stats& stats, std::chrono::system_clock::time_point when);
  static figures figures_of(const guard_row& row);
};

} // namespace bulwarkd
