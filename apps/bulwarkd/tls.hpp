#pragma once

#include "bulwarkd/configuration.hpp"

#include <caf/all.hpp>

/// @file TLS, as caf-openssl has it: one certificate for the port and for all peers, and whoever
/// shows none that the CA has signed is refused.

namespace bulwarkd {

/// Whether the CAF that this program is built with has caf-openssl.
[[nodiscard]] bool tls_is_built_in();

/// Reads the files as CAF will with each connection, and says what is wrong with them: unreadable,
/// no certificate, expired, a key that belongs to another. Without this CAF would end the process
/// when the first peer comes.
[[nodiscard]] mistakes find_tls_mistakes(const tls_settings& tls);

/// Has the actor system that is made of `config` know TLS, with the files as they are now. Requires:
/// find_tls_mistakes(tls) is empty. Throws where there is no memory for a copy of them.
void load_tls(caf::actor_system_config& config, const tls_settings& tls);

/// What opens ports and dials with TLS: see bulwark/distributed.hpp.
[[nodiscard]] caf::actor tls_transport(caf::actor_system& system);

} // namespace bulwarkd
