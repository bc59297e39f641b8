#pragma once

#include <caf/all.hpp>

#include <cstdint>

/// @file What is called. All answer `ask, x` with x + 1 where they are well.

namespace soak {

/// Is well; each 256th answer takes two milliseconds.
caf::behavior steady_target(caf::event_based_actor* self);

/// Fails now and then, each way there is, and for spells always.
caf::behavior moody_target(caf::event_based_actor* self, std::uint64_t seed);

/// Answers most of what it is asked; some late, some never.
caf::behavior hanging_target(caf::event_based_actor* self, std::uint64_t seed);

/// Answers twice, with another type, or what it was not asked.
caf::behavior lying_target(caf::event_based_actor* self, std::uint64_t seed);

/// Ends at one of its first hundred calls, or throws.
caf::behavior mortal_target(caf::event_based_actor* self, std::uint64_t seed);

} // namespace soak
