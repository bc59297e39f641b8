#pragma once

#include "bulwark/named_parts.hpp"
#include "bulwark/node_settings.hpp"

#include <caf/actor.hpp>
#include <caf/settings.hpp>

#include <string>

namespace bulwark {

class node;

/// What a node has been told by node::load().
///
/// Thread safety: load() may be called from any thread; who calls the others holds the node's
/// directory still.
class loaded_settings {
public:
  /// `own` must outlive this.
  explicit loaded_settings(node& own) : node_(own), parts_(own) {}

  /// See node::load().
  void load(const caf::settings& settings);

  /// That of the guard's block. Throws policy_error, errc::unknown_name, where there is none.
  [[nodiscard]] guard_policy policy(const std::string& guard) const;

  [[nodiscard]] const named_parts& parts() const noexcept { return parts_; }

private:
  node& node_;
  named_parts parts_;
  node_settings in_force_;

  [[nodiscard]] guard_policy policy(const program_guard_settings& guard) const;
  [[nodiscard]] bool is_alive(const std::string& guard) const;
  void check_guards(const node_settings& next, setting_mistakes& wrong) const;
  void check_new_parts(const node_settings& next, setting_mistakes& wrong) const;
  void change_guards(const node_settings& next) const;
};

} // namespace bulwark
