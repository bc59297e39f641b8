#pragma once

#include "bulwark/node_settings.hpp"

#include <string>
#include <string_view>

namespace bulwark {

/// Says what settings can't become others while what they made is at work.
class setting_changes {
public:
  /// `until`: how long, as an operator reads it: "the node is started again".
  setting_changes(setting_mistakes& wrong, std::string_view until) : wrong_(wrong), until_(until) {}

  /// Named parts: they stay, and are shared as they were; their numbers may be any.
  void parts(const part_settings& now, const part_settings& next);

  /// A guard: it keeps its parts, whose numbers may be any where they are its own.
  void guard(const std::string& path, const guard_settings& now, const guard_settings& next);

  /// One key that must stay as it is; "" stands for nothing.
  void must_stay(const std::string& path, const std::string& now, const std::string& next);

private:
  setting_mistakes& wrong_;
  std::string_view until_;
};

} // namespace bulwark
