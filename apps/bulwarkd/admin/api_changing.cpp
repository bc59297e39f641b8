#include "bulwarkd/admin/api.hpp"
#include "bulwarkd/admin/call_by_hand.hpp"
#include "bulwarkd/admin/security.hpp"
#include "bulwarkd/admin/settings_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>

// Changing, path by path. Who gets here has the token: see pass().

namespace bulwarkd {

namespace {

using nlohmann::json;

constexpr auto dry_run_is = "dry_run is true or false";

std::string who(const exchange& with) {
  return operator_name(with.request.get_header_value("X-Operator"), with.request.remote_addr);
}

void answer_report(exchange& with, const change_report& report) {
  if (!report.wrong.empty())
    return refuse(with.response, 422, "nothing was changed", report.wrong);
  auto changes = json::array();
  for (const auto& each : report.changes)
    changes.push_back({{"path", each.path}, {"from", each.from}, {"to", each.to}});
  answer(with, {{"changes", std::move(changes)}});
}

// Without its parameters: "application/json; charset=utf-8".
std::string media_type(const httplib::Request& request) {
  auto type = request.get_header_value("Content-Type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ')
    type.pop_back();
  return type;
}

// Invalid where it is none that can be sent.
std::optional<caf::message> message_of(const json& value) {
  if (value.is_string())
    return caf::make_message(value.get<std::string>());
  if (value.is_boolean())
    return caf::make_message(value.get<bool>());
  if (value.is_number_float())
    return caf::make_message(value.get<double>());
  if (!value.is_number_integer()
      || (value.is_number_unsigned()
          && value.get<std::uint64_t>()
                 > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())))
    return std::nullopt;
  const auto number = value.get<std::int64_t>();
  using small = std::numeric_limits<std::int32_t>;
  if (number >= small::min() && number <= small::max())
    return caf::make_message(static_cast<std::int32_t>(number));
  return caf::make_message(number);
}

} // namespace

void admin_api::operate(exchange& with) {
  constexpr std::array actions{"force_open", "disable", "reset", "close", "metrics_only"};
  const auto body = json::parse(with.request.body, nullptr, false);
  const auto told = body.is_object() ? body.value("action", json()) : json();
  const auto action = told.is_string() ? told.get<std::string>() : std::string{};
  if (std::find(actions.begin(), actions.end(), action) == actions.end())
    return refuse(with.response, 422,
                  "the body says an action: force_open, disable, reset, close or metrics_only");
  switch (control_.operate_breaker(with.names[0], action, who(with))) {
  case operated::unknown:
    return refuse(with.response, 404,
                  fmt::format("there is no circuit breaker '{}'", with.names[0]));
  case operated::unanswered:
    return refuse(with.response, 503,
                  fmt::format("circuit breaker '{}' was told, and hasn't answered: look whether it "
                              "is done",
                              with.names[0]));
  case operated::done:
    with.response.status = 204;
  }
}

void admin_api::change_policy(exchange& with) {
  const auto type = media_type(with.request);
  if (type != "application/json" && type != "text/plain")
    return refuse(with.response, 415, "settings are application/json, or text/plain as in a file");
  const auto& name = with.names[0];
  const auto only_show = with.flag("dry_run");
  if (!only_show)
    return refuse(with.response, 400, dry_run_is);
  if (control_.guard_settings_json(name).is_null())
    return refuse(with.response, 404, fmt::format("there is no guard '{}'", name));
  const auto body = type == "text/plain" ? read_conf_settings(with.request.body)
                                         : read_json_settings(with.request.body);
  if (!body.wrong.empty())
    return refuse(with.response, 422, "nothing was changed", {body.wrong});
  answer_report(with, control_.change_guard(name, body.fields, who(with), *only_show));
}

void admin_api::reload(exchange& with) {
  const auto only_show = with.flag("dry_run");
  if (!only_show)
    return refuse(with.response, 400, dry_run_is);
  answer_report(with, control_.reload(who(with), *only_show));
}

void admin_api::call(exchange& with) {
  constexpr auto usual = 5.0;
  constexpr auto least = 0.001;
  constexpr auto most = 60.0;
  const auto body = json::parse(with.request.body, nullptr, false);
  if (!body.is_object())
    return refuse(with.response, 422, "the body is no JSON object");
  const auto content = message_of(body.value("value", json()));
  const auto told = body.value("timeout", json(usual));
  const auto timeout = told.is_number() ? told.get<double>() : 0.0;
  if (!content || !(timeout >= least && timeout <= most))
    return refuse(with.response, 422,
                  "value is a number, a text or a truth value; timeout is 0.001 .. 60 seconds");
  if (!node_.directory()->find_guard(with.names[0]))
    return refuse(with.response, 404, fmt::format("there is no guard '{}'", with.names[0]));
  const auto in_progress = ++calls_;
  const auto end = std::shared_ptr<void>{nullptr, [this](void*) { --calls_; }};
  if (in_progress > settings_.max_calls)
    return refuse(with.response, 503,
                  fmt::format("{} calls by hand are in progress already", settings_.max_calls));
  const auto reply = call_by_hand(
      node_, with.names[0], *content,
      std::chrono::duration_cast<bulwark::timespan>(std::chrono::duration<double>{timeout}));
  if (!reply.error.empty())
    return refuse(with.response, 502, reply.error);
  answer(with, {{"reply", reply.text}});
}

} // namespace bulwarkd
