#include "bulwarkd/configuration.hpp"

#include "bulwarkd/choices.hpp"
#include "bulwarkd/configuration_checks.hpp"
#include "bulwarkd/keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <limits>
#include <string_view>

namespace bulwarkd {

namespace {

using bulwark::timespan;

// As an operator would write it, and not longer than a line.
std::string written(const caf::config_value& value) {
  constexpr std::size_t longest = 80;
  if (const auto* length = caf::get_if<caf::timespan>(&value); length && *length < timespan{0})
    return bulwark::to_text(*length); // CAF knows units for positive ones only
  auto text = to_string(value);
  if (text.size() > longest)
    text = text.substr(0, longest) + "…";
  return text;
}

/// Reads one group of settings into the structure whose keys it is handed: see keys.hpp.
class group_reader {
public:
  group_reader(const caf::settings& group, std::string path, mistakes& wrong,
               std::map<std::string, std::string>& written_values)
      : group_(group), path_(std::move(path)), wrong_(wrong), written_(written_values) {}

  template <class T>
  void operator()(std::string_view key, T& value, std::string_view) {
    known_.push_back(key);
    const auto found = group_.find(std::string{key});
    if (found == group_.end())
      return;
    const auto path = path_ + "." + std::string{key};
    written_[path] = written(found->second);
    read(found->second, path, value);
  }

  void complain_of_unknown_keys() {
    for (const auto& [key, value] : group_) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        wrong_.push_back(
            fmt::format("{}.{}: no such key; there are {}", path_, key, fmt::join(known_, ", ")));
    }
  }

private:
  const caf::settings& group_;
  std::string path_;
  mistakes& wrong_;
  std::map<std::string, std::string>& written_;
  std::vector<std::string_view> known_;

  void refuse(const caf::config_value& value, const std::string& path, std::string_view what) {
    wrong_.push_back(fmt::format("{} = {}: must be {}", path, written(value), what));
  }

  template <class T>
  void read_group(const caf::config_value& value, const std::string& path, T& into) {
    const auto* group = caf::get_if<caf::settings>(&value);
    if (group == nullptr) {
      refuse(value, path, "a group, { … }");
      return;
    }
    group_reader below{*group, path, wrong_, written_};
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

  template <bulwark::error_predicate::kind Default>
  void read(const caf::config_value& value, const std::string& path,
            bulwark::predicate_with_default<Default>& into) {
    auto kind = Default;
    if (choose(value, path, kind))
      into = bulwark::error_predicate{kind};
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

} // namespace

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

bulwark::guard_policy own_policy(const guard_settings& guard) {
  bulwark::guard_policy result{.deadline = guard.deadline,
                               .attempt_timeout = guard.attempt_timeout,
                               .retry = guard.retry,
                               .cancel = guard.cancel,
                               .shows_permit = guard.shows_permit,
                               .shows_context = guard.shows_context,
                               .watches_callers = guard.watches_callers,
                               .hedge = guard.hedge,
                               .rate_limit = guard.rate_limit,
                               .chaos = guard.chaos,
                               .reply_sharing = guard.reply_sharing};
  if (const auto* own = std::get_if<bulwark::circuit_breaker_policy>(&guard.circuit_breaker))
    result.breaker = *own;
  if (const auto* own = std::get_if<bulwark::bulkhead_policy>(&guard.bulkhead))
    result.bulkhead = *own;
  return result;
}

reading read_configuration(const caf::settings& settings, const target_table& targets) {
  reading result;
  std::map<std::string, std::string> written_values;
  if (const auto found = settings.find("bulwark"); found != settings.end()) {
    if (const auto* group = caf::get_if<caf::settings>(&found->second)) {
      group_reader reader{*group, "bulwark", result.wrong, written_values};
      for_each_key(reader, result.told);
      reader.complain_of_unknown_keys();
    } else {
      result.wrong.push_back("bulwark: must be a group, { … }");
    }
  }
  check_configuration(result, targets, written_values);
  return result;
}

} // namespace bulwarkd
