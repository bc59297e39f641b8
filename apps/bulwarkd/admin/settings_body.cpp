#include "bulwarkd/admin/settings_body.hpp"

#include "bulwarkd/command_line.hpp"
#include "bulwarkd/settings_text.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/config_value.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <sstream>

namespace bulwarkd {

namespace {

using nlohmann::json;

// CAF's parser and ours go one deeper for each bracket: settings have three levels. All are counted,
// for what is in a text is theirs to say.
constexpr int most_openings = 256;

bool has_many_levels(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return c == '{' || c == '['; })
         > most_openings;
}

bool convert(const json& from, const std::string& path, caf::config_value& to, std::string& wrong);

bool convert(const json& from, const std::string& path, caf::settings& to, std::string& wrong) {
  for (const auto& [key, value] : from.items()) {
    caf::config_value converted;
    if (!convert(value, path.empty() ? key : path + '.' + key, converted, wrong))
      return false;
    to.insert_or_assign(key, std::move(converted));
  }
  return true;
}

// Longer than 40 lines: one type of JSON after the other.
bool convert(const json& from, const std::string& path, caf::config_value& to, std::string& wrong) {
  switch (from.type()) {
  case json::value_t::object: {
    caf::settings fields;
    if (!convert(from, path, fields, wrong))
      return false;
    to = std::move(fields);
    return true;
  }
  case json::value_t::array: {
    caf::config_value::list all;
    for (const auto& each : from) {
      caf::config_value converted;
      if (!convert(each, path, converted, wrong))
        return false;
      all.push_back(std::move(converted));
    }
    to = std::move(all);
    return true;
  }
  case json::value_t::string: {
    const auto& text = from.get_ref<const std::string&>();
    to = caf::config_value{text};
    if (is_duration(text)) // which JSON has no type for
      if (auto parsed = caf::config_value::parse(text))
        to = std::move(*parsed);
    return true;
  }
  case json::value_t::boolean:
    to = caf::config_value{from.get<bool>()};
    return true;
  case json::value_t::number_integer:
    to = caf::config_value{from.get<std::int64_t>()};
    return true;
  case json::value_t::number_unsigned:
    if (from.get<std::uint64_t>()
        <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      to = caf::config_value{from.get<std::int64_t>()};
      return true;
    }
    wrong = path + " is more than 9223372036854775807";
    return false;
  case json::value_t::number_float:
    to = caf::config_value{from.get<double>()};
    return true;
  default:
    wrong = path + " is null: a key that shall stay as it is is left out";
    return false;
  }
}

} // namespace

settings_body read_json_settings(const std::string& body) {
  settings_body result;
  if (has_many_levels(body)) {
    result.wrong = "the body opens more than 256 groups and lists";
    return result;
  }
  const auto parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object())
    result.wrong = "the body is no JSON object";
  else
    convert(parsed, {}, result.fields, result.wrong);
  return result;
}

settings_body read_conf_settings(const std::string& body) {
  settings_body result;
  if (has_many_levels(body)) {
    result.wrong = "the body opens more than 256 groups and lists";
    return result;
  }
  if (const auto misread = find_misreading(body); !misread.empty()) {
    result.wrong = "the body, " + misread;
    return result;
  }
  std::istringstream source{body};
  auto parsed = caf::actor_system_config::parse_config(source);
  if (parsed)
    result.fields = std::move(*parsed);
  else
    result.wrong = "the body can't be read as settings: " + to_string(parsed.error());
  return result;
}

} // namespace bulwarkd
