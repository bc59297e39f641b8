#pragma once

#include "http/http_target.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <string>

namespace apps {

/// What to ask, and how hard.
struct load_plan {
  std::function<std::string(std::uint64_t)> path; ///< Of the n-th request, from 1.
  std::uint64_t requests = 1;
  std::uint32_t concurrency = 1; ///< Requests without an answer at any time.
};

/// What came back, as the caller sees it.
struct load_report {
  std::uint64_t calls = 0;
  std::uint64_t answered = 0; ///< By the server, with whatever status that is an answer.
  std::map<std::string, std::uint64_t> outcomes; ///< "HTTP 200", "circuit_open", …
  bulwark::latency_histogram latency;            ///< Of those that were not refused.
  bulwark::timespan elapsed{0};

  /// Of one kind; 0 where there was none.
  [[nodiscard]] std::uint64_t count(const std::string& outcome) const;
};

/// The name under which an error is counted: its code, and for retries_exhausted that of the last
/// error, where it is known: "retries_exhausted (unavailable)".
std::string outcome_of(const caf::error& reason);

/// Loads `guard`. The future is ready when every request has its answer.
std::future<load_report> start_load(caf::actor_system& system, const http_actor& guard,
                                    load_plan plan);

} // namespace apps
