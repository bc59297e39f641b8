#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace bulwarkctl {

/// In the order in which the daemon wrote it.
using json = nlohmann::ordered_json;

/// A daemon may be older or newer than this program: what isn't there, or is of another type, is no error.
/// `path`: keys with / between them.
[[nodiscard]] const json& at(const json& document, std::string_view path);

/// The value as a safe text; "-" where there is none.
[[nodiscard]] std::string text_at(const json& document, std::string_view path);

/// 0 where there is none.
[[nodiscard]] double number_at(const json& document, std::string_view path);

/// A duration, of seconds; "-" where there is none.
[[nodiscard]] std::string duration_at(const json& document, std::string_view path);

/// "4/10", of a guard's permits; "-" where it has none.
[[nodiscard]] std::string share_at(const json& guard, std::string_view some, std::string_view all);

/// One line of ASCII, as scripts and terminals may have it.
[[nodiscard]] std::string line_of(const json& document);

} // namespace bulwarkctl
