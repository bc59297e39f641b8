#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace bulwarkd {

/// JSON on one line; what is no UTF-8 in it is replaced.
[[nodiscard]] std::string text_of(const nlohmann::json& content);

/// A text as JSON has it, with its quotes.
[[nodiscard]] std::string quoted(const std::string& text);

} // namespace bulwarkd
