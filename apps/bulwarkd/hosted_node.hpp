#pragma once

#include "bulwarkd/configuration.hpp"
#include "bulwarkd/control.hpp"

#include "bulwark/all.hpp"
#include "bulwark/distributed.hpp"
#include "bulwark/named_parts.hpp"

#include <caf/all.hpp>

#include <functional>
#include <map>
#include <string>

namespace bulwarkd {

/// A node with all that its configuration names.
class hosted_node {
public:
  /// Makes parts, guards and connections, and opens the port last, so that who reaches it finds all.
  /// Requires: the configuration has no mistakes. Throws resilience_error where the port can't be
  /// opened. `on_transition` is told each change of state of the node's circuit breakers, in an actor
  /// of its own: it may take its time.
  hosted_node(caf::actor_system& system, configuration told, const target_table& targets,
              std::function<void(const bulwark::circuit_event&)> on_transition);
  hosted_node(const hosted_node&) = delete;
  hosted_node& operator=(const hosted_node&) = delete;
  ~hosted_node();

  /// What can't become as `next` has it without a restart, a sentence each.
  [[nodiscard]] mistakes find_unchangeable(const configuration& next) const;

  /// Makes the node as `next` has it while calls go on: none is lost. Guards and parts that are new
  /// are made, those that have other policies get them, guards that are gone finish their calls.
  /// Where something can't be made that is said, and nothing else is changed.
  /// Requires: `next` has no mistakes, nothing that can't change.
  [[nodiscard]] mistakes apply(const configuration& next);

  /// An operator's word to the circuit breaker of that name: force_open, disable, metrics_only,
  /// reset or close, which is the same. False: there is none, it doesn't answer, or no such word.
  operated operate_breaker(const std::string& name, const std::string& action);

  [[nodiscard]] const configuration& told() const noexcept { return told_; }
  [[nodiscard]] bulwark::node& node() noexcept { return node_; }

  /// Finishes what is in progress, for drain_timeout at most, takes nothing new, and answers the
  /// rest. When this returns all answers are on their way. Returns whether all had finished.
  bool drain();

private:
  struct hosted_guard {
    caf::actor guard;
    caf::actor target; // invalid: another node's
  };

  configuration told_;
  const target_table& targets_;
  bulwark::node node_;
  caf::actor transport_; // invalid: CAF's own, in the clear
  caf::actor watcher_;   // of transitions
  std::map<std::string, bulwark::remote_node> peers_;
  bulwark::named_parts parts_; // of this node
  std::map<std::string, hosted_guard> guards_;

  bulwark::remote_node& peer(const remote_address& address);
  void make_parts(const configuration& told);
  void watch(const caf::actor& circuit_breaker);
  [[nodiscard]] bulwark::guard_policy policy_of(const hosted_guard_settings& settings);
  [[nodiscard]] static bulwark::timespan web_patience(const hosted_guard_settings& settings);
  [[nodiscard]] caf::actor make_target(const hosted_guard_settings& settings);
  void make_guard(const std::string& name, const hosted_guard_settings& settings);
  [[nodiscard]] mistakes make_new(const configuration& next);
  void change_guard(const std::string& name, const hosted_guard_settings& settings);
  void open_port();
};

} // namespace bulwarkd
