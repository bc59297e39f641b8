#pragma once

#include <caf/all.hpp>

#include <sys/types.h>

#include <cstdint>

namespace soak {

/// The other process: a node that owns a bulkhead and a circuit breaker shared with us, and has a
/// guard "db". Says its port, and lives until its input ends.
int run_peer(caf::actor_system& system, std::uint16_t port);

/// This program again, as the other process. It ends with this object, or with us, whatever ends us.
class peer_process {
public:
  /// On any free port of loopback. Throws std::runtime_error where it doesn't start.
  peer_process() { start(); }
  peer_process(const peer_process&) = delete;
  peer_process& operator=(const peer_process&) = delete;
  ~peer_process() { kill(); }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// SIGKILL, and waits until it is gone.
  void kill();

  /// Starts it again, at the same port.
  void restart() {
    kill();
    start();
  }

private:
  pid_t id_ = 0;
  int input_ = -1;
  std::uint16_t port_ = 0;

  void start();
};

} // namespace soak
