#pragma once

#include "bulwarkctl/document.hpp"

#include <string>
#include <vector>

namespace bulwarkctl {

/// Of FIELD=VALUE the document that the daemon takes: `retry.max-attempts=3` is {"retry":
/// {"max-attempts": 3}}. A value that is JSON is that (3, true, ["a"], "text"), else a text (5s).
/// Throws failure where one has no = or no name, is there twice, or is a value and a group.
[[nodiscard]] json settings_of(const std::vector<std::string>& settings);

} // namespace bulwarkctl
