#pragma once

#include "bulwarkctl/document.hpp"

#include <string>
#include <string_view>

namespace bulwarkctl {

// The daemon's documents as text for people; each line ends with '\n', and all of it is safe for a terminal.

[[nodiscard]] std::string list_text(const json& guards);
[[nodiscard]] std::string stats_text(const json& guards);
[[nodiscard]] std::string guard_text(const json& guard);
[[nodiscard]] std::string why_text(const json& why);
[[nodiscard]] std::string nodes_text(const json& nodes);
[[nodiscard]] std::string journal_text(const json& journal);
/// A line for each, `key = value`, with the groups' names in front.
[[nodiscard]] std::string policy_text(const json& policy);
[[nodiscard]] std::string changes_text(const json& report);
[[nodiscard]] std::string event_text(std::string_view type, const json& event);

} // namespace bulwarkctl
