#pragma once

#include "bulwark/time.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <string>

namespace bulwark {

/// How long a host may take to accept a connection. What a peer needs that is used again within 2 s.
inline constexpr timespan longest_knock = std::chrono::seconds{1};

/// Whether somebody accepts connections there. Blocks for `longest` at most, but for the time that
/// looking up the host's name takes. sec::connection_timeout: no answer came at all;
/// sec::cannot_connect_to_node: one that says no.
[[nodiscard]] caf::error knock(const std::string& host, std::uint16_t port, timespan longest);

/// Answers `connect, host, port` as CAF's middleman does, and asks it, but knocks first, in a thread
/// of its own.
///
/// Why: the middleman makes one connection after the other, and waits for each as long as the
/// system's TCP does: minutes for a host that swallows packets, all other peers meanwhile. And
/// since TCP asks again after 1, 3, 7, 15 s …, a host that is back is not noticed for seconds.
caf::behavior dialler_actor(caf::event_based_actor* self, const caf::actor& middleman);

} // namespace bulwark
