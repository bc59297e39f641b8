#pragma once

namespace bulwarkd {

/// From now on a TLS handshake that fails leaves one line in the log, with the other side's address
/// and the reason, which CAF keeps to itself. Once a process, before the first actor system.
void watch_handshakes();

} // namespace bulwarkd
