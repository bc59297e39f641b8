#pragma once

#include "bulwark/node_settings.hpp"

#include <caf/actor.hpp>

#include <functional>
#include <map>
#include <string>

namespace bulwark {

class node;

/// The parts that settings name, on a node. Not thread-safe.
class named_parts {
public:
  /// `own` must outlive this.
  explicit named_parts(node& own) : node_(own) {}

  /// Makes those of `next` that aren't there, also where no guard uses them: they are listed.
  /// `on_circuit_breaker` hears of each that is made, and of the owner where nodes share it. Throws as
  /// node::circuit_breaker() does; those before it are made then.
  void make(const part_settings& next,
            const std::function<void(const caf::actor&)>& on_circuit_breaker = {});

  /// Gives those that have another policy in `next` theirs. Requires: they are there.
  void change(const part_settings& next);

  /// Puts those that a guard's settings name into its policy.
  void put_into(guard_policy& policy, const guard_settings& guard) const;

  /// Invalid where there is none of that name.
  [[nodiscard]] caf::actor circuit_breaker(const std::string& name) const;
  [[nodiscard]] caf::actor bulkhead(const std::string& name) const;

  /// What they were made and changed by.
  [[nodiscard]] const part_settings& told() const noexcept { return told_; }

private:
  node& node_;
  part_settings told_;
  std::map<std::string, caf::actor> circuit_breakers_; // those of this node, where nodes share them
  std::map<std::string, caf::actor> bulkheads_;
};

} // namespace bulwark
