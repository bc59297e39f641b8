#pragma once

#include "bulwarkd/configuration.hpp"
#include "bulwarkd/control.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

/// @file Settings in force, as people and programs read them, and what differs between two.

namespace bulwarkd {

/// Every key with its value in force, as groups: durations as in a file ("250ms"), what is off is
/// left out.
[[nodiscard]] nlohmann::json to_json(const configuration& told);
[[nodiscard]] nlohmann::json to_json(const hosted_guard_settings& guard);

/// Whether a text is what CAF reads as a duration: "250ms".
[[nodiscard]] bool is_duration(const std::string& text);

/// The same in CAF's syntax, to be read again: one key a line.
[[nodiscard]] std::string to_conf(const nlohmann::json& group);

/// What of `before` became another in `after`, by path; `prefix` goes before each path.
[[nodiscard]] std::vector<setting_change>
differences(const nlohmann::json& before, const nlohmann::json& after, const std::string& prefix);

/// All keys there are, as a page of docs/: path, default, meaning.
[[nodiscard]] std::string reference();

} // namespace bulwarkd
