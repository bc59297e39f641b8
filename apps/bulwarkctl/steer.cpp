// Commands that change something, or call.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/output.hpp"
#include "bulwarkctl/settings.hpp"
#include "bulwarkctl/show.hpp"
#include "bulwarkctl/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace bulwarkctl {

namespace {

std::string with_dry_run(std::string path, bool only_show) {
  return only_show ? path + "?dry_run=true" : path;
}

json whole_number_or_text(const std::string& value) {
  std::int64_t number = 0;
  const auto* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number);
  return error == std::errc{} && rest == end ? json(number) : json(value);
}

} // namespace

void breaker(const options& wanted) {
  api daemon{wanted.where};
  const auto path = "/api/v1/breakers/" + percent_encoded(wanted.name);
  if (wanted.action == "why")
    return show(wanted, daemon.get(path + "/why"), why_text);
  auto action = wanted.action;
  std::replace(action.begin(), action.end(), '-', '_');
  const auto answer = daemon.post(path, {{"action", action}});
  if (!wanted.as_json)
    print(fmt::format("{}: {} done\n", safe(wanted.name), wanted.action));
  else if (!answer.is_null())
    print(line_of(answer) + '\n');
}

void policy(const options& wanted) {
  api daemon{wanted.where};
  const auto path = "/api/v1/guards/" + percent_encoded(wanted.name);
  if (wanted.action == "get") {
    if (!wanted.settings.empty() || wanted.dry_run)
      throw failure{wrong_usage, "policy NAME get: takes no FIELD=VALUE and no --dry-run"};
    return show(wanted, at(daemon.get(path), "policy"), policy_text);
  }
  if (wanted.settings.empty())
    throw failure{wrong_usage, "policy NAME set: needs FIELD=VALUE, one or more"};
  const auto fields = settings_of(wanted.settings);
  show(wanted, daemon.put(with_dry_run(path + "/policy", wanted.dry_run), fields), changes_text);
}

void call(const options& wanted) {
  auto where = wanted.where;
  const auto patience =
      std::chrono::milliseconds{static_cast<long long>(wanted.call_timeout * 1000)};
  where.timeout += patience;
  api daemon{where};
  const json body{
      {"value", wanted.as_text ? json(wanted.value) : whole_number_or_text(wanted.value)},
      {"timeout", wanted.call_timeout}};
  const auto answer = daemon.post("/api/v1/guards/" + percent_encoded(wanted.name) + "/call", body);
  show(wanted, answer, [](const json& document) { return text_at(document, "reply") + "\n"; });
}

void config_diff(const options& wanted) {
  show(wanted, api{wanted.where}.post(with_dry_run("/api/v1/reload", true), json::object()),
       changes_text);
}

void config_reload(const options& wanted) {
  const auto path = with_dry_run("/api/v1/reload", wanted.dry_run);
  show(wanted, api{wanted.where}.post(path, json::object()), changes_text);
}

} // namespace bulwarkctl
