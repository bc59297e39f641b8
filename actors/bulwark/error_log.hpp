#pragma once

#include "bulwark/protocol.hpp"
#include "bulwark/time.hpp"

#include <caf/error.hpp>

#include <cstdint>
#include <vector>

namespace bulwark {

/// Which errors a guard's attempts ended with, for those who ask why a circuit is open.
///
/// Bounded: of more than `most` kinds the one is forgotten that hasn't been seen for longest. What
/// an error says is kept once a second, for they come in floods.
class error_log {
public:
  static constexpr std::size_t most = 8;

  /// Where memory for it is refused it is as if it had not been.
  void note(const caf::error& reason, instant now) noexcept;

  /// The latest first.
  [[nodiscard]] std::vector<error_count> counts(instant now) const;

private:
  struct entry {
    caf::error reason;
    instant written{};
    instant last{};
    std::uint64_t count = 0;
  };

  std::vector<entry> entries_;
};

} // namespace bulwark
