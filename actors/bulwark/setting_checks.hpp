#pragma once

#include "bulwark/node_settings.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace bulwark {

/// Adds what is wrong with what was read, beside what could be seen at one key alone: ranges, names
/// that must be there, budgets and parts that are meant to be the same.
class setting_checks {
public:
  /// Whether the name of a part is another node's, whose parts aren't looked at.
  using is_elsewhere = bool (*)(const std::string& part);

  /// Both must outlive this. `elsewhere`: null where guards can't use another node's parts.
  setting_checks(setting_notes& notes, const part_settings& parts, is_elsewhere elsewhere)
      : notes_(notes), parts_(parts), elsewhere_(elsewhere) {}

  /// Those that have names.
  void parts();

  /// One guard after the other. `policy`: own_policy() of it.
  void guard(const std::string& name, const guard_settings& guard, const guard_policy& policy);

  /// A policy's field "bulkhead.max_workers" is the key "PATH.max-workers"; `keep`: with its group.
  void ranges(const std::string& path, const policy_mistakes& found, bool keep = false);

  template <class... Ts>
  void complain(fmt::format_string<Ts...> text, Ts&&... values) {
    notes_.wrong.push_back(fmt::format(text, std::forward<Ts>(values)...));
  }

private:
  setting_notes& notes_;
  const part_settings& parts_;
  const is_elsewhere elsewhere_;
  // By name: the guard that has it first, and its numbers.
  std::map<std::string, std::pair<std::string, retry_budget_policy>> budgets_;

  template <class Sharing>
  void sharing(const std::string& path, const std::optional<Sharing>& shared);
  template <class Policy, class Part>
  void part(const std::string& guard, std::string_view key, const part_choice<Policy>& part,
            const std::map<std::string, Part>& named);
  void budget(const std::string& name, const guard_settings& guard);
  [[nodiscard]] bool may_be_shared(const part_choice<bulkhead_policy>& part) const;
  [[nodiscard]] bool is_other_nodes(const std::string& part) const {
    return elsewhere_ != nullptr && elsewhere_(part);
  }
};

} // namespace bulwark
