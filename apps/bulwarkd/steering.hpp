#pragma once

#include "bulwarkd/command_line.hpp"
#include "bulwarkd/control.hpp"
#include "bulwarkd/hosted_node.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace bulwarkd {

/// What an operator has done, or a file: for the log and the journal.
struct steering_note {
  std::string kind = {}; ///< "reload", "operator"
  std::string who = {};
  std::string what = {}; ///< A key's path, or "circuit breaker NAME".
  std::string from = {};
  std::string to = {};
};

/// Steers a hosted node: by its files, read again, and by single changes, which hold until the files
/// are read again. Checked as a whole before anything of it takes effect: where there is a mistake,
/// what was in force stays in force.
///
/// Thread safety: all members may be called from any thread.
class steering final : public control {
public:
  /// `read` reads command line and file again. `first`: the settings that the node was made by.
  /// `on_change` is told what has been done, after it.
  steering(hosted_node& node, std::function<command_line()> read, caf::settings first,
           const target_table& targets, std::function<void(const steering_note&)> on_change);

  change_report reload(const std::string& who, bool only_show) override;
  change_report change_guard(const std::string& guard, const caf::settings& fields,
                             const std::string& who, bool only_show) override;
  [[nodiscard]] nlohmann::json guard_settings_json(const std::string& guard) const override;
  [[nodiscard]] std::vector<guard_summary> guard_overview() const override;
  operated operate_breaker(const std::string& name, const std::string& action,
                           const std::string& who) override;

  /// From now on nothing is changed any more: the node is about to end.
  void close();

private:
  hosted_node& node_;
  const std::function<command_line()> read_;
  const target_table& targets_;
  const std::function<void(const steering_note&)> on_change_;
  mutable std::mutex mutex_;
  caf::settings in_force_;
  bool closed_ = false;

  change_report take(const caf::settings& next, mistakes wrong, const std::string& kind,
                     const std::string& who, bool only_show);
};

} // namespace bulwarkd
