#pragma once

#include <cstdint>

namespace bench {

/// How often the program has taken memory from the heap. The benchmarks' program counts in malloc
/// itself: CAF takes a message's memory from there, not from operator new.
std::uint64_t allocations_so_far() noexcept;

} // namespace bench
