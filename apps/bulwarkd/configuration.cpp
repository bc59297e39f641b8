#include "bulwarkd/configuration.hpp"

#include "bulwarkd/configuration_checks.hpp"
#include "bulwarkd/keys.hpp"

#include "bulwark/setting_reader.hpp"

#include <fmt/format.h>

#include <charconv>

namespace bulwarkd {

std::optional<remote_address> parse_remote(const std::string& text) {
  const auto slash = text.find('/');
  auto node = text.substr(0, slash);
  remote_address result;
  if (slash != std::string::npos) {
    result.name = text.substr(slash + 1);
    if (result.name.empty())
      return std::nullopt;
  }
  const auto colon = node.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return std::nullopt;
  result.host = node.substr(0, colon);
  if (result.host.front() == '[' && result.host.back() == ']')
    result.host = result.host.substr(1, result.host.size() - 2);
  else if (result.host.find(':') != std::string::npos)
    return std::nullopt; // which colon is the port's, nobody knows
  const auto* end = node.data() + node.size();
  const auto number = std::from_chars(node.data() + colon + 1, end, result.port);
  if (number.ec != std::errc{} || number.ptr != end || result.port == 0 || result.host.empty())
    return std::nullopt;
  return result;
}

std::optional<remote_address> parse_remote_name(const std::string& text) {
  auto result = parse_remote(text);
  return result && !result->name.empty() ? result : std::nullopt;
}

std::string part_name(const remote_address& address) {
  return fmt::format("{}:{}/{}", address.host, address.port, address.name);
}

reading read_configuration(const caf::settings& settings, const target_table& targets) {
  reading result;
  bulwark::setting_notes notes;
  bulwark::read_settings(settings, result.told, notes);
  check_configuration(result.told, targets, notes);
  result.wrong = std::move(notes.wrong);
  return result;
}

} // namespace bulwarkd
