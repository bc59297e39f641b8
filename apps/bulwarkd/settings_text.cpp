#include "bulwarkd/settings_text.hpp"

#include "bulwarkd/settings_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace bulwarkd {

namespace {

using nlohmann::json;

bool is_plain_key(const std::string& key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_';
  });
}

std::string as_conf(const json& value) {
  return value.is_string() && is_duration(value.get<std::string>()) ? value.get<std::string>()
                                                                    : value.dump();
}

void write_conf(const json& group, const std::string& indent, std::string& to) {
  for (const auto& [key, value] : group.items()) {
    const auto name = is_plain_key(key) ? key : json(key).dump();
    if (value.is_object()) {
      to += fmt::format("{}{} {{\n", indent, name);
      write_conf(value, indent + "  ", to);
      to += indent + "}\n";
    } else {
      to += fmt::format("{}{} = {}\n", indent, name, as_conf(value));
    }
  }
}

void flatten(const json& value, const std::string& path, std::map<std::string, std::string>& to) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, below] : value.items())
      flatten(below, path + "." + key, to);
  } else if (!value.is_null()) {
    to[path] = as_conf(value);
  }
}

} // namespace

bool is_duration(const std::string& text) {
  constexpr std::size_t most_digits = 18;
  constexpr std::array<std::string_view, 6> units{"h", "min", "s", "ms", "us", "ns"};
  const auto unit = std::min(text.find_first_not_of("0123456789"), text.size());
  return unit > 0 && unit <= most_digits
         && std::find(units.begin(), units.end(), std::string_view{text}.substr(unit))
                != units.end();
}

json to_json(const configuration& told) {
  return group_writer::group(told);
}

json to_json(const hosted_guard_settings& guard) {
  return group_writer::group(guard);
}

std::string to_conf(const json& group) {
  std::string result;
  write_conf(group, "", result);
  return result;
}

std::vector<setting_change> differences(const json& before, const json& after,
                                        const std::string& prefix) {
  std::map<std::string, std::string> old_values;
  std::map<std::string, std::string> new_values;
  flatten(before, prefix, old_values);
  flatten(after, prefix, new_values);
  std::map<std::string, setting_change> result;
  for (const auto& [path, value] : old_values)
    result[path] = {.path = path, .from = value, .to = ""};
  for (const auto& [path, value] : new_values) {
    result[path].path = path;
    result[path].to = value;
  }
  std::vector<setting_change> changes;
  for (auto& [path, change] : result)
    if (change.from != change.to)
      changes.push_back(std::move(change));
  return changes;
}

} // namespace bulwarkd
