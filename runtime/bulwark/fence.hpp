#pragma once

#include "bulwark/lease.hpp"

#include <algorithm>
#include <cstdint>

namespace bulwark {

/// For a target that must not be touched on a permit that has been taken back: whoever comes with a
/// token that is older than what the owner was sure of when it last heard of it is refused. Between
/// the taking back and the first call on a newer permit it can't know better.
///
/// Source: Kleppmann, "How to do distributed locking", 2016: fencing tokens, here for limits above
/// one: the owner says with each permit which are the oldest still good.
class fence {
public:
  /// Whether to do what has come with this token.
  [[nodiscard]] bool admit(const permit_token& token) noexcept {
    lowest_ = std::max(lowest_, token.fence);
    return token.number >= lowest_;
  }

private:
  std::uint64_t lowest_ = 0;
};

} // namespace bulwark
