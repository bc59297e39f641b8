#pragma once

#include <cstddef>
#include <cstdint>

namespace bulwark {

/// How much is lost when a call isn't served. When a bulkhead's queue is full the least important
/// is refused first, and served last. The names are those of the SRE book ("Handling Overload"),
/// whose `default` is a word of C++: here it is `normal`. The order is that of importance, the
/// numbers are part of the wire protocol.
enum class criticality : std::uint8_t {
  critical = 0,  ///< Somebody sees it fail.
  normal = 1,    ///< What nobody has said anything about.
  sheddable = 2, ///< Made again by itself, or missed by nobody: batch work, prefetching.
};

/// How many there are.
inline constexpr std::size_t criticality_count = 3;

/// The longest name of a tenant, in bytes: it travels with each call, and may come from a stranger.
inline constexpr std::size_t longest_tenant = 64;

} // namespace bulwark
