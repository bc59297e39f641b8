#pragma once

#include "soak/ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace soak {

/// What this process takes of the machine.
struct resources {
  std::size_t memory = 0; ///< Resident, in KiB.
  std::size_t heap = 0;   ///< In use of it, in KiB.
  std::size_t descriptors = 0;
  std::size_t threads = 0;
};

/// Gives memory that the heap has free back to the system first: else what is measured is the worst
/// moment that there ever was, and not what is held.
resources resources_now();

/// One interval of the run.
struct sample {
  double seconds = 0; ///< Since the beginning, at its end.
  resources used;
  double calls_per_second = 0;
  bulwark::timespan p50{0}; ///< Of the steady stream.
  bulwark::timespan p99{0};
};

/// A thing that must hold at the end, and whether it does.
struct finding {
  bool holds = false;
  std::string what; ///< With its figures.
};

/// Whether memory, descriptors and p99 stayed level. The first sixth of the run is warm-up; of what
/// is left the medians of the last quarter and the first are compared, so that a busy minute of the
/// machine decides nothing.
std::vector<finding> judge(const std::vector<sample>& run);

} // namespace soak
