#include "bulwarkctl/text.hpp"

#include <fmt/format.h>
#include <wchar.h>

#include <algorithm>
#include <cmath>

namespace bulwarkctl {

namespace {

struct character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool good = false; ///< False: no UTF-8, and one byte.
};

character first_of(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const auto lead = byte(0);
  if (lead < 0x80)
    return {.code = lead, .bytes = 1, .good = true};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes)
    return {.code = lead};
  char32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80)
      return {.code = lead};
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return {.code = lead};
  return {.code = code, .bytes = bytes, .good = true};
}

int columns_of(char32_t code) {
  return ::wcwidth(static_cast<wchar_t>(code));
}

// They have no picture and change what others look like: the order of writing, hidden tags.
bool is_deceiving(char32_t code) {
  return code == 0x61c || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e)
         || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff
         || (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

} // namespace

std::string safe(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto next = first_of(text);
    if (next.code < 0x20 || next.code == 0x7f || !next.good)
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(next.code));
    else if (columns_of(next.code) < 0 || is_deceiving(next.code))
      result += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(next.code));
    else
      result += text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
  }
  return result;
}

std::size_t width_of(std::string_view text) {
  std::size_t result = 0;
  while (!text.empty()) {
    const auto next = first_of(text);
    result += static_cast<std::size_t>(std::max(columns_of(next.code), 0));
    text.remove_prefix(next.bytes);
  }
  return result;
}

std::string cut(std::string_view text, std::size_t width) {
  if (width_of(text) <= width)
    return std::string{text};
  if (width == 0)
    return {};
  std::size_t columns = 0;
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const auto next = first_of(text.substr(bytes));
    columns += static_cast<std::size_t>(std::max(columns_of(next.code), 0));
    if (columns > width - 1)
      break;
    bytes += next.bytes;
  }
  return std::string{text.substr(0, bytes)} + "…";
}

std::string fit(std::string_view text, std::size_t width, bool to_the_right) {
  auto result = cut(text, width);
  const std::string filling(width - std::min(width, width_of(result)), ' ');
  return to_the_right ? filling + result : result + filling;
}

std::string percent_encoded(std::string_view name) {
  // Of dots alone is a way up in a path.
  const auto dots = name.find_first_not_of('.') == std::string_view::npos;
  std::string result;
  for (const auto c : name) {
    const auto plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                       || c == '-' || c == '_' || c == '~' || (c == '.' && !dots);
    if (plain)
      result += c;
    else
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds))
    return "-";
  if (seconds < 0)
    return "-" + duration_text(-seconds);
  if (seconds == 0)
    return "0s";
  if (seconds < 0.9995e-3)
    return fmt::format("{:.3g}us", seconds * 1e6);
  if (seconds < 0.9995)
    return fmt::format("{:.3g}ms", seconds * 1e3);
  if (seconds < 60)
    return fmt::format("{:.3g}s", seconds);
  const auto whole = static_cast<long long>(std::min(seconds, 1e15));
  if (whole < 3600)
    return fmt::format("{}min {}s", whole / 60, whole % 60);
  if (whole < 86'400)
    return fmt::format("{}h {}min", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {}h", whole / 86'400, whole / 3600 % 24);
}

std::string short_number(double value) {
  if (!std::isfinite(value))
    return "-";
  if (value != 0 && std::abs(value) < 99.95)
    return fmt::format("{:.1f}", value);
  if (std::abs(value) < 9'999.5)
    return fmt::format("{:.0f}", value);
  for (const auto* unit : {"k", "M", "G"}) {
    value /= 1'000;
    if (std::abs(value) < 999.95)
      return fmt::format("{:.1f}{}", value, unit);
  }
  return fmt::format("{:.3g}", value * 1e9);
}

} // namespace bulwarkctl
