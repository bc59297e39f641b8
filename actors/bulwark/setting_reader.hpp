#pragma once

#include "bulwark/node_settings.hpp"
#include "bulwark/setting_choices.hpp"
#include "bulwark/setting_keys.hpp"

#include <caf/config_value.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// @file Settings into structures that have keys: see setting_keys.hpp.
///
/// Longer than 200 lines: one kind of value after the other.

namespace bulwark {

/// As an operator would write it, and not longer than a line.
[[nodiscard]] std::string written(const caf::config_value& value);

/// Reads one group of settings into the structure whose keys it is handed: see keys.hpp.
class group_reader {
public:
  group_reader(const caf::settings& group, std::string path, setting_notes& notes)
      : group_(group), path_(std::move(path)), notes_(notes) {}

  template <class T>
  void operator()(std::string_view key, T& value, std::string_view) {
    known_.push_back(key);
    const auto found = group_.find(std::string{key});
    if (found == group_.end())
      return;
    const auto path = path_ + "." + std::string{key};
    notes_.written[path] = written(found->second);
    read(found->second, path, value);
  }

  void complain_of_unknown_keys() {
    for (const auto& [key, value] : group_) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        notes_.wrong.push_back(
            fmt::format("{}.{}: no such key; there are {}", path_, key, fmt::join(known_, ", ")));
    }
  }

private:
  const caf::settings& group_;
  std::string path_;
  setting_notes& notes_;
  std::vector<std::string_view> known_;

  void refuse(const caf::config_value& value, const std::string& path, std::string_view what) {
    notes_.wrong.push_back(fmt::format("{} = {}: must be {}", path, written(value), what));
  }

  template <class T>
  void read_group(const caf::config_value& value, const std::string& path, T& into) {
    const auto* group = caf::get_if<caf::settings>(&value);
    if (group == nullptr) {
      refuse(value, path, "a group, { … }");
      return;
    }
    group_reader below{*group, path, notes_};
    for_each_key(below, into);
    below.complain_of_unknown_keys();
  }

  // A structure with keys of its own.
  template <class T>
  void read(const caf::config_value& value, const std::string& path, T& into) {
    read_group(value, path, into);
  }

  // What a number of that kind can't hold is out of every range: the range's owner says so.
  template <std::unsigned_integral T>
  void read(const caf::config_value& value, const std::string& path, T& into) {
    constexpr auto beyond = std::numeric_limits<T>::max();
    if (const auto number = caf::get_as<std::int64_t>(value))
      into = *number < 0 || static_cast<std::uint64_t>(*number) > beyond ? beyond
                                                                         : static_cast<T>(*number);
    else
      refuse(value, path, "a whole number");
  }

  void read(const caf::config_value& value, const std::string& path, std::uint16_t& into) {
    const auto number = caf::get_as<std::int64_t>(value);
    if (number && *number >= 0 && *number <= std::numeric_limits<std::uint16_t>::max())
      into = static_cast<std::uint16_t>(*number);
    else
      refuse(value, path, "0 .. 65535");
  }

  void read(const caf::config_value& value, const std::string& path, double& into) {
    if (const auto number = caf::get_as<double>(value))
      into = *number;
    else
      refuse(value, path, "a number");
  }

  void read(const caf::config_value& value, const std::string& path, bool& into) {
    if (const auto is = caf::get_as<bool>(value))
      into = *is;
    else
      refuse(value, path, "true or false");
  }

  void read(const caf::config_value& value, const std::string& path, timespan& into) {
    std::optional<timespan> length = into;
    read(value, path, length);
    into = *length;
  }

  // Stays as it is where there is a mistake: no length is as good as any.
  void read(const caf::config_value& value, const std::string& path,
            std::optional<timespan>& into) {
    if (const auto length = caf::get_as<caf::timespan>(value))
      into = *length;
    else
      refuse(value, path, "a duration in h, min, s, ms, us or ns, such as 250ms, 5s or 2min");
  }

  void read(const caf::config_value& value, const std::string& path, std::string& into) {
    if (caf::holds_alternative<caf::settings>(value)
        || caf::holds_alternative<caf::config_value::list>(value))
      refuse(value, path, "one text");
    else
      into = to_string(value);
  }

  void read(const caf::config_value& value, const std::string& path,
            std::vector<std::string>& into) {
    const auto is_group = caf::holds_alternative<caf::settings>(value); // a list of pairs, to CAF
    if (const auto texts = caf::get_as<std::vector<std::string>>(value); texts && !is_group)
      into = *texts;
    else
      refuse(value, path, "a list of texts, [\"…\", …]");
  }

  template <has_choices T>
  bool choose(const caf::config_value& value, const std::string& path, T& into) {
    std::vector<std::string_view> names;
    for (const auto& each : choices<T>) {
      if (to_string(value) == each.name) {
        into = each.value;
        return true;
      }
      names.emplace_back(each.name);
    }
    refuse(value, path, fmt::format("one of {}", fmt::join(names, ", ")));
    return false;
  }

  template <has_choices T>
  void read(const caf::config_value& value, const std::string& path, T& into) {
    choose(value, path, into);
  }

  template <error_predicate::kind Default>
  void read(const caf::config_value& value, const std::string& path,
            predicate_with_default<Default>& into) {
    auto kind = Default;
    if (choose(value, path, kind))
      into = error_predicate{kind};
  }

  template <class T>
  void read(const caf::config_value& value, const std::string& path, std::optional<T>& into) {
    read(value, path, into.emplace());
  }

  template <class Policy>
  void read(const caf::config_value& value, const std::string& path, part_choice<Policy>& into) {
    if (caf::holds_alternative<caf::settings>(value))
      read_group(value, path, into.template emplace<Policy>());
    else
      read(value, path, into.template emplace<std::string>());
  }

  template <class T>
  void read(const caf::config_value& value, const std::string& path,
            std::map<std::string, T>& into) {
    const auto* group = caf::get_if<caf::settings>(&value);
    if (group == nullptr) {
      refuse(value, path, "a group of names, { name { … } … }");
      return;
    }
    for (const auto& [name, below] : *group)
      read_group(below, path + "." + name, into[name]);
  }
};

/// Reads the group `bulwark` into a structure that has keys; what isn't said stays as it is. A key
/// that there isn't is a mistake.
template <class T>
void read_settings(const caf::settings& settings, T& told, setting_notes& notes) {
  const auto found = settings.find("bulwark");
  if (found == settings.end())
    return;
  if (const auto* group = caf::get_if<caf::settings>(&found->second)) {
    group_reader reader{*group, "bulwark", notes};
    for_each_key(reader, told);
    reader.complain_of_unknown_keys();
  } else {
    notes.wrong.push_back("bulwark: must be a group, { … }");
  }
}

} // namespace bulwark
