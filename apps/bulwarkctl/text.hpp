#pragma once

#include <string>
#include <string_view>

namespace bulwarkctl {

/// Text from elsewhere as a terminal may have it: what would move its cursor, change its state or the
/// order of what is read, and what is no UTF-8, is shown as \xNN or \u{N}. Once a process, before, as
/// main does: `setlocale(LC_CTYPE, "C.UTF-8")`, for characters' widths are the C library's.
[[nodiscard]] std::string safe(std::string_view text);

/// Columns that a safe text takes.
[[nodiscard]] std::size_t width_of(std::string_view text);

/// A safe text in exactly `width` columns: filled with spaces, or cut with "…" as its last.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width, bool to_the_right = false);

/// The same cut only.
[[nodiscard]] std::string cut(std::string_view text, std::size_t width);

/// A name as part of a URL's path.
[[nodiscard]] std::string percent_encoded(std::string_view name);

/// "1.25s", "340ms", "12us", "3min 5s"; of seconds.
[[nodiscard]] std::string duration_text(double seconds);

/// Three digits, and thousands as "12.3k"; of a rate or a count.
[[nodiscard]] std::string short_number(double value);

} // namespace bulwarkctl
