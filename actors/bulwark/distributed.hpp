#pragma once

#include "bulwark/guard.hpp"
#include "bulwark/node.hpp"
#include "bulwark/peer_line.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

/// @file Nodes that call each other's guards. Needs CAF's middleman: `CAF_MAIN(…,
/// caf::io::middleman)`, or `load<caf::io::middleman>()` in the configuration. Programs that stay
/// alone need not include this.
///
/// CAF's protocol knows no authentication: whoever reaches the port can call every guard. Loopback,
/// a private network, or TLS: that of caf-openssl, whose actor is handed in as the transport:
///
///     const auto tls = caf::actor_cast<caf::actor>(sys.openssl_manager().actor_handle());
///     bulwark::publish(node, 4711, "0.0.0.0", tls);
///     auto peer = bulwark::connect(node, "node2.example.org", 4711, {.transport = tls});

namespace bulwark {

/// Opens the node's front door on a port, until the node ends. Returns the port: 0 asks for any
/// that is free. `address` is that of a network interface, in numbers; empty: all of them. Blocks
/// until the port is open: not for actors. `transport` opens it: CAF's middleman where it is empty,
/// else an actor that knows the same messages.
///
/// Throws policy_error, errc::invalid_policy, where the middleman isn't loaded or the port can't be
/// opened; resilience_error, errc::shutting_down, where the node has ended.
std::uint16_t publish(node& owner, std::uint16_t port, const std::string& address = "127.0.0.1",
                      const caf::actor& transport = {});

/// How a peer is reached, and who is told.
struct connection_options {
  /// What dials: CAF's middleman where it is empty, else an actor that knows the same messages.
  caf::actor transport = {};
  /// Called when there is a connection, when it is lost, and when it can't be made: then once, with
  /// the reason, until it is made. By an actor, one call at a time: short, and without waiting.
  std::function<void(bool connected, const caf::error& why)> on_change = {};
};

/// For attempts of a remote guard whose policy names neither deadline nor attempt_timeout. A
/// message may get lost on its way (CAF drops what the other side can't read): no call waits for
/// ever.
inline constexpr timespan longest_remote_attempt = std::chrono::seconds{60};

/// Another node, as connect() gives it. Copies are the same connection, which lasts as long as one
/// of them or one of its guards does, and not longer than the own node. Thread-safe.
class remote_node {
public:
  /// A handle like that of a local guard for the peer's guard `name`: a request to it gets exactly
  /// one answer. It stays good whatever becomes of the connection. While there is none a call is
  /// answered with errc::target_lost at once, and calls in flight when it is lost are; both are
  /// tried again where the policy has retries.
  ///
  /// `policy` is this side's: its parts are here. The peer's guard has its own, and is told how
  /// much time is left. The guard's own name here is "HOST:PORT/NAME", or `own_name`.
  ///
  /// Throws as node::guard() does: one guard for each name.
  [[nodiscard]] caf::actor guard(const std::string& name, const guard_policy& policy = {},
                                 const std::string& own_name = {}) const;

  /// What stands here for the peer's shared bulkhead `name` (see node::shared_bulkhead), for the
  /// policy of guards: permits come from there, and calls wait in the queue there. `when_lost` says
  /// what to do while the peer can't be reached; until it has been reached for the first time, for
  /// 3 s at most, calls wait. Its policy is the peer's to change; its name here is "HOST:PORT/NAME".
  ///
  /// Throws policy_error, errc::duplicate_name, where it is in use here with another `when_lost`.
  [[nodiscard]] caf::actor bulkhead(const std::string& name,
                                    owner_lost when_lost = owner_lost::local) const;

  /// The same for the peer's shared circuit breaker. Until the peer has been reached this node counts
  /// for itself, by the default policy. `failure_on`: a question about errors stays on the node that
  /// asks it.
  [[nodiscard]] caf::actor circuit_breaker(const std::string& name,
                                           owner_lost when_lost = owner_lost::local,
                                           const error_predicate& failure_on = counted) const;

  /// Whether there is a connection now.
  [[nodiscard]] bool connected() const { return line_->door() != nullptr; }

  /// Blocks until there is one, `longest` at most; returns whether there is. Not for actors.
  bool wait_until_connected(timespan longest) const { return line_->wait(longest); }

private:
  friend remote_node connect(node& own, std::string host, std::uint16_t port,
                             connection_options options);

  std::string address_;
  std::shared_ptr<part_directory> directory_;
  caf::actor connector_;
  std::shared_ptr<peer_line> line_;
};

/// The node whose front door is at that port. Returns at once; the connection is made, and made
/// again whenever it is lost, in the background: at most 1 s between two trials. As long as it lasts
/// the node is in the own node's get_cluster_stats, once for each address.
///
/// Throws policy_error, errc::invalid_policy, where the middleman isn't loaded; resilience_error,
/// errc::shutting_down, where the own node has ended.
[[nodiscard]] remote_node connect(node& own, std::string host, std::uint16_t port,
                                  connection_options options = {});

} // namespace bulwark
