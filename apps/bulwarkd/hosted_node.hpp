#pragma once

#include "bulwarkd/configuration.hpp"

#include "bulwark/all.hpp"
#include "bulwark/distributed.hpp"

#include <caf/all.hpp>

#include <map>
#include <string>
#include <vector>

namespace bulwarkd {

/// A node with all that its configuration names.
class hosted_node {
public:
  /// Makes parts, guards and connections, and opens the port last, so that who reaches it finds all.
  /// Requires: the configuration has no mistakes. Throws resilience_error where the port can't be
  /// opened.
  hosted_node(caf::actor_system& system, const configuration& told, const target_table& targets);
  hosted_node(const hosted_node&) = delete;
  hosted_node& operator=(const hosted_node&) = delete;
  ~hosted_node();

  /// Finishes what is in progress, for drain_timeout at most, takes nothing new, and answers the
  /// rest. When this returns all answers are on their way. Returns whether all had finished.
  bool drain();

private:
  const configuration& told_;
  bulwark::node node_;
  caf::actor transport_; // invalid: CAF's own, in the clear
  std::map<std::string, bulwark::remote_node> peers_;
  std::map<std::string, caf::actor> circuit_breakers_; // of this node, that have names
  std::map<std::string, caf::actor> bulkheads_;
  std::vector<caf::actor> watched_; // whose transitions go to the log
  std::vector<caf::actor> guards_;
  std::vector<caf::actor> actors_; // targets, and who writes the log

  bulwark::remote_node& peer(const remote_address& address);
  void make_parts();
  caf::actor circuit_breaker_of(const std::string& guard, const guard_settings& settings);
  caf::actor bulkhead_of(const guard_settings& settings);
  void make_guard(const std::string& name, const guard_settings& settings,
                  const target_table& targets);
  void open_port();
};

} // namespace bulwarkd
