#pragma once

#include "bulwarkd/keys.hpp"

#include "bulwark/setting_choices.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>

/// @file Settings as JSON: what settings_text.hpp is made of.

namespace bulwarkd {

/// In the largest unit that holds it whole: CAF reads one number and one unit.
inline std::string written(bulwark::timespan length) {
  using namespace std::chrono_literals;
  struct unit {
    bulwark::timespan length;
    const char* name;
  };
  constexpr std::array units{unit{1h, "h"},   unit{1min, "min"}, unit{1s, "s"},
                             unit{1ms, "ms"}, unit{1us, "us"},   unit{1ns, "ns"}};
  const auto found = std::find_if(units.begin(), units.end(), [&](const unit& each) {
    return length.count() % each.length.count() == 0;
  });
  return length == length.zero() ? "0s" : fmt::format("{}{}", length / found->length, found->name);
}

/// Collects what it is handed, a key at a time: see keys.hpp.
class group_writer {
public:
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view) {
    if (auto text = write(value); !text.is_null())
      group_[std::string{key}] = std::move(text);
  }

  [[nodiscard]] nlohmann::json take() { return std::move(group_); }

  template <class T>
  static nlohmann::json group(const T& value) {
    group_writer below;
    auto copy = value; // the keys are those of a reader too, who changes it
    for_each_key(below, copy);
    return below.take();
  }

  /// null: it is off.
  template <class T>
  static nlohmann::json write(const T& value) {
    if constexpr (
        std::is_arithmetic_v<
            T> || std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>)
      return value;
    else if constexpr (bulwark::has_choices<T>)
      return std::find_if(bulwark::choices<T>.begin(), bulwark::choices<T>.end(),
                          [&](const auto& each) { return each.value == value; })
          ->name;
    else
      return group(value);
  }

  static nlohmann::json write(bulwark::timespan value) { return written(value); }

  template <bulwark::error_predicate::kind Default>
  static nlohmann::json write(const bulwark::predicate_with_default<Default>& value) {
    for (const auto& each : bulwark::choices<bulwark::error_predicate::kind>)
      if (value == bulwark::error_predicate{each.value})
        return each.name;
    return nullptr; // a function of the program's own
  }

  template <class T>
  static nlohmann::json write(const std::optional<T>& value) {
    return value ? write(*value) : nlohmann::json{};
  }

  template <class Policy>
  static nlohmann::json write(const bulwark::part_choice<Policy>& value) {
    if (const auto* own = std::get_if<Policy>(&value))
      return write(*own);
    const auto* name = std::get_if<std::string>(&value);
    return name != nullptr ? nlohmann::json(*name) : nlohmann::json{};
  }

  template <class T>
  static nlohmann::json write(const std::map<std::string, T>& value) {
    auto result = nlohmann::json::object();
    for (const auto& [name, each] : value)
      result[name] = group(each);
    return result.empty() ? nlohmann::json{} : result;
  }

private:
  nlohmann::json group_ = nlohmann::json::object();
};

} // namespace bulwarkd
