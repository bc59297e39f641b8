#pragma once

#include "soak/sample.hpp"

#include <string>
#include <vector>

namespace soak {

/// Draws the run: memory, descriptors and threads, latency, and calls a second over time.
void draw(const std::string& file, const std::vector<sample>& run);

} // namespace soak
