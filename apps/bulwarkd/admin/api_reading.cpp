#include "bulwarkd/admin/api.hpp"
#include "bulwarkd/admin/guard_json.hpp"
#include "bulwarkd/admin/metrics_text.hpp"
#include "bulwarkd/admin/questions.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

// Reading, path by path.

namespace bulwarkd {

namespace {

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t result = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, result);
  return error == std::errc{} && stop == end ? std::optional{result} : std::nullopt;
}

std::optional<std::chrono::nanoseconds> interval_of(const std::string& seconds) {
  constexpr auto least = 0.25;
  constexpr auto most = 60.0;
  char* end = nullptr;
  const auto value = std::strtod(seconds.c_str(), &end);
  if (end == seconds.c_str() || *end != '\0' || !(value >= least && value <= most))
    return std::nullopt;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{value});
}

} // namespace

void admin_api::health(exchange& with) {
  with.response.set_content("ok\n", "text/plain; charset=utf-8");
}

void admin_api::ready(exchange& with) {
  if (draining_)
    return refuse(with.response, 503, "the node takes no new calls: it is about to end");
  with.response.set_content("ok\n", "text/plain; charset=utf-8");
}

/// All parts, or those called `*name`.
std::optional<bulwark::node_stats> admin_api::stats_or_refuse(exchange& with,
                                                              const std::string* name) {
  auto said = name == nullptr ? ask<bulwark::node_stats>(node_.system(), node_.registry(),
                                                         bulwark::get_all_stats_atom_v)
                              : ask<bulwark::node_stats>(node_.system(), node_.registry(),
                                                         bulwark::get_atom_v, *name);
  if (said.value)
    return std::move(said.value);
  if (said.why == bulwark::errc::unknown_name)
    refuse(with.response, 404, fmt::format("nothing here is called '{}'", *name));
  else
    refuse(with.response, 503, "the node doesn't tell its figures: " + to_string(said.why));
  return std::nullopt;
}

void admin_api::all_guards(exchange& with) {
  const auto stats = stats_or_refuse(with, nullptr);
  if (!stats)
    return;
  const auto told = control_.guard_overview();
  auto text = fmt::format(R"({{"node":{},"time":"{}","guards":[)", quoted(stats->node),
                          time_text(std::chrono::system_clock::now()));
  auto first = true;
  for (const auto& row : join(*stats, told)) {
    if (!first)
      text += ',';
    first = false;
    append_guard(text, row);
  }
  answer_text(with, text + "]}");
}

// All are asked: which parts belong to a guard is known only when the settings have been looked at.
void admin_api::one_guard(exchange& with) {
  const auto& name = with.names[0];
  const auto stats = stats_or_refuse(with, nullptr);
  if (!stats)
    return;
  const auto told = control_.guard_overview();
  for (const auto& row : join(*stats, told)) {
    if (row.guard->name != name)
      continue;
    std::string text;
    append_guard(text, row);
    text.back() = ',';
    text += "\"policy\":" + text_of(control_.guard_settings_json(name)) + '}';
    return answer_text(with, std::move(text));
  }
  refuse(with.response, 404, fmt::format("there is no guard '{}'", name));
}

void admin_api::all_parts(exchange& with) {
  if (const auto stats = stats_or_refuse(with, nullptr))
    answer(with, parts_of(*stats));
}

void admin_api::why(exchange& with) {
  const auto& name = with.names[0];
  const auto stats = stats_or_refuse(with, &name);
  if (!stats)
    return;
  if (stats->circuit_breakers.empty())
    return refuse(with.response, 404, fmt::format("there is no circuit breaker '{}'", name));
  answer(with, why_of(stats->circuit_breakers.front(),
                      history_of(node_, stats->circuit_breakers.front())));
}

void admin_api::nodes(exchange& with) {
  const auto said = ask<bulwark::cluster_stats>(node_.system(), node_.cluster(),
                                                bulwark::get_cluster_stats_atom_v);
  if (said.value)
    answer(with, nodes_of(*said.value));
  else
    refuse(with.response, 503, "the node doesn't tell of others: " + to_string(said.why));
}

void admin_api::journal(exchange& with) {
  if (!journal_)
    return refuse(with.response, 404, "this node keeps no journal (bulwark.journal.file)");
  constexpr std::size_t most = 1'000;
  constexpr std::size_t usual = 100;
  const auto& request = with.request;
  const auto limit = number_of(request.get_param_value("limit"));
  const auto before = number_of(request.get_param_value("before"));
  if ((request.has_param("limit") && (!limit || *limit < 1 || *limit > most))
      || (request.has_param("before") && !before))
    return refuse(with.response, 400, "limit is 1 .. 1000, before is the id of an entry");
  auto entries = nlohmann::json::array();
  for (const auto& each : journal_(limit.value_or(usual), before))
    entries.push_back({{"id", each.id},
                       {"time", time_text(each.time)},
                       {"kind", each.kind},
                       {"who", each.who},
                       {"what", each.what},
                       {"from", each.from},
                       {"to", each.to}});
  answer(with, {{"entries", std::move(entries)}});
}

void admin_api::events(exchange& with) {
  const auto& request = with.request;
  event_hub::wish wish;
  // A browser that comes back says so in the header, whatever its address said at first.
  const auto after = request.has_header("Last-Event-ID") ? request.get_header_value("Last-Event-ID")
                                                         : request.get_param_value("after");
  wish.after = number_of(after);
  if (!after.empty() && !wish.after)
    return refuse(with.response, 400, "after, or Last-Event-ID, is the id of an event");
  if (request.has_param("samples")) {
    wish.samples = interval_of(request.get_param_value("samples"));
    if (!wish.samples)
      return refuse(with.response, 400, "samples is 0.25 .. 60 seconds");
  }
  if (request.method == "HEAD")
    return with.response.set_header("Content-Type", "text/event-stream");
  with.becomes_stream = events_.add(with.connection, wish);
  if (with.becomes_stream)
    return;
  with.response.set_header("Retry-After", "10");
  refuse(with.response, 503, "there are too many event streams already");
}

void admin_api::metrics(exchange& with) {
  const auto stats = stats_or_refuse(with, nullptr);
  if (!stats)
    return;
  metrics_text text;
  tell_metrics(*stats, text);
  tell_process_metrics(text);
  with.response.set_content(text.take() + caf_metrics(node_.system().metrics()),
                            "text/plain; version=0.0.4; charset=utf-8");
}

void admin_api::page(exchange& with) {
  const auto file = page_ ? page_(with.request.path) : std::nullopt;
  if (!file)
    return refuse(with.response, 404, "there is nothing at this path");
  with.response.set_header("Cache-Control", "no-cache");
  with.response.set_content(file->content.data(), file->content.size(),
                            std::string{file->content_type});
}

} // namespace bulwarkd
