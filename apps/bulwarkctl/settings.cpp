#include "bulwarkctl/settings.hpp"

#include "bulwarkctl/failure.hpp"
#include "bulwarkctl/text.hpp"

#include <fmt/format.h>

namespace bulwarkctl {

namespace {

[[noreturn]] void refuse(const std::string& setting, const char* why) {
  throw failure{wrong_usage, fmt::format("{}: {}", safe(setting), why)};
}

} // namespace

json settings_of(const std::vector<std::string>& settings) {
  auto result = json::object();
  for (const auto& each : settings) {
    const auto equals = each.find('=');
    if (equals == each.npos)
      refuse(each, "must be FIELD=VALUE");
    auto* group = &result;
    auto path = each.substr(0, equals);
    for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.')) {
      auto& next = (*group)[path.substr(0, dot)];
      if (dot == 0 || (!next.is_null() && !next.is_object()))
        refuse(each, "a part of the field's name is empty, or a value by itself");
      if (next.is_null())
        next = json::object();
      group = &next;
      path.erase(0, dot + 1);
    }
    if (path.empty() || group->contains(path))
      refuse(each, path.empty() ? "the field has no name" : "is said twice");
    const auto text = each.substr(equals + 1);
    auto value = json::parse(text, nullptr, false);
    (*group)[path] = value.is_discarded() ? json(text) : std::move(value);
  }
  return result;
}

} // namespace bulwarkctl
