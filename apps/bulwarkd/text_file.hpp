#pragma once

#include <optional>
#include <string>

namespace bulwarkd {

/// What is in a file; nullopt where it can't be read, as a folder can't.
[[nodiscard]] std::optional<std::string> read_text(const std::string& file);

} // namespace bulwarkd
