#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace bulwarkd {

enum class log_level { info, warning, error };

/// One line on stderr, whole also where several threads write: UTC to the millisecond, level, text.
/// Control characters in the text are shown as `\xNN`, for some of it comes from
/// peers: no text makes a second line.
///
///     2026-11-25T16:26:53.123Z info    listening on 127.0.0.1:4711
void write_log(log_level level, std::string_view text);

template <class... Ts>
void log_info(fmt::format_string<Ts...> text, Ts&&... values) {
  write_log(log_level::info, fmt::format(text, std::forward<Ts>(values)...));
}

template <class... Ts>
void log_warning(fmt::format_string<Ts...> text, Ts&&... values) {
  write_log(log_level::warning, fmt::format(text, std::forward<Ts>(values)...));
}

template <class... Ts>
void log_error(fmt::format_string<Ts...> text, Ts&&... values) {
  write_log(log_level::error, fmt::format(text, std::forward<Ts>(values)...));
}

} // namespace bulwarkd
